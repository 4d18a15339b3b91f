"""Lists of a large store: 10,000 clients and 1,000 servers with a full history. `python -m tests.bench.store`.

Every list and every chart is read as the API reads it; the slowest of several is reported.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from bitfusion_core.metrics import WINDOWS, Sample, Subject, Window
from bitfusion_core.models import HOLD_LEASE, Lease, LeasedGpu
from bitfusion_server.metrics.history import CLUSTER, History
from bitfusion_server.store.base import ActiveLease, AuditEntry, Client
from bitfusion_server.store.samples import Point
from bitfusion_server.store.sqlite import SqliteStore
from tests.bench.parts import Watch, machine, workplace

PAGE = 100
_REPEATS = 20
_GPU_FIGURES = (
    *("gpu_memory_total_bytes", "gpu_memory_used_bytes", "gpu_memory_allocated_bytes", "gpu_utilization_ratio"),
    *("gpu_temperature_celsius", "gpu_power_watts", "gpu_ecc_uncorrected_errors", "gpu_leases"),
)
_NETWORK_FIGURES = ("network_receive_bytes", "network_transmit_bytes", "network_receive_errors", "network_transmit_errors")
_SERVER_FIGURES = ("server_gpus", "server_gpus_allocated", "server_leases", "server_waiting_requests", "server_accepting")


def figures(server: int, at: float) -> Sample:
    """A server with 8 GPUs and 2 interfaces."""
    gpus = [f"GPU-{server:08x}-0000-4000-8000-{gpu:012x}" for gpu in range(8)]
    values = {name: {gpu: (at * 7 + server + number) % 1000 for number, gpu in enumerate(gpus)} for name in _GPU_FIGURES}
    values |= {name: dict.fromkeys(("ens192", "ens224"), at % 1000000000.0) for name in _NETWORK_FIGURES}
    values |= {name: {"": at % 8} for name in _SERVER_FIGURES}
    return Sample(at, values, 6)


async def fill(store: SqliteStore, servers: int, clients: int, now: float) -> None:
    """The history of a month, and as many clients, ended leases and audit entries."""
    for window in WINDOWS:
        points = int(min(window.span_s, window.keep_s) // window.step_s)
        times = [now - (points - number) * window.step_s for number in range(points)]
        for server in range(servers):
            await _put_all(store, window, [Point(Subject.SERVER, f"server-{server:05}", figures(server, at)) for at in times])
        cluster = {"cluster_gpus": {"": 8.0 * servers}, "cluster_gpus_allocated": {"": 100.0}, "cluster_servers": {"": 1.0 * servers}}
        await _put_all(store, window, [Point(Subject.CLUSTER, CLUSTER, Sample(at, cluster)) for at in times])
    await asyncio.gather(*(_client(store, number, now) for number in range(clients)))


async def _put_all(store: SqliteStore, window: Window, points: list[Point]) -> None:
    await store.samples.put(window, points)


async def _client(store: SqliteStore, number: int, now: float) -> None:
    client_id = f"c11e0000-0000-4000-8000-{number:012}"
    await store.insert_client(Client(client_id, "TOKEN22", f"host-{number}", "ann", now - number, expires_at=now))
    gpu = LeasedGpu(0, "GPU-0", "Tesla T4", 1000, 1000)
    lease = Lease(f"l{number}", "s1", "TOKEN22", client_id, (gpu,), 1000, 0.1, HOLD_LEASE, "host", "ann", ("python", "x.py"), now)
    await store.open_lease(ActiveLease(lease, b"k" * 32))
    await store.close_lease(lease.id, now + number, "released")
    await store.append_audit(AuditEntry(now, "admin", "client.disable", client_id))
    sample = Sample(now, {"client_gpus_allocated": {"": 1.0}, "client_leases": {"": 1.0}})
    await store.samples.put(WINDOWS[0], [Point(Subject.CLIENT, client_id, sample)])


async def slowest_ms(read: Callable[[int], Awaitable[object]]) -> float:
    """The longest of several reads."""
    times = []
    for number in range(_REPEATS):
        started = time.perf_counter()
        await read(number)
        times.append(time.perf_counter() - started)
    return round(max(times) * 1000, 1)


async def measure(path: Path, servers: int, clients: int) -> dict[str, Any]:
    """All figures."""
    store = SqliteStore(path / "store.db")
    await store.open()
    now = time.time()
    watch = Watch()
    await fill(store, servers, clients, now)
    filled = watch.rates(servers * sum(int(min(w.span_s, w.keep_s) // w.step_s) for w in WINDOWS))
    history = History(store.samples, lambda: now)
    cursor = (await store.clients(5000)).next
    lists: dict[str, float] = {
        "clients, first page": await slowest_ms(lambda _: store.clients(PAGE)),
        "clients, middle": await slowest_ms(lambda _: store.clients(PAGE, cursor)),
        "ended sessions": await slowest_ms(lambda _: store.ended_leases(PAGE)),
        "audit log": await slowest_ms(lambda _: store.audit(PAGE)),
        "servers with a history": await slowest_ms(lambda n: history.subjects(Subject.SERVER, f"server-{n * 40:05}", PAGE)),
        "clients with a history": await slowest_ms(
            lambda n: history.subjects(Subject.CLIENT, f"c11e0000-0000-4000-8000-{n * 400:012}", PAGE)
        ),
    }
    for window in WINDOWS:
        lists[f"history of a server, {window.name}"] = await slowest_ms(
            lambda n, window=window: history.read(window, Subject.SERVER, f"server-{n * 37 % servers:05}")  # type: ignore[misc]
        )
        lists[f"history of the cluster, {window.name}"] = await slowest_ms(
            lambda _, window=window: history.read(window, Subject.CLUSTER, CLUSTER)  # type: ignore[misc]
        )
    watch = Watch()
    await history.tick(5.0)
    tick = watch.rates(1)["seconds"]
    await store.close()
    return {"machine": await asyncio.to_thread(machine, path), "filled": filled, "slowest_ms": lists, "history_tick_s": tick}


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--servers", type=int, default=1000)
    parser.add_argument("--clients", type=int, default=10_000)
    arguments = parser.parse_args()
    with workplace() as path:
        figures = asyncio.run(measure(path, arguments.servers, arguments.clients))
        size_mib = round(sum(file.stat().st_size for file in path.glob("store.db*")) / (1 << 20))
        print(json.dumps({**figures, "size_mib": size_mib}, indent=2))


if __name__ == "__main__":
    main()
