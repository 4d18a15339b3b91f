"""One request on its way to a lease, and what its client is told meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from bitfusion_core.errors import BitfusionError
from bitfusion_core.models import LeaseRequest
from bitfusion_server.scheduler.queue import Status
from bitfusion_server.store.base import ActiveLease


@dataclass(frozen=True)
class Queued:
    """Still waiting."""

    place: int
    reason: str
    waited_s: float


@dataclass(frozen=True)
class Granted:
    """The lease is open."""

    active: ActiveLease


@dataclass(frozen=True)
class TimedOut:
    """Waited as long as the client wanted."""

    reason: str
    waited_s: float


@dataclass(frozen=True)
class Refused:
    """There will be no lease."""

    error: BitfusionError


Outcome = Granted | TimedOut | Refused


class Ticket:
    """Owned by the lease service, which reports to it; read by one stream."""

    def __init__(self, ticket_id: str, request: LeaseRequest, token_id: str, client_id: str, joined_at: float) -> None:
        self.id = ticket_id
        self.request = request
        self.token_id = token_id
        self.client_id = client_id
        self.joined_at = joined_at
        self.cancelled = False
        self.taken = False
        self._status: Status | None = None
        self._outcome: Outcome | None = None
        self._changed = asyncio.Event()

    @property
    def decided(self) -> bool:
        """The outcome has been reported."""
        return self._outcome is not None

    def waits(self, status: Status) -> None:
        """Report place and reason."""
        if status != self._status:
            self._status = status
            self._changed.set()

    def ends(self, outcome: Outcome) -> None:
        """Report the decision."""
        self._outcome = outcome
        self._changed.set()

    async def events(self) -> AsyncIterator[Queued | Outcome]:
        """Every change that is still news, and at last the outcome."""
        loop = asyncio.get_running_loop()
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self._outcome is not None:
                yield self._outcome
                return
            if self._status is not None:
                yield Queued(self._status.place, self._status.reason, round(loop.time() - self.joined_at, 3))
