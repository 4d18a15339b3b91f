"""Waiting requests in the order of their arrival, grouped so that those that fit or do not fit together are asked once.

Who is over its quota stands aside: it keeps its number, holds nobody else up, and comes back when its owner has less, the owner's first first.
"""

from __future__ import annotations

import functools
import heapq
from collections.abc import Hashable, Iterator
from dataclasses import dataclass

from bitfusion_core.models import LeaseRequest


@dataclass(frozen=True)
class Entry:
    """A request that waits until `deadline`. `owner` is whose quota it counts against."""

    id: str
    request: LeaseRequest
    deadline: float
    owner: str = ""

    @functools.cached_property
    def shape(self) -> Hashable:
        """What decides whether it fits: entries of the same shape fit or do not fit together."""
        request = self.request
        return (request.gpus, request.fraction, request.memory_mib, tuple(sorted((k, tuple(v)) for k, v in request.filters.items())))


class Line:
    """Entries by number of arrival."""

    def __init__(self) -> None:
        self._arrivals = 0
        self._numbers: dict[str, int] = {}
        self._entries: dict[str, Entry] = {}
        self._shapes: dict[Hashable, list[tuple[int, str]]] = {}
        self._aside: set[str] = set()
        self._aside_of: dict[str, list[tuple[int, str]]] = {}
        self._deadlines: list[tuple[float, str]] = []

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, entry_id: str) -> bool:
        return entry_id in self._entries

    def entries(self) -> Iterator[Entry]:
        """All in the order of arrival."""
        return iter(self._entries.values())

    def last(self) -> Entry | None:
        """Who came last."""
        return next(reversed(self._entries.values()), None)

    def join(self, entry: Entry) -> None:
        """One more at the end."""
        self._arrivals += 1
        self._entries[entry.id] = entry
        self._numbers[entry.id] = self._arrivals
        heapq.heappush(self._deadlines, (entry.deadline, entry.id))
        heapq.heappush(self._shapes.setdefault(entry.shape, []), (self._arrivals, entry.id))

    def leave(self, entry_id: str) -> Entry | None:
        """One less, wherever it stands."""
        entry = self._entries.pop(entry_id, None)
        if entry is not None:
            del self._numbers[entry_id]
            self._aside.discard(entry_id)
        return entry

    def step_aside(self, entry: Entry) -> None:
        """Let the others of its shape pass."""
        self._aside.add(entry.id)
        heapq.heappush(self._aside_of.setdefault(entry.owner, []), (self._numbers[entry.id], entry.id))

    def is_aside(self, entry: Entry) -> bool:
        """Does it wait for its owner's quota?"""
        return entry.id in self._aside

    def has_aside(self, owner: str) -> bool:
        """Does anyone wait for this owner's quota?"""
        return self._first_aside(owner) is not None

    def owners_aside(self) -> set[str]:
        """Whose quota is waited for."""
        return {owner for owner in tuple(self._aside_of) if self.has_aside(owner)}

    def step_back(self, owner: str) -> tuple[int, str] | None:
        """The first of an owner's that stood aside is considered again; returns its number and id."""
        first = self._first_aside(owner)
        if first is not None:
            self._aside.discard(first[1])
            heapq.heappop(self._aside_of[owner])
            heapq.heappush(self._shapes.setdefault(self._entries[first[1]].shape, []), first)
        return first

    def _first_aside(self, owner: str) -> tuple[int, str] | None:
        heap = self._aside_of.get(owner, [])
        while heap and heap[0][1] not in self._aside:
            heapq.heappop(heap)
        if not heap:
            self._aside_of.pop(owner, None)
            return None
        return heap[0]

    def fronts(self) -> list[tuple[int, str]]:
        """Number and id of the first of each shape, as a heap."""
        fronts = [front for shape in tuple(self._shapes) if (front := self.front(shape)) is not None]
        heapq.heapify(fronts)
        return fronts

    def front(self, shape: Hashable) -> tuple[int, str] | None:
        """The first of a shape that does not stand aside."""
        heap = self._shapes.get(shape, [])
        while heap and not self._stands(*heap[0]):
            heapq.heappop(heap)
        if not heap:
            self._shapes.pop(shape, None)
            return None
        return heap[0]

    def entry(self, entry_id: str) -> Entry:
        """One that waits."""
        return self._entries[entry_id]

    @property
    def next_deadline(self) -> float | None:
        """When the next request times out if nothing happens."""
        while self._deadlines and self._deadlines[0][1] not in self._entries:
            heapq.heappop(self._deadlines)
        return self._deadlines[0][0] if self._deadlines else None

    def overdue(self, now: float) -> Iterator[Entry]:
        """Those whose time is over."""
        while (deadline := self.next_deadline) is not None and deadline <= now:
            yield self._entries[heapq.heappop(self._deadlines)[1]]

    def _stands(self, number: int, entry_id: str) -> bool:
        entry = self._entries.get(entry_id)
        return entry is not None and self._numbers[entry_id] == number and not self.is_aside(entry)
