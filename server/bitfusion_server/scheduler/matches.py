"""Which servers have GPUs that pass a request's filters: looked up once for each set of filters, until a server changes."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

from bitfusion_core import filters
from bitfusion_core.models import LeaseRequest
from bitfusion_server.scheduler.placement import Inventory

_REMEMBERED = 256

Sizes = tuple[int, ...]


class Matching:
    """Sizes of the GPUs that pass, largest first, of each server that has any."""

    def __init__(self, sizes: Mapping[str, Sizes]) -> None:
        self._sizes = sizes
        self._kinds = frozenset(sizes.values())

    def enough(self, server_id: str, gpus: int) -> bool:
        """Has the server so many?"""
        return len(self._sizes.get(server_id, ())) >= gpus

    def largest_mib(self, gpus: int) -> int:
        """The best a server could do for the smallest of so many GPUs; 0 if none has so many."""
        return max((sizes[gpus - 1] for sizes in self._kinds if len(sizes) >= gpus), default=0)


class Matches:
    """By filters."""

    def __init__(self) -> None:
        self._found: dict[Hashable, Matching] = {}

    def of(self, request: LeaseRequest, servers: Mapping[str, Inventory]) -> Matching:
        """The servers for a request."""
        key = tuple(sorted((name, tuple(values)) for name, values in request.filters.items())) if request.filters else ()
        if key not in self._found:
            if len(self._found) >= _REMEMBERED:
                self._found.clear()
            self._found[key] = Matching({server_id: sizes for server_id, server in servers.items() if (sizes := _sizes(request, server))})
        return self._found[key]


def _sizes(request: LeaseRequest, server: Inventory) -> Sizes:
    passing = (s.gpu.memory_mib for s in server.gpus if filters.matches(request.filters, server.server, s.gpu))
    return tuple(sorted(passing, reverse=True))
