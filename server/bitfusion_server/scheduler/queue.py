"""First come, first served, without holding up those who are in nobody's way.

Whoever stands first and does not fit gets a reservation: a fixed set of GPUs that nobody behind may touch until the head has started.
So the head waits at most for the leases that were running on those GPUs when it became head, however many small requests arrive later;
requests behind it start early only on what the head does not need.
"""

from __future__ import annotations

import functools
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

from bitfusion_core.models import LeasedGpu, LeaseRequest
from bitfusion_server.scheduler.placement import Inventory, Never, Placement, Wait, place, reserve


@dataclass(frozen=True)
class Entry:
    """A request that waits until `deadline`."""

    id: str
    request: LeaseRequest
    deadline: float

    @functools.cached_property
    def shape(self) -> Hashable:
        """What decides whether it fits: entries of the same shape fit or do not fit together."""
        request = self.request
        return (request.gpus, request.fraction, request.memory_mib, tuple(sorted((k, tuple(v)) for k, v in request.filters.items())))


@dataclass(frozen=True)
class Status:
    """What a waiting client is told."""

    place: int
    reason: str


@dataclass(frozen=True)
class Queue:
    """Waiting requests in order, and what is kept for the first."""

    entries: tuple[Entry, ...] = ()
    reserved_for: str = ""
    reservation: tuple[LeasedGpu, ...] = ()

    def joined(self, entry: Entry) -> Queue:
        """With one more at the end."""
        return Queue((*self.entries, entry), self.reserved_for, self.reservation)

    def without(self, entry_id: str) -> Queue:
        """With one less: it was cancelled."""
        return Queue(tuple(e for e in self.entries if e.id != entry_id), self.reserved_for, self.reservation)

    @property
    def next_deadline(self) -> float | None:
        """When the next request times out if nothing happens."""
        return min((entry.deadline for entry in self.entries), default=None)


@dataclass(frozen=True)
class Outcome:
    """One round: who starts, who gave up waiting and for what, who can never start, and what the others are told."""

    queue: Queue
    granted: tuple[tuple[Entry, Placement], ...] = ()
    timed_out: tuple[tuple[Entry, str], ...] = ()
    refused: tuple[tuple[Entry, Never], ...] = ()
    waiting: Mapping[str, Status] = field(default_factory=dict)


def advance(queue: Queue, inventory: Inventory, now: float) -> Outcome:
    """Start everyone who can start now."""
    return _Round(queue, inventory, now).run()


def join(queue: Queue, entry: Entry, inventory: Inventory, now: float) -> Outcome:
    """The same as to advance with one more at the end, when nothing has become free since the queue last advanced: only it can start."""
    if not queue.entries:
        return advance(queue.joined(entry), inventory, now)
    decision = place(entry.request, inventory.charged(queue.reservation))
    if isinstance(decision, Placement):
        return Outcome(queue, granted=((entry, decision),))
    if isinstance(decision, Never):
        return Outcome(queue, refused=((entry, decision),))
    if entry.deadline <= now:
        return Outcome(queue, timed_out=((entry, decision.reason),))
    return Outcome(queue.joined(entry), waiting={entry.id: Status(len(queue.entries) + 1, decision.reason)})


class _Round:
    """Walks the queue once; free memory only shrinks on the way, so what did not fit once does not fit again."""

    def __init__(self, queue: Queue, inventory: Inventory, now: float) -> None:
        self._queue = queue
        self._inventory = inventory
        self._now = now
        self._granted: list[tuple[Entry, Placement]] = []
        self._timed_out: list[tuple[Entry, str]] = []
        self._refused: list[tuple[Entry, Never]] = []
        self._waiting: list[tuple[Entry, str]] = []
        self._reserved_for = ""
        self._reservation: tuple[LeasedGpu, ...] = ()
        self._did_not_fit: dict[Hashable, str] = {}

    def run(self) -> Outcome:
        for entry in self._queue.entries:
            self._consider(entry)
        return Outcome(
            Queue(tuple(entry for entry, _ in self._waiting), self._reserved_for, self._reservation),
            tuple(self._granted),
            tuple(self._timed_out),
            tuple(self._refused),
            {entry.id: Status(number, reason) for number, (entry, reason) in enumerate(self._waiting, start=1)},
        )

    def _consider(self, entry: Entry) -> None:
        known = self._did_not_fit.get(entry.shape)
        decision = Wait(known) if known is not None else place(entry.request, self._inventory)
        if isinstance(decision, Never):
            self._refused.append((entry, decision))
        elif isinstance(decision, Placement):
            self._granted.append((entry, decision))
            self._inventory = self._inventory.charged(decision.gpus)
        elif entry.deadline <= self._now:
            self._timed_out.append((entry, decision.reason))
        else:
            self._let_wait(entry, decision.reason)

    def _let_wait(self, entry: Entry, reason: str) -> None:
        if not self._waiting:
            self._reserve(entry)
        self._did_not_fit.setdefault(entry.shape, reason)
        self._waiting.append((entry, reason))

    def _reserve(self, head: Entry) -> None:
        """Keep the set chosen when it became head as long as those GPUs exist: a set that moved could be chased for ever."""
        present = {state.gpu.uuid for state in self._inventory.gpus}
        kept = self._queue.reservation if self._queue.reserved_for == head.id else ()
        usable = bool(kept) and all(share.uuid in present for share in kept)
        self._reserved_for = head.id
        self._reservation = kept if usable else reserve(head.request, self._inventory)
        self._inventory = self._inventory.charged(self._reservation)
