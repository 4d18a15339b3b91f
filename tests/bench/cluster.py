"""The scheduler alone on a simulated cluster: 1,000 servers of 8 GPUs, 100,000 requests. `python -m tests.bench.cluster`.

Time is simulated; only decisions are made. Reported: how many events (arrivals and ends) a core decides a second, the slowest one, how full
the GPUs were, and how long requests of each size waited.
"""

from __future__ import annotations

import argparse
import dataclasses
import heapq
import json
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator

from bitfusion_core.models import Gpu, LeaseRequest, ServerFacts
from bitfusion_server.scheduler.line import Entry
from bitfusion_server.scheduler.placement import GpuState, Inventory, Placement
from bitfusion_server.scheduler.pool import Pool
from bitfusion_server.scheduler.queue import Outcome, Queue
from bitfusion_server.scheduler.quota import Quotas

GPUS_PER_SERVER = 8
CLIENTS = 500
MEAN_DURATION_S = 600.0
_MODELS = (("Tesla T4", 16160, 4), ("A10", 24000, 3), ("A100", 40960, 2), ("H100", 81920, 1))
_SIZES = ((1, 68), (2, 15), (4, 10), (8, 7))


def cluster(servers: int) -> list[Inventory]:
    """Servers of four models of GPU."""
    models = [model for model in _MODELS for _ in range(model[2])]
    return [_server(number, *models[number % len(models)][:2]) for number in range(servers)]


def _server(number: int, name: str, memory_mib: int) -> Inventory:
    facts = ServerFacts(f"10.0.{number // 250}.{number % 250}", f"gpu-{number}", "580.65.06", "13.0")
    gpus = tuple(GpuState(Gpu(i, f"GPU-{number}-{i}", name, f"0000:0{i}:00.0", memory_mib)) for i in range(GPUS_PER_SERVER))
    return Inventory(facts, gpus, 0, f"s{number}")


def requests(count: int, choices: random.Random) -> Iterator[LeaseRequest]:
    """Half partitions (fractions and MB), half whole GPUs, one to eight; some want a model of GPU."""
    for _ in range(count):
        filters = {"device.name": (choices.choice(_MODELS)[0],)} if choices.random() < 0.1 else {}
        kind = choices.random()
        if kind < 0.35:
            yield LeaseRequest(1, fraction=choices.choice((0.1, 0.25, 0.5)), filters=filters)
        elif kind < 0.5:
            yield LeaseRequest(choices.choice((1, 1, 2)), memory_mib=choices.choice((2048, 4096, 8192, 12288)), filters=filters)
        else:
            yield LeaseRequest(choices.choices([s for s, _ in _SIZES], [w for _, w in _SIZES])[0], filters=filters)


@dataclasses.dataclass
class Run:
    """One simulation and what was seen."""

    queue: Queue
    durations: dict[str, float]
    now: float = 0.0
    busy_gpus: float = 0.0
    gpu_seconds: float = 0.0
    longest_queue: int = 0
    slowest_s: float = 0.0
    decided_s: float = 0.0
    events: int = 0
    joined: dict[str, float] = dataclasses.field(default_factory=dict)
    waits: dict[str, list[float]] = dataclasses.field(default_factory=lambda: defaultdict(list))
    waits_of: dict[str, list[float]] = dataclasses.field(default_factory=lambda: defaultdict(list))
    ends: list[tuple[float, str, str, Placement]] = dataclasses.field(default_factory=list)

    def arrive(self, at: float, entry: Entry) -> None:
        """A request comes."""
        self.end_until(at)
        self._move(at)
        self.joined[entry.id] = at
        self._decide(lambda: self.queue.join(entry, at))

    def end_until(self, at: float) -> None:
        """All leases that end before a moment end."""
        while self.ends and self.ends[0][0] <= at:
            end, _, owner, placement = heapq.heappop(self.ends)
            self._move(end)
            self.busy_gpus -= placement.gpu_share
            self._decide(lambda owner=owner, placement=placement, end=end: self.queue.release(owner, placement, end))

    def _decide(self, event: object) -> None:
        started = time.thread_time()
        outcome: Outcome = event()  # type: ignore[operator]
        took = time.thread_time() - started
        self.events += 1
        self.decided_s += took
        self.slowest_s = max(self.slowest_s, took)
        self.longest_queue = max(self.longest_queue, len(self.queue))
        for entry, placement in outcome.granted:
            self._start(entry, placement)

    def _start(self, entry: Entry, placement: Placement) -> None:
        waited = self.now - self.joined.pop(entry.id)
        self.waits[_size(entry.request)].append(waited)
        self.waits_of[entry.owner].append(waited)
        self.busy_gpus += placement.gpu_share
        heapq.heappush(self.ends, (self.now + self.durations[entry.id], entry.id, entry.owner, placement))

    def _move(self, at: float) -> None:
        self.gpu_seconds += self.busy_gpus * (at - self.now)
        self.now = at


def _size(request: LeaseRequest) -> str:
    return f"{request.gpus} whole" if request.whole else "partition"


def simulate(servers: int, count: int, load: float, seed: int = 1) -> dict[str, object]:
    """Offer `load` times what the cluster can do, until all requests have been served."""
    choices = random.Random(seed)
    wanted = list(requests(count, choices))
    durations = {str(number): choices.expovariate(1 / MEAN_DURATION_S) for number in range(count)}
    run = Run(Queue(Pool(cluster(servers)), Quotas(64.0)), durations)
    mean_share = statistics.fmean(run.queue.pool.least_share(request) for request in wanted)
    gpus = servers * GPUS_PER_SERVER
    rate = load * gpus / (mean_share * MEAN_DURATION_S)
    at = 0.0
    for number, request in enumerate(wanted):
        at += choices.expovariate(rate)
        run.arrive(at, Entry(str(number), request, float("inf"), f"client-{number % CLIENTS}"))
    arrivals_s, use = at, run.gpu_seconds / (at * gpus)
    run.end_until(float("inf"))
    waits = {size: _waits(run.waits[size]) for size in sorted(run.waits)}
    return {
        "servers": servers,
        "gpus": gpus,
        "requests": count,
        "offered_load": load,
        "simulated_hours": round(arrivals_s / 3600, 1),
        "gpus_in_use_ratio": round(use, 3),
        "longest_queue": run.longest_queue,
        "events_per_s": round(run.events / run.decided_s),
        "slowest_event_ms": round(run.slowest_s * 1000, 2),
        "fairness_between_clients": round(_jain([statistics.fmean(w) for w in run.waits_of.values()]), 3),
        "wait_s": waits,
        "left_over": len(run.queue),
    }


def _waits(waits: list[float]) -> dict[str, float]:
    ordered = sorted(waits)
    at_once = sum(1 for wait in ordered if wait == 0.0)
    return {
        "count": len(ordered),
        "at_once_ratio": round(at_once / len(ordered), 3),
        "mean": round(statistics.fmean(ordered), 1),
        "p99": round(ordered[int(len(ordered) * 0.99)], 1),
        "max": round(ordered[-1], 1),
    }


def _jain(values: list[float]) -> float:
    """Jain's index: 1 when all have waited alike."""
    squares = sum(value * value for value in values)
    return sum(values) ** 2 / (len(values) * squares) if squares else 1.0


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--servers", type=int, default=1000)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--load", type=float, nargs="+", default=[0.8, 1.0, 1.2], help="offered load, 1 is all GPUs all the time")
    arguments = parser.parse_args()
    for load in arguments.load:
        print(json.dumps(simulate(arguments.servers, arguments.requests, load), indent=2), flush=True)


if __name__ == "__main__":
    main()
