"""First come, first served, without holding up those who are in nobody's way.

Whoever stands first and does not fit gets a hold: a fixed set of GPUs that nobody behind may touch until the head has started. So the head
waits at most for the leases that were running on those GPUs when it became head, however many small requests arrive later; requests behind
it start early only on what the head does not need. Who is over its quota is not the head: it stands aside until its owner has less.

Invariant between two events: no entry that waits would fit, except on GPUs that are held. So only servers where something has become free
have to be looked at again. State without I/O or clock; time is an argument.
"""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Iterator
from dataclasses import dataclass

from bitfusion_server.scheduler.line import Entry, Line
from bitfusion_server.scheduler.placement import Never, Placement, within
from bitfusion_server.scheduler.pool import Pool
from bitfusion_server.scheduler.quota import Quotas

_REMEMBERED = 1024


@dataclass(frozen=True)
class Status:
    """What a waiting client is told."""

    place: int
    reason: str


@dataclass(frozen=True)
class Outcome:
    """What an event has led to: who starts, who gave up waiting and for what, who can never start."""

    granted: tuple[tuple[Entry, Placement], ...] = ()
    timed_out: tuple[tuple[Entry, str], ...] = ()
    refused: tuple[tuple[Entry, Never], ...] = ()


class Queue:
    """Events in, decisions out. What is granted is charged to the pool and to the owner's quota before the answer."""

    def __init__(self, pool: Pool, quotas: Quotas | None = None) -> None:
        self.pool = pool
        self.quotas = quotas if quotas is not None else Quotas()
        self._line = Line()
        self._head = ""
        self._possible: set[Hashable] = set()
        self._version = pool.version

    def __len__(self) -> int:
        return len(self._line)

    @property
    def next_deadline(self) -> float | None:
        """When the next request times out if nothing happens."""
        return self._line.next_deadline

    @property
    def head(self) -> str:
        """Who is next, for whom GPUs are held; empty if nobody waits for GPUs."""
        return self._head

    def impossible(self, entry: Entry) -> Never | None:
        """Why the request can never be served, or None."""
        if self._version != self.pool.version or len(self._possible) > _REMEMBERED:
            self._possible.clear()
            self._version = self.pool.version
        if entry.shape not in self._possible:
            never = self.pool.impossible(entry.request)
            if never is not None:
                return never
            self._possible.add(entry.shape)
        least, quota = self.pool.least_share(entry.request), self.quotas.quota(entry.owner)
        return None if within(least, quota) else Never(f"{least:g} GPUs requested, this client's quota is {quota:g}")

    def join(self, entry: Entry, now: float) -> Outcome:
        """One more at the end. Nothing has become free, so only it can start."""
        never = self.impossible(entry)
        if never is not None:
            return Outcome(refused=((entry, never),))
        placement = self._place_newcomer(entry)
        if placement is not None:
            self.take(entry.owner, placement)
            return Outcome(granted=((entry, placement),))
        if entry.deadline <= now:
            return Outcome(timed_out=((entry, self.reason(entry)),))
        self._line.join(entry)
        if self.over_quota(entry):
            self._line.step_aside(entry)
        elif not self._head:
            self._become_head(entry)
        return Outcome()

    def leave(self, entry_id: str, now: float) -> Outcome:
        """One less: it was cancelled. What was held for it is there for others."""
        self._line.leave(entry_id)
        return self._round(now, set(), set()) if entry_id == self._head else Outcome()

    def release(self, owner: str, placement: Placement, now: float) -> Outcome:
        """Something granted has come back."""
        self.pool.release(placement.server_id, placement.gpus)
        self.quotas.give_back(owner, placement.gpu_share)
        return self._round(now, {placement.server_id}, self._line.step_back(owner))

    def expire(self, now: float) -> Outcome:
        """Let those go whose time is over."""
        return self._round(now, set(), set())

    def reconsider(self, now: float) -> Outcome:
        """Servers, settings or quotas have changed: everything is asked again, also whether it is possible at all."""
        refused = tuple((entry, never) for entry in tuple(self._line.entries()) if (never := self.impossible(entry)) is not None)
        for entry, _ in refused:
            self._line.leave(entry.id)
        for owner in {entry.owner for entry in self._line.entries()}:
            self._line.step_back(owner)
        outcome = self._round(now, None, set())
        return Outcome(outcome.granted, outcome.timed_out, refused)

    def entry(self, entry_id: str) -> Entry:
        """One that waits."""
        return self._line.entry(entry_id)

    def waiting(self) -> Iterator[tuple[str, Status]]:
        """Everybody's place and reason, in order. Costs as much as there are waiting: ask from time to time."""
        reasons: dict[Hashable, str] = {}
        for place, entry in enumerate(self._line.entries(), start=1):
            if self._line.is_aside(entry):
                yield entry.id, Status(place, self._quota_reason(entry.owner))
                continue
            if entry.shape not in reasons:
                reasons[entry.shape] = self.pool.shortage(entry.request)
            yield entry.id, Status(place, reasons[entry.shape])

    def last(self) -> Status | None:
        """What the one who joined last is told."""
        entry = self._line.last()
        return None if entry is None else Status(len(self._line), self.reason(entry))

    def reason(self, entry: Entry) -> str:
        """Why an entry does not start now."""
        return self._quota_reason(entry.owner) if self.over_quota(entry) else self.pool.shortage(entry.request)

    def _round(self, now: float, freed: set[str] | None, fresh: set[Hashable]) -> Outcome:
        """Start everyone who can start. `freed`: the servers where something has become free (None: any); `fresh`: shapes not asked yet."""
        this = _Round(self, self._line, now, freed, fresh)
        this.run(self._head)
        self._head = this.head
        for entry in self._line.overdue(now):
            this.timed_out.append((entry, self.reason(entry)))
            self._line.leave(entry.id)
        return Outcome(tuple(this.granted), tuple(this.timed_out))

    def _place_newcomer(self, entry: Entry) -> Placement | None:
        """What others of its shape wait for is not there for it either."""
        if self._line.front(entry.shape) is not None:
            return None
        return self.pool.place(entry.request, self.quotas.allowance(entry.owner))

    def take(self, owner: str, placement: Placement) -> None:
        """Something is granted, or was before a restart."""
        self.pool.charge(placement.server_id, placement.gpus)
        self.quotas.take(owner, placement.gpu_share)

    def over_quota(self, entry: Entry) -> bool:
        """Would it exceed its owner's quota wherever it was placed?"""
        return not within(self.pool.least_share(entry.request), self.quotas.allowance(entry.owner))

    def _quota_reason(self, owner: str) -> str:
        return f"{self.quotas.in_use(owner):g} of this client's quota of {self.quotas.quota(owner):g} GPUs are in use"

    def _become_head(self, entry: Entry) -> None:
        self._head = entry.id
        self.pool.set_hold(self.pool.reserve(entry.request, self.quotas.allowance(entry.owner)))


