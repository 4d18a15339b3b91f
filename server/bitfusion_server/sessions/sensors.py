"""Readings of the GPUs, shared by all who ask at the same time."""

from __future__ import annotations

import asyncio
from typing import Protocol

from bitfusion_core.models import Gpu, GpuReport

_MAX_AGE_S = 1.0


class GpuSource(Protocol):
    """What the manager needs of the GPUs; `bitfusion_server.gpu.inventory.Inventory` is the real one."""

    @property
    def gpus(self) -> tuple[Gpu, ...]:
        """The GPUs that can be leased."""

    @property
    def driver_version(self) -> str:
        """Version of the driver."""

    @property
    def cuda_version(self) -> str:
        """Newest CUDA version of the driver."""

    async def read(self) -> GpuReport:
        """All sensors, now."""


class Sensors:
    """Reads at most once a second, however many clients ask."""

    def __init__(self, source: GpuSource) -> None:
        self._source = source
        self._lock = asyncio.Lock()
        self._report: GpuReport | None = None
        self._read_at = 0.0

    async def report(self) -> GpuReport:
        """A report not older than a second."""
        async with self._lock:
            now = asyncio.get_running_loop().time()
            if self._report is None or now - self._read_at > _MAX_AGE_S:
                self._report = await self._source.read()
                self._read_at = now
            return self._report
