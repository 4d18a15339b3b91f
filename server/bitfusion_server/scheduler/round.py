"""One round of the queue: who starts, and who gives up, after something has become free."""

from __future__ import annotations

import heapq
from collections.abc import Hashable

from bitfusion_server.scheduler.hall import Hall
from bitfusion_server.scheduler.line import Entry
from bitfusion_server.scheduler.placement import Placement


class Round:
    """Walks the line: first the heads, then the first of each shape in the order of arrival. Free memory only shrinks on the way, except
    where a hold is given up; those servers are looked at in a further walk, so that whoever stands first is asked first."""

    def __init__(self, hall: Hall, now: float) -> None:
        self._hall = hall
        self._pool = hall.pool
        self._line = hall.line
        self._now = now
        self._freed: set[str] | None = None
        self._back: set[str] = set()
        self._closed: set[Hashable] = set()
        self._fronts: list[tuple[int, str]] = []
        self._given_up: set[str] = set()
        self.granted: list[tuple[Entry, Placement]] = []
        self.timed_out: list[tuple[Entry, str]] = []

    def run(self, freed: set[str] | None, owners: set[str]) -> None:
        """`freed`: the servers where something has become free (None: any); `owners`: those who have got room in their quotas."""
        while True:
            self._walk(freed, owners)
            owners = self._expire()
            freed, self._given_up = self._given_up, set()
            if not freed and not owners:
                break
        self._hall.name_heads()

    def _walk(self, freed: set[str] | None, owners: set[str]) -> None:
        self._freed, self._back, self._fronts = freed, set(), []
        shapes = [self._ask_head(self._line.entry(head)) for head in tuple(self._hall.heads)]
        self._closed = {shape for shape in shapes if shape is not None}
        for owner in owners:
            self._call_back(owner)
        if freed is None or freed or self._back:
            self._fronts += self._line.fronts()
            heapq.heapify(self._fronts)
        while self._fronts:
            entry_id = heapq.heappop(self._fronts)[1]
            if entry_id in self._line:
                self._next(self._line.entry(entry_id))

    def _next(self, entry: Entry) -> None:
        """Ask one that does not stand aside, and see who is to be asked because of the answer."""
        if entry.shape not in self._closed and not self._line.is_aside(entry):
            if not self._ask(entry, None if entry.id in self._back else self._freed):
                self._closed.add(entry.shape)
                self._hall.name_head(entry)
            elif (following := self._line.front(entry.shape)) is not None:
                heapq.heappush(self._fronts, following)
        if entry.id in self._back and not self._line.is_aside(entry):
            self._call_back(entry.owner)

    def _call_back(self, owner: str) -> None:
        """Quota is for those of an owner in the order of their arrival: the next is asked when the one before did not lack it."""
        first = self._line.step_back(owner)
        if first is not None:
            self._back.add(first[1])
            heapq.heappush(self._fronts, first)

    def _ask(self, entry: Entry, among: set[str] | None) -> bool:
        """Does it start or stand aside? If neither, nobody of its shape can start."""
        placement = self._pool.place(entry.request, self._hall.quotas.allowance(entry.owner), among)
        if placement is not None:
            self._grant(entry, placement)
            return True
        if self._hall.over_quota(entry):
            self._hall.put_aside(entry)
            return True
        return False

    def _ask_head(self, head: Entry) -> Hashable | None:
        """The shape of a head that goes on waiting. Its own hold is no obstacle to it."""
        held = self._pool.held(head.id)
        home = held.server_id if held is not None else ""
        freed = self._freed
        among = None if freed is None else {server for server in freed if server == home or self._pool.has_room(head.request, server)}
        if among is not None and not among:
            return head.shape
        self._hall.drop(head.id)
        leaves = self._ask(head, among)
        if held is None:
            return None if leaves else head.shape
        if not leaves and self._pool.holdable(held):
            self._hall.hold(head, held)
        else:
            self._given_up.add(held.server_id)
        return None if leaves else head.shape

    def _grant(self, entry: Entry, placement: Placement) -> None:
        self._hall.dismiss(entry.id)
        self._hall.take(entry.owner, placement)
        self.granted.append((entry, placement))

    def _expire(self) -> set[str]:
        """Let those go whose time is over; returns their owners, whose next ones may start."""
        owners = set()
        for entry in self._line.overdue(self._now):
            self.timed_out.append((entry, self._hall.reason(entry)))
            held = self._hall.dismiss(entry.id)
            if held is not None:
                self._given_up.add(held.server_id)
            owners.add(entry.owner)
        return owners
