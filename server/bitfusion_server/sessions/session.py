"""A lease while it is open."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bitfusion_core.models import HOLD_CONNECTION, HOLD_LEASE, Lease
from bitfusion_server.store.base import ActiveLease


@dataclass(frozen=True)
class Work:
    """What a client process has done so far. Figures of other processes arrive here: what is no number counts as none."""

    calls: int = 0
    bytes_in: int = 0
    bytes_out: int = 0

    @classmethod
    def of(cls, figures: Mapping[str, Any]) -> Work:
        """As a worker reports it."""
        return cls(*(value if isinstance(value := figures.get(name), int) else 0 for name in ("calls", "bytes_in", "bytes_out")))

    def plus(self, other: Work) -> Work:
        """Both together."""
        return Work(self.calls + other.calls, self.bytes_in + other.bytes_in, self.bytes_out + other.bytes_out)


class Session:
    """What the service keeps in memory beside the stored lease.

    `kept`: its client has written down that it has it; what lives by a connection does not need that. `settled`: store and dispatcher know it, or never will. `ending`: it is to end. `ended`: its GPUs are free again.
    """

    def __init__(self, active: ActiveLease, now: float) -> None:
        self.active = active
        self.holders = 0
        self.kept = False
        self.reason = ""
        self.settled = asyncio.Event()
        self.ending = asyncio.Event()
        self.ended = asyncio.Event()
        self.last_activity = now
        self._work: dict[str, Work] = {}
        self._past_work = Work()
        self._grace: asyncio.TimerHandle | None = None

    @property
    def lease(self) -> Lease:
        """What was granted."""
        return self.active.lease

    @property
    def abandoned(self) -> bool:
        """It lives by a connection and nobody holds one."""
        return self.lease.hold == HOLD_CONNECTION and self.holders == 0

    @property
    def unclaimed(self) -> bool:
        """Nothing shows that its client has read the grant: nobody holds it, nobody has said to keep it."""
        return self.holders == 0 and not (self.kept and self.lease.hold == HOLD_LEASE)

    @property
    def work(self) -> Work:
        """Of all its client processes."""
        total = self._past_work
        for work in self._work.values():
            total = total.plus(work)
        return total

    @property
    def processes(self) -> int:
        """Client processes that have reported something and not ended."""
        return len(self._work)

    def note_work(self, process: str, work: Work, now: float) -> None:
        """Take in what a client process has done so far; more calls than before are activity."""
        known = self._work.get(process)
        if known is None or work.calls != known.calls:
            self.last_activity = now
        self._work[process] = work

    def forget_process(self, process: str, now: float) -> None:
        """A client process has started or ended."""
        self._past_work = self._past_work.plus(self._work.pop(process, Work()))
        self.last_activity = now

    def give_grace(self, timer: asyncio.TimerHandle) -> None:
        """Someone has until the timer fires to hold it again."""
        self.stop_grace()
        self._grace = timer

    def stop_grace(self) -> None:
        """It is held, or over."""
        if self._grace is not None:
            self._grace.cancel()
            self._grace = None
