"""The history service: sums the servers up to the cluster, rolls samples up from window to window, forgets what is too old.

Everything it makes it can make again from what is in the store, so it may run in a manager or on its own (`bitfusion analytics`), be stopped
at any moment, and catch up.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence

import structlog

from bitfusion_core.errors import BitfusionError
from bitfusion_core.metrics import WINDOWS, Sample, Subject, Window
from bitfusion_server.metrics import rollup
from bitfusion_server.store.samples import Point, SampleStore

_log = structlog.get_logger(__name__)

CLUSTER = "cluster"
_SILENT_S = 15.0  # a server that has not reported for so long, or for some intervals, is not there
_SILENT_INTERVALS = 3
_EXPIRY_S = 60.0


class History:
    """One in a cluster at a time; two would do the same work twice, no more."""

    def __init__(self, samples: SampleStore, wall_clock: Callable[[], float]) -> None:
        self._samples = samples
        self._wall_clock = wall_clock
        self._expired_at = 0.0

    async def run(self, interval_s: Callable[[], float]) -> None:
        """For ever; what fails is tried again the next time."""
        while True:
            await asyncio.sleep(interval_s())
            try:
                await self.tick(interval_s())
            except BitfusionError as error:
                _log.error("history not kept up", reason=error.detail)

    async def tick(self, interval_s: float) -> None:
        """What is due now."""
        now = self._wall_clock()
        await self._sum_up(now, max(_SILENT_S, _SILENT_INTERVALS * interval_s))
        for finer, window in itertools.pairwise(WINDOWS):
            for kind in Subject:
                await self._roll_up(kind, finer, window, now)
        if now - self._expired_at >= _EXPIRY_S:
            self._expired_at = now
            for window in WINDOWS:
                await self._samples.expire(window, now - window.keep_s)

    async def read(self, window: Window, kind: Subject, subject: str) -> Sequence[Sample]:
        """One subject's history over a window, in the order of time, up to this moment: what is not rolled up yet is rolled up for the answer."""
        now = self._wall_clock()
        return await self._up_to(now, WINDOWS.index(window), kind, subject, now - window.span_s)

    async def _up_to(self, now: float, number: int, kind: Subject, subject: str, since: float) -> list[Sample]:
        window = WINDOWS[number]
        found = list(await self._samples.read(window, kind, subject, since, now + 1))
        if number > 0:
            begun = found[-1].at + window.step_s if found else since
            found += rollup.in_steps(await self._up_to(now, number - 1, kind, subject, begun), window.step_s)
        return found

    async def subjects(self, kind: Subject, after: str, limit: int) -> Sequence[str]:
        """A page of those that have a history, by id."""
        pages = [await self._samples.subjects(window, kind, after, limit) for window in WINDOWS]
        return sorted({subject for page in pages for subject in page})[:limit]

    async def latest(self, kind: Subject, seconds: float = 60.0) -> Sequence[Point]:
        """The newest sample of every subject that has reported lately."""
        now = self._wall_clock()
        return tuple(_newest(await self._samples.read_all(WINDOWS[0], kind, now - seconds, now + 1)).values())

    async def _sum_up(self, now: float, silent_s: float) -> None:
        servers = await self.latest(Subject.SERVER, silent_s)
        if servers:
            sample = rollup.cluster([point.sample for point in servers], now)
            await self._samples.put(WINDOWS[0], [Point(Subject.CLUSTER, CLUSTER, sample)])

    async def _roll_up(self, kind: Subject, finer: Window, window: Window, now: float) -> None:
        newest, oldest = await self._samples.newest(window, kind), await self._samples.oldest(finer, kind)
        for start in rollup.due(window, newest, oldest, now):
            points = await self._samples.read_all(finer, kind, start, start + window.step_s)
            if points:
                await self._samples.put(window, await asyncio.to_thread(_rolled, kind, points, start))


def _newest(points: Sequence[Point]) -> dict[str, Point]:
    """The last of each subject; points are in the order of time."""
    return {point.subject: point for point in points}


def _rolled(kind: Subject, points: Sequence[Point], start: float) -> list[Point]:
    by_subject: dict[str, list[Sample]] = {}
    for point in points:
        by_subject.setdefault(point.subject, []).append(point.sample)
    rolled = ((subject, rollup.roll_up(samples, start)) for subject, samples in by_subject.items())
    return [Point(kind, subject, sample) for subject, sample in rolled if sample is not None]
