"""What holds for the client of a lease, as the lease service asks for it; deciding must not wait for a store."""

from __future__ import annotations

from typing import Protocol

from bitfusion_core.errors import BitfusionError
from bitfusion_server.settings.live import Reading


class ClientRules(Protocol):
    """`bitfusion_server.auth.clients.Clients` has them for each client."""

    def refusal(self, client_id: str, token_id: str) -> BitfusionError | None:
        """Why a client with this token may start nothing at this moment, or None."""

    def expired(self, client_id: str) -> bool:
        """Has its time run out, so that its sessions end?"""

    def idle_limit_min(self, client_id: str) -> float:
        """Minutes without GPU work after which its sessions end; 0: never."""


class SameForAll:
    """Every client may do what the settings say by default."""

    def __init__(self, settings: Reading) -> None:
        self._settings = settings

    def refusal(self, client_id: str, token_id: str) -> BitfusionError | None:  # noqa: ARG002 - nobody is refused
        """Nobody is refused."""
        return None

    def expired(self, client_id: str) -> bool:  # noqa: ARG002 - nobody's time runs out
        """For nobody."""
        return False

    def idle_limit_min(self, client_id: str) -> float:  # noqa: ARG002 - the same for all
        """The default."""
        return self._settings.number("lease.idle_timeout_min")
