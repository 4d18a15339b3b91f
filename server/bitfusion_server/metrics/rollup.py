"""From many samples to one. Pure.

Invariant: what is rolled up in several steps is what is rolled up at once, as long as no reading is missing from a sample.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from bitfusion_core.metrics import BY_NAME, TABLE, Aggregation, Sample, Subject, Window

_LATE_S = 10.0  # how late a sample of a server may arrive and still count


def roll_up(samples: Sequence[Sample], start: float) -> Sample | None:
    """One sample for the time that began at `start`, from those in it in the order of time; None from none."""
    if not samples:
        return None
    names = {name: None for sample in samples for name in sample.values if name in BY_NAME}
    return Sample(start, {name: _instances(name, samples) for name in names}, sum(sample.count for sample in samples))


def in_steps(samples: Sequence[Sample], step_s: int) -> list[Sample]:
    """Rolled up into steps, the last of which need not be over."""
    steps: dict[float, list[Sample]] = {}
    for sample in samples:
        steps.setdefault(sample.at // step_s * step_s, []).append(sample)
    rolled = (roll_up(found, start) for start, found in steps.items())
    return [sample for sample in rolled if sample is not None]


def summary(samples: Sequence[Sample]) -> dict[str, dict[str, tuple[float, float]]]:
    """Mean and maximum of every figure of every instance."""
    return {
        name: {
            instance: (_one(Aggregation.MEAN, found), _one(Aggregation.MAX, found)) for instance, found in _values(name, samples).items()
        }
        for name in {name: None for sample in samples for name in sample.values if name in BY_NAME}
    }


def due(window: Window, newest: float | None, oldest: float | None, now: float) -> Iterator[float]:
    """Where the steps of a window begin that can be rolled up: those after the newest one, from the oldest sample there is, up to now."""
    if newest is None and oldest is None:
        return
    start = newest + window.step_s if newest is not None else math.floor((oldest or 0.0) / window.step_s) * window.step_s
    start = max(start, math.floor((now - window.keep_s) / window.step_s) * window.step_s)
    while start + window.step_s + _LATE_S <= now:
        yield start
        start += window.step_s


def cluster(servers: Sequence[Sample], at: float) -> Sample:
    """The cluster as the sum of what its servers reported last."""
    values = {row.name: {"": _sum(row.name, servers)} for row in TABLE if row.subject is Subject.CLUSTER}
    return Sample(at, values)


def _sum(name: str, servers: Sequence[Sample]) -> float:
    if name == "cluster_servers":
        return float(len(servers))
    of_server = name.replace("cluster_", "server_", 1)
    return math.fsum(server.values.get(of_server, {}).get("", 0.0) for server in servers)


def _instances(name: str, samples: Sequence[Sample]) -> Mapping[str, float]:
    return {instance: _one(BY_NAME[name].aggregation, found) for instance, found in _values(name, samples).items()}


def _values(name: str, samples: Sequence[Sample]) -> dict[str, list[tuple[float, int]]]:
    """By instance, with how many readings stand behind each."""
    found: dict[str, list[tuple[float, int]]] = {}
    for sample in samples:
        for instance, value in sample.values.get(name, {}).items():
            found.setdefault(instance, []).append((value, sample.count))
    return found


def _one(aggregation: Aggregation, values: Sequence[tuple[float, int]]) -> float:
    if aggregation is Aggregation.MAX:
        return max(value for value, _ in values)
    if aggregation is Aggregation.LAST:
        return values[-1][0]
    return math.fsum(value * count for value, count in values) / sum(count for _, count in values)
