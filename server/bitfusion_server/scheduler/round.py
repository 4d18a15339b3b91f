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
        self._given_up: set[str] = set()
        self.granted: list[tuple[Entry, Placement]] = []
        self.timed_out: list[tuple[Entry, str]] = []

    def run(self, freed: set[str] | None, unasked: set[Hashable]) -> None:
        """`freed`: the servers where something has become free (None: any); `unasked`: shapes for which all servers are to be asked."""
        while True:
            if freed is None or freed or unasked:
                self._walk(freed, unasked)
            self._expire()
            freed, unasked, self._given_up = self._given_up, set(), set()
            if not freed:
                break
        self._hall.name_heads()

    def _walk(self, freed: set[str] | None, unasked: set[Hashable]) -> None:
        closed = {shape for head in tuple(self._hall.heads) if (shape := self._ask_head(self._line.entry(head), freed)) is not None}
        fronts = self._line.fronts()
        while fronts:
            entry = self._line.entry(heapq.heappop(fronts)[1])
            if entry.shape in closed:
                continue
            if not self._ask(entry, None if entry.shape in unasked else freed):
                closed.add(entry.shape)
                continue
            following = self._line.front(entry.shape)
            if following is not None:
                heapq.heappush(fronts, following)

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

    def _ask_head(self, head: Entry, freed: set[str] | None) -> Hashable | None:
        """The shape of a head that goes on waiting. Its own hold is no obstacle to it."""
        held = self._pool.held(head.id)
        home = held.server_id if held is not None else ""
        among = None if freed is None else {server for server in freed if server == home or self._pool.has_room(head.request, server)}
        if among is not None and not among and not self._hall.over_quota(head):
            return head.shape
        self._pool.drop(head.id)
        leaves = self._ask(head, among)
        if held is None:
            return None if leaves else head.shape
        if not leaves and self._pool.holdable(held):
            self._pool.hold(head.id, held)
        elif not (self.granted and self.granted[-1][0] is head and self.granted[-1][1].gpus == held.gpus):
            self._given_up.add(held.server_id)
        return None if leaves else head.shape

    def _grant(self, entry: Entry, placement: Placement) -> None:
        self._hall.dismiss(entry.id)
        self._hall.take(entry.owner, placement)
        self.granted.append((entry, placement))

    def _expire(self) -> None:
        for entry in self._line.overdue(self._now):
            self.timed_out.append((entry, self._hall.reason(entry)))
            held = self._hall.dismiss(entry.id)
            if held is not None:
                self._given_up.add(held.server_id)
