"""First come, first served, without holding up those who are in nobody's way.

Those who stand first and do not fit are the heads. Each gets a hold: a fixed set of GPUs that nobody behind may touch until it has started.
So the first head waits at most for the leases that were running on those GPUs when it became head, however many small requests arrive later;
requests behind start early only on what the heads do not need. One server has one head; a cluster has several, or large requests would
queue for a single hold. Who is over its quota is no head: it stands aside until its owner has less.

Invariant between two events: no entry that waits would fit, except on GPUs held for others. So only servers where something has become free
have to be looked at again. State without I/O or clock; time is an argument.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass

from bitfusion_server.scheduler.hall import Hall
from bitfusion_server.scheduler.line import Entry
from bitfusion_server.scheduler.placement import Never, Placement, within
from bitfusion_server.scheduler.pool import Pool
from bitfusion_server.scheduler.quota import Quotas
from bitfusion_server.scheduler.round import Round

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
        self._hall = Hall(self.pool, self.quotas)
        self._line = self._hall.line
        self._possible: set[Hashable] = set()
        self._version = pool.version

    def __len__(self) -> int:
        return len(self._line)

    @property
    def next_deadline(self) -> float | None:
        """When the next request times out if nothing happens."""
        return self._line.next_deadline

    @property
    def heads(self) -> tuple[str, ...]:
        """Who is next, for whom GPUs are held."""
        return tuple(self._hall.heads)

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

    def take(self, owner: str, placement: Placement) -> None:
        """Something was granted before a restart."""
        self._hall.take(owner, placement)

    def join(self, entry: Entry, now: float) -> Outcome:
        """One more at the end. Nothing has become free, so only it can start."""
        never = self.impossible(entry)
        if never is not None:
            return Outcome(refused=((entry, never),))
        placement = self._place_newcomer(entry)
        if placement is not None:
            self._hall.take(entry.owner, placement)
            return Outcome(granted=((entry, placement),))
        if entry.deadline <= now:
            return Outcome(timed_out=((entry, self._hall.reason(entry)),))
        self._line.join(entry)
        if self._line.has_aside(entry.owner) or self._hall.over_quota(entry):
            self._hall.put_aside(entry)
        self._hall.name_heads()
        return Outcome()

    def leave(self, entry_id: str, now: float) -> Outcome:
        """One less: it was cancelled. What was held for it is there for others."""
        if entry_id not in self._line:
            return Outcome()
        owner = self._line.entry(entry_id).owner
        held = self._hall.dismiss(entry_id)
        return self._round(now, {held.server_id} if held is not None else set(), {owner})

    def release(self, owner: str, placement: Placement, now: float) -> Outcome:
        """Something granted has come back."""
        self.pool.release(placement.server_id, placement.gpus)
        self.quotas.give_back(owner, placement.gpu_share)
        return self._round(now, {placement.server_id}, {owner})

    def expire(self, now: float) -> Outcome:
        """Let those go whose time is over."""
        return self._round(now, set())

    def reconsider(self, now: float) -> Outcome:
        """Servers, settings or quotas have changed: everything is asked again, also whether it is possible at all."""
        refused = tuple((entry, never) for entry in tuple(self._line.entries()) if (never := self.impossible(entry)) is not None)
        for entry, _ in refused:
            self._hall.dismiss(entry.id)
        outcome = self._round(now, None, self._line.owners_aside())
        return Outcome(outcome.granted, outcome.timed_out, refused)

    def waiting(self) -> Iterator[tuple[Entry, Status]]:
        """Everybody's place and reason, in order. Costs as much as there are waiting: ask from time to time."""
        reasons: dict[Hashable, str] = {}
        for place, entry in enumerate(self._line.entries(), start=1):
            if self._line.is_aside(entry):
                yield entry, Status(place, self._hall.reason(entry))
                continue
            if entry.shape not in reasons:
                reasons[entry.shape] = self.pool.shortage(entry.request)
            yield entry, Status(place, reasons[entry.shape])

    def last(self) -> Status | None:
        """What the one who joined last is told."""
        entry = self._line.last()
        return None if entry is None else Status(len(self._line), self._hall.reason(entry))

    def _place_newcomer(self, entry: Entry) -> Placement | None:
        """What others of its shape wait for is not there for it either, nor the quota others of its owner wait for."""
        if self._line.front(entry.shape) is not None or self._line.has_aside(entry.owner):
            return None
        return self.pool.place(entry.request, self.quotas.allowance(entry.owner))

    def _round(self, now: float, freed: set[str] | None, owners: Iterable[str] = ()) -> Outcome:
        this = Round(self._hall, now)
        this.run(freed, set(owners))
        return Outcome(tuple(this.granted), tuple(this.timed_out))
