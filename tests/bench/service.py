"""Allocation and release in the service layer, on SQLite with a flush to disk for every commit. `python -m tests.bench.service`.

The dispatcher is a process that admits everybody; everything else is the product's own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from pathlib import Path
from typing import Any

from bitfusion_core.models import HOLD_LEASE, LeaseRequest, ServerFacts
from bitfusion_core.settings import Settings
from bitfusion_server.sessions.service import LeaseService
from bitfusion_server.sessions.ticket import Granted, Queued, Ticket
from bitfusion_server.store.sqlite import SqliteStore
from tests.bench.parts import GPUS, Watch, machine, quantiles, workplace
from tests.server.conftest import SERVER_ID, until

PART = LeaseRequest(1, memory_mib=1000, hold=HOLD_LEASE, command=("python", "train.py"), hostname="laptop", user="ann")
ALL = LeaseRequest(8, hold=HOLD_LEASE)
WHOLE = LeaseRequest(1, hold=HOLD_LEASE)
MANY = {"queue.max_waiting": 100_000}


async def granted(ticket: Ticket) -> str:
    """Wait for the lease."""
    async for event in ticket.events():
        if isinstance(event, Granted):
            return event.active.lease.id
        assert isinstance(event, Queued), event
    raise AssertionError("no outcome")


async def pairs(service: LeaseService, count: int, workers: int, request: LeaseRequest = PART) -> dict[str, Any]:
    """So many allocations, each followed by its release, by so many clients at once."""
    left = iter(range(count))
    times: list[float] = []

    async def work(name: str) -> None:
        for _ in left:
            started = time.perf_counter()
            lease_id = await granted(service.request(request, name))
            times.append(time.perf_counter() - started)
            await service.release(lease_id)

    watch = Watch()
    await asyncio.gather(*(work(f"TOKEN{number}") for number in range(workers)))
    return {"pairs": count, "at_once": workers, **watch.rates(count), "allocation": quantiles(times)}


async def behind_a_queue(service: LeaseService, waiting: int, count: int) -> dict[str, Any]:
    """So many requests wait for whole GPUs while others come and go in what is left; then the queue is served."""
    everything = await granted(service.request(ALL, "FIRST22"))
    watch = Watch()
    queued = [asyncio.ensure_future(granted(service.request(WHOLE, f"TOKEN{number}"))) for number in range(waiting)]
    joined = watch.rates(waiting)
    await asyncio.sleep(0)
    times: list[float] = []
    for _ in range(count):
        started = time.perf_counter()
        ticket = service.request(PART, "GUEST22")
        service.cancel(ticket)
        times.append(time.perf_counter() - started)
    watch = Watch()
    await service.release(everything)
    for one in queued:
        await service.release(await one)
    return {"waiting": waiting, "joined": joined, "joined_and_cancelled": quantiles(times), "served": watch.rates(waiting)}


async def measure(path: Path, count: int, waiting: int) -> dict[str, Any]:
    """All figures."""
    store = SqliteStore(path / "store.db")
    await store.open()
    facts = ServerFacts("10.0.0.5", "gpu-1", GPUS.driver_version, GPUS.cuda_version)
    service = LeaseService(store, path / "run" / "dispatcher.sock", GPUS, SERVER_ID, facts, Settings(MANY), time.time)
    await service.start()
    await until(lambda: service.ready)
    await pairs(service, count // 10, 8)
    figures = {f"{workers} clients": await pairs(service, count, workers) for workers in (1, 8, 64)}
    figures["queue"] = await behind_a_queue(service, waiting, 200)
    await service.stop()
    await store.close()
    return {"machine": machine(path), **figures}


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5000)
    parser.add_argument("--waiting", type=int, default=2000)
    arguments = parser.parse_args()
    with workplace() as path:
        print(json.dumps(asyncio.run(measure(path, arguments.pairs, arguments.waiting)), indent=2))


if __name__ == "__main__":
    main()
