"""From samples to the history of hours and days."""

from __future__ import annotations

import itertools

from bitfusion_core.metrics import WINDOW_BY_NAME, WINDOWS, Sample, Subject
from bitfusion_server.metrics.collector import Collector
from bitfusion_server.metrics.history import CLUSTER, History
from bitfusion_server.metrics.interfaces import parse
from bitfusion_server.sessions.service import LeaseService
from bitfusion_server.store.base import Store
from bitfusion_server.store.samples import Point
from tests.server.conftest import SERVER_ID
from tests.server.fakes import FakeGpus
from tests.server.metrics.test_collect import PROC_NET_DEV

MOMENTS, HOUR, DAY, MONTH = WINDOWS


class Clock:
    """Time that is moved by hand."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        """The time."""
        return self.now


async def fill(store: Store, start: float, seconds: int, step: int, **values: float) -> None:
    """A server that reports the same all the time."""
    sample = {name: {"": value} for name, value in values.items()}
    times = (start + offset for offset in range(0, seconds, step))
    await store.samples.put(MOMENTS, [Point(Subject.SERVER, "s1", Sample(at, sample)) for at in times])


async def test_roll_ups(store: Store) -> None:
    """Moments become half minutes, those ten minutes, those four hours; the cluster is summed up on the way."""
    clock = Clock(400_000.0)
    history = History(store.samples, clock)
    for _ in range(100):
        await fill(store, clock.now - 60, 60, 10, server_gpus=8.0, server_gpus_allocated=2.0)
        await history.tick(5.0)
        clock.now += 60

    hour = await history.read(HOUR, Subject.SERVER, "s1")
    day = await history.read(DAY, Subject.SERVER, "s1")
    assert len(hour) >= 110
    assert all(later.at - earlier.at == 30 for earlier, later in itertools.pairwise(hour))
    assert {2.0} == {sample.values["server_gpus_allocated"][""] for sample in (*hour, *day)}
    assert len(day) >= 8
    (cluster,) = await history.latest(Subject.CLUSTER)
    assert (cluster.subject, cluster.sample.values["cluster_gpus"][""]) == (CLUSTER, 8.0)


async def test_catching_up(store: Store) -> None:
    """A history service that was down rolls up what it has missed; once, however often it is asked."""
    await fill(store, 400_000.0, 600, 5, server_leases=1.0)
    for _ in range(2):
        await History(store.samples, Clock(400_700.0)).tick(5.0)

    found = await store.samples.read(HOUR, Subject.SERVER, "s1", 0.0, 1e9)
    assert len(found) == 21
    assert sum(sample.count for sample in found) == 120


async def test_the_present_is_there(store: Store) -> None:
    """A server of five minutes has a history of a month: what is not rolled up yet is rolled up when it is asked for."""
    await fill(store, 400_000.0, 300, 5, server_gpus_allocated=2.0)
    history = History(store.samples, Clock(400_300.0))
    hour = await history.read(HOUR, Subject.SERVER, "s1")
    (month,) = await history.read(MONTH, Subject.SERVER, "s1")

    await history.tick(5.0)

    assert hour == await history.read(HOUR, Subject.SERVER, "s1")
    assert (month.values["server_gpus_allocated"][""], month.count) == (2.0, 60)
    assert month.at % MONTH.step_s == 0


async def test_expiry(store: Store) -> None:
    """Samples older than their window keeps are forgotten."""
    await fill(store, 1000.0, 100, 5, server_leases=1.0)

    await History(store.samples, Clock(1000.0 + MOMENTS.keep_s + 50)).tick(5.0)

    assert await store.samples.oldest(MOMENTS, Subject.SERVER) == 1050.0


async def test_silent_server_is_not_counted(store: Store) -> None:
    """The cluster is made of the servers that report."""
    await fill(store, 1000.0, 1, 1, server_gpus=8.0)

    await History(store.samples, Clock(1100.0)).tick(5.0)

    assert await store.samples.newest(MOMENTS, Subject.CLUSTER) is None


async def test_collector(service: LeaseService, store: Store) -> None:
    """What is seen is in the history at once, of server and clients, and rates from the second look on."""
    clock = Clock(5000.0)
    collector = Collector(service, FakeGpus(16000, 16000).read, store.samples, clock, lambda: parse(PROC_NET_DEV))
    await collector.collect()
    clock.now += 5
    await collector.collect()

    first, second = await History(store.samples, clock).read(WINDOW_BY_NAME["5m"], Subject.SERVER, SERVER_ID)
    assert first.values["gpu_temperature_celsius"] == {"GPU-0": 40.0}
    assert "network_receive_bytes" not in first.values
    assert second.values["network_receive_bytes"] == {"lo": 0.0, "eth0": 0.0, "ens192": 0.0}
    assert collector.latest is not None
    assert collector.latest.at == 5005.0
