"""Looks at the server at every metrics interval, keeps what it saw for those who ask, and writes it to the history."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

import structlog

from bitfusion_core.errors import BitfusionError
from bitfusion_core.metrics import WINDOWS, Sample, Subject
from bitfusion_core.models import GpuReport, Lease
from bitfusion_server.metrics import collect, interfaces
from bitfusion_server.metrics.collect import Snapshot
from bitfusion_server.scheduler.placement import Inventory
from bitfusion_server.store.samples import Point, SampleStore

_log = structlog.get_logger(__name__)

Counters = Mapping[str, Mapping[str, float]]


class Leases(Protocol):
    """What is asked of the lease service."""

    server_id: str

    def inventory(self) -> Inventory:
        """The GPUs and what is taken of them."""

    def leases(self) -> tuple[Lease, ...]:
        """Open leases."""

    @property
    def waiting(self) -> int:
        """Requests in the queue."""


class Collector:
    """One for each server."""

    def __init__(
        self,
        leases: Leases,
        read_gpus: Callable[[], Awaitable[GpuReport]],
        samples: SampleStore,
        wall_clock: Callable[[], float],
        read_counters: Callable[[], Counters] = interfaces.read,
    ) -> None:
        self._leases = leases
        self._read_gpus = read_gpus
        self._samples = samples
        self._wall_clock = wall_clock
        self._read_counters = read_counters
        self._latest: Snapshot | None = None
        self._sample: Sample | None = None

    @property
    def latest(self) -> Snapshot | None:
        """What was seen last; None right after the start."""
        return self._latest

    @property
    def latest_sample(self) -> Sample | None:
        """The same as figures, rates among them."""
        return self._sample

    async def run(self, interval_s: Callable[[], float]) -> None:
        """For ever; what fails is left out of the history and tried again."""
        while True:
            try:
                await self.collect()
            except (BitfusionError, OSError) as error:
                _log.error("figures not collected", reason=str(error))
            await asyncio.sleep(interval_s())

    async def collect(self) -> None:
        """Look once, and write it down."""
        report, counters = await asyncio.gather(self._read_gpus(), asyncio.to_thread(self._read_counters))
        before, now = self._latest, self._snapshot(report, counters)
        self._latest, self._sample = now, collect.server_sample(now, before)
        server = Point(Subject.SERVER, self._leases.server_id, self._sample)
        clients = (Point(Subject.CLIENT, client_id, sample) for client_id, sample in collect.client_samples(now))
        await self._samples.put(WINDOWS[0], [server, *clients])

    def _snapshot(self, report: GpuReport, counters: Counters) -> Snapshot:
        leases = self._leases
        return Snapshot(self._wall_clock(), leases.inventory(), report.gpus, leases.leases(), leases.waiting, counters)