class _Round:
    """Walks the line once, the first of each shape in the order of arrival. Free memory only shrinks on the way."""

    def __init__(self, queue: Queue, line: Line, now: float, freed: set[str] | None, fresh: set[Hashable]) -> None:
        self._queue = queue
        self._pool = queue.pool
        self._line = line
        self._now = now
        self._freed = freed
        self._fresh = fresh
        self._closed: set[Hashable] = set()
        self.head = ""
        self.granted: list[tuple[Entry, Placement]] = []
        self.timed_out: list[tuple[Entry, str]] = []

    def run(self, head_before: str) -> None:
        """Decide for everyone; `head` is then who stands first. A head stays it, whoever comes back from aside with an older number."""
        held = self._lift_hold()
        if head_before in self._line:
            self._consider(self._line.entry(head_before), held)
        fronts = self._line.fronts()
        while fronts:
            entry = self._line.entry(heapq.heappop(fronts)[1])
            if entry.shape in self._closed:
                continue
            self._consider(entry, None)
            following = self._line.front(entry.shape)
            if following is not None:
                heapq.heappush(fronts, following)

    def _consider(self, entry: Entry, held: Placement | None) -> None:
        if not self._leaves(entry) and not self.head:
            self.head = entry.id
            self._keep_hold(entry, held)

    def _leaves(self, entry: Entry) -> bool:
        """Does it start, give up or stand aside? If it does none of these, nobody of its shape can start."""
        placement = self._place(entry)
        if placement is not None:
            self._line.leave(entry.id)
            self._queue.take(entry.owner, placement)
            self.granted.append((entry, placement))
        elif entry.deadline <= self._now:
            self.timed_out.append((entry, self._queue.reason(entry)))
            self._line.leave(entry.id)
        elif self._queue.over_quota(entry):
            self._line.step_aside(entry)
        else:
            self._closed.add(entry.shape)
            return False
        return True

    def _place(self, entry: Entry) -> Placement | None:
        among = None if self._freed is None or entry.shape in self._fresh else self._freed
        return self._pool.place(entry.request, self._queue.quotas.allowance(entry.owner), among)

    def _lift_hold(self) -> Placement | None:
        held = self._pool.hold
        if held is not None:
            self._pool.set_hold(None)
            if self._freed is not None:
                self._freed.add(held.server_id)
        return held

    def _keep_hold(self, head: Entry, held: Placement | None) -> None:
        """Hold the set chosen when it became head as long as those GPUs exist: a set that moved could be chased for ever."""
        if held is None or not self._pool.holdable(held):
            held = self._pool.reserve(head.request, self._queue.quotas.allowance(head.owner))
        self._pool.set_hold(held)
