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
    free = [(state.free_mib, state.untouched) for state in inventory.gpus]
    free.sort(reverse=True)
    shared = tuple(free_mib for free_mib, untouched in free if not untouched)
    return Room(tuple(free_mib for free_mib, _ in free), shared, len(free) - len(shared))


class Shelf:
    """Servers with GPUs of one size, in sorted lists: by their untouched GPUs, and by the free memory of their k-th roomiest GPU, for every k
    once among all GPUs and once among those in use already."""

    def __init__(self, size_mib: int, reserve_mib: int) -> None:
        self._size_mib = size_mib
        self._reserve_mib = reserve_mib
        self._rooms: dict[str, Room] = {}
        self._lists: list[list[_Row]] = [[]]

    def put(self, server_id: str, room: Room) -> None:
        """Add a server, or move it to where it now belongs."""
        before = self._rooms.get(server_id)
        if before != room:
            self._rooms[server_id] = room
            self._move(server_id, before, room)

    def remove(self, server_id: str) -> None:
        """Forget a server."""
        room = self._rooms.pop(server_id, None)
        if room is not None:
            self._move(server_id, room, None)

    def charge(self, request: LeaseRequest) -> int | None:
        """What each GPU here would give to the request."""
        return charge_mib(request, self._size_mib, self._reserve_mib)

    def fitting(self, request: LeaseRequest) -> Iterator[str]:
        """Servers with room: those where no further GPU has to be broken up come first, then the tightest."""
        charge = self.charge(request)
        if charge is None or request.gpus > self._most_gpus:
            return
        if request.whole:
            yield from _from(self._lists[0], request.gpus)
            return
        first = list(itertools.islice(_from(self._shared(request.gpus), charge), _KEPT))
        yield from first
        yield from (server_id for server_id in _from(self._all(request.gpus), charge) if server_id not in first)

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
        if self.charge(request) is not None and request.gpus <= self._most_gpus:
            rows = self._lists[0] if request.whole else self._all(request.gpus)
            yield from (server_id for _, _, server_id in reversed(rows) if len(self._rooms[server_id].free_mib) >= request.gpus)

    def most(self, request: LeaseRequest) -> int:
        """How many GPUs with room for a part of the request the best server has."""
        charge = self.charge(request)
        if charge is None:
            return 0
        if request.whole:
            return self._lists[0][-1][0] if self._lists[0] else 0
        return sum(1 for rows in self._lists[1::2] if rows and rows[-1][0] >= charge)

    def _all(self, count: int) -> list[_Row]:
        return self._lists[2 * count - 1]

    def _shared(self, count: int) -> list[_Row]:
        return self._lists[2 * count]

    @property
    def _most_gpus(self) -> int:
        return len(self._lists) // 2

    def _move(self, server_id: str, before: Room | None, after: Room | None) -> None:
        """From its places in the lists to others; most stay the same."""
        old, new = _rows(server_id, before), _rows(server_id, after)
        while len(self._lists) < len(new):
            self._lists.append([])
        for rows, was, becomes in zip(self._lists, *_padded(old, new), strict=False):
            if was != becomes:
                if was is not None:
                    del rows[bisect_left(rows, was)]
                if becomes is not None:
                    insort(rows, becomes)


def _rows(server_id: str, room: Room | None) -> list[_Row | None]:
    """A server's row in each list. Among equals, one that is broken up already comes before one with whole GPUs to lose."""
    if room is None:
        return []
    rows: list[_Row | None] = [(room.untouched, 0, server_id)]
    for free_mib, shared_mib in itertools.zip_longest(room.free_mib, room.shared_mib):
        rows.append((free_mib, room.untouched, server_id))
        rows.append((shared_mib, room.untouched, server_id) if shared_mib is not None else None)
    return rows


def _padded(one: list[_Row | None], other: list[_Row | None]) -> tuple[list[_Row | None], list[_Row | None]]:
    length = max(len(one), len(other))
    return one + [None] * (length - len(one)), other + [None] * (length - len(other))


def _from(rows: list[_Row], least: int) -> Iterator[str]:
    return (rows[position][2] for position in range(bisect_left(rows, (least,)), len(rows)))
