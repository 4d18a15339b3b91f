"""How many GPUs each owner may have at once, and has. Partitions count as their fraction."""

from __future__ import annotations

from collections.abc import Mapping

from bitfusion_server.scheduler.placement import UNLIMITED


class Quotas:
    """Owners without a quota of their own have the default."""

    def __init__(self, default: float = UNLIMITED, own: Mapping[str, float] | None = None) -> None:
        self._default = default
        self._own = dict(own or {})
        self._in_use: dict[str, float] = {}

    def set_default(self, gpus: float) -> None:
        """Change what owners without one of their own have."""
        self._default = gpus

    def set(self, owner: str, gpus: float | None) -> None:
        """Give an owner a quota of its own, or take it away. What it has already stays with it."""
        if gpus is None:
            self._own.pop(owner, None)
        else:
            self._own[owner] = gpus

    def quota(self, owner: str) -> float:
        """What an owner may have in all."""
        return self._own.get(owner, self._default)

    def in_use(self, owner: str) -> float:
        """What an owner has."""
        return self._in_use.get(owner, 0.0)

    def allowance(self, owner: str) -> float:
        """What an owner may have besides; negative when its quota was lowered under it."""
        return self.quota(owner) - self.in_use(owner)

    def take(self, owner: str, gpu_share: float) -> None:
        """The owner has so much more."""
        self._in_use[owner] = self.in_use(owner) + gpu_share

    def give_back(self, owner: str, gpu_share: float) -> None:
        """The owner has so much less; one that has nothing is forgotten, and rounding with it."""
        left = self.in_use(owner) - gpu_share
        if left > 1e-9:
            self._in_use[owner] = left
        else:
            self._in_use.pop(owner, None)
