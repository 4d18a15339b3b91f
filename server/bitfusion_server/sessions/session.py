"""A lease while it is open."""

from __future__ import annotations

import asyncio

from bitfusion_core.models import HOLD_CONNECTION, Lease
from bitfusion_server.store.base import ActiveLease


class Session:
    """What the service keeps in memory beside the stored lease.

    `settled`: store and dispatcher know it, or never will. `ending`: it is to end. `ended`: its GPUs are free again.
    """

    def __init__(self, active: ActiveLease, now: float) -> None:
        self.active = active
        self.holders = 0
        self.reason = ""
        self.settled = asyncio.Event()
        self.ending = asyncio.Event()
        self.ended = asyncio.Event()
        self.last_activity = now
        self._calls: dict[str, int] = {}
        self._grace: asyncio.TimerHandle | None = None

    @property
    def lease(self) -> Lease:
        """What was granted."""
        return self.active.lease

    @property
    def abandoned(self) -> bool:
        """It lives by a connection and nobody holds one."""
        return self.lease.hold == HOLD_CONNECTION and self.holders == 0

    def note_calls(self, process: str, calls: int, now: float) -> None:
        """Take in the number of CUDA calls of a client process so far; a change is activity."""
        if calls != self._calls.get(process):
            self._calls[process] = calls
            self.last_activity = now

    def forget_process(self, process: str, now: float) -> None:
        """A client process has started or ended."""
        self._calls.pop(process, None)
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
