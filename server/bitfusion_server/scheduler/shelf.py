"""Index of servers whose GPUs all have the same size: which of them has room, tightest first, without looking at all of them."""

from __future__ import annotations

import itertools
from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass

from bitfusion_core.models import LeaseRequest
from bitfusion_server.scheduler.placement import Inventory, charge_mib

_KEPT = 16  # servers offered first that need no further GPU broken up

_Row = tuple[int, int, str]


@dataclass(frozen=True)
class Room:
    """What decides whether a request fits into a server: free memory of its GPUs, roomiest first, of all and of those in use already."""

    free_mib: tuple[int, ...]
    shared_mib: tuple[int, ...]
    untouched: int

    def fits(self, request: LeaseRequest, charge: int) -> bool:
        """Is there room for it?"""
        count = request.gpus
        return self.untouched >= count if request.whole else len(self.free_mib) >= count and self.free_mib[count - 1] >= charge


def room_of(inventory: Inventory) -> Room:
    """The room of a server."""
    free = sorted((state.free_mib for state in inventory.gpus), reverse=True)
    shared = sorted((state.free_mib for state in inventory.gpus if not state.untouched), reverse=True)
    return Room(tuple(free), tuple(shared), len(free) - len(shared))


class Shelf:
    """Servers with GPUs of one size. Each list is sorted; in the k-th, a server stands where its k-th roomiest GPU puts it."""

    def __init__(self, size_mib: int, reserve_mib: int) -> None:
        self._size_mib = size_mib
        self._reserve_mib = reserve_mib
        self._rooms: dict[str, Room] = {}
        self._whole: list[_Row] = []
        self._free: list[list[_Row]] = []
        self._shared: list[list[_Row]] = []

    def put(self, server_id: str, room: Room) -> None:
        """Add a server, or move it to where it now belongs."""
        self.remove(server_id)
        self._rooms[server_id] = room
        self._reach(len(room.free_mib))
        for rows, row in self._rows(server_id, room):
            insort(rows, row)

    def remove(self, server_id: str) -> None:
        """Forget a server."""
        room = self._rooms.pop(server_id, None)
        if room is not None:
            for rows, row in self._rows(server_id, room):
                del rows[bisect_left(rows, row)]

    def charge(self, request: LeaseRequest) -> int | None:
        """What each GPU here would give to the request."""
        return charge_mib(request, self._size_mib, self._reserve_mib)

    def fitting(self, request: LeaseRequest) -> Iterator[str]:
        """Servers with room: those where no further GPU has to be broken up come first, then the tightest."""
        charge = self.charge(request)
        if charge is None or request.gpus > len(self._free):
            return
        if request.whole:
            yield from _from(self._whole, request.gpus)
            return
        first = list(itertools.islice(_from(self._shared[request.gpus - 1], charge), _KEPT))
        yield from first
        yield from (server_id for server_id in _from(self._free[request.gpus - 1], charge) if server_id not in first)

    def gpu_share(self, request: LeaseRequest) -> float:
        """What the request counts against a quota when it is served here."""
        if request.memory_mib is not None:
            return request.gpus * request.memory_mib / self._size_mib
        return request.gpus * (request.fraction or 1.0)

    def has_room(self, request: LeaseRequest, server_id: str) -> bool:
        """Is there room on one of its servers?"""
        charge = self.charge(request)
        return charge is not None and self._rooms[server_id].fits(request, charge)

    def roomiest(self, request: LeaseRequest) -> Iterator[str]:
        """Servers by how little is missing, whether the request fits or not."""
        if self.charge(request) is not None and request.gpus <= len(self._free):
            rows = self._whole if request.whole else self._free[request.gpus - 1]
            yield from (server_id for _, _, server_id in reversed(rows) if len(self._rooms[server_id].free_mib) >= request.gpus)

    def most(self, request: LeaseRequest) -> int:
        """How many GPUs with room for a part of the request the best server has."""
        charge = self.charge(request)
        if charge is None:
            return 0
        if request.whole:
            return self._whole[-1][0] if self._whole else 0
        return sum(1 for rows in self._free if rows and rows[-1][0] >= charge)

    def _reach(self, gpus: int) -> None:
        while len(self._free) < gpus:
            self._free.append([])
            self._shared.append([])

    def _rows(self, server_id: str, room: Room) -> Iterator[tuple[list[_Row], _Row]]:
        """Where a server stands in each list. Among equals, one that is broken up already comes before one with whole GPUs to lose."""
        yield self._whole, (room.untouched, 0, server_id)
        for number, free_mib in enumerate(room.free_mib):
            yield self._free[number], (free_mib, room.untouched, server_id)
        for number, free_mib in enumerate(room.shared_mib):
            yield self._shared[number], (free_mib, room.untouched, server_id)


def _from(rows: list[_Row], least: int) -> Iterator[str]:
    return (rows[position][2] for position in range(bisect_left(rows, (least,)), len(rows)))
