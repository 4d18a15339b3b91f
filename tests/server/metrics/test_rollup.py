"""From many samples to one."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitfusion_core.metrics import BY_NAME, TABLE, WINDOWS, Aggregation, Sample
from bitfusion_server.metrics.rollup import cluster, due, roll_up

HOUR = WINDOWS[1]
_levels = st.floats(0, 1e12, allow_nan=False)


def sample(at: float, **values: float) -> Sample:
    """Figures without instances."""
    return Sample(at, {name: {"": value} for name, value in values.items()})


def test_each_figure_in_its_way() -> None:
    """Temperatures keep their maximum, sizes their last value, loads and rates their mean."""
    names = ("gpu_temperature_celsius", "gpu_memory_total_bytes", "gpu_power_watts", "network_receive_bytes")
    samples = [sample(float(at), **dict.fromkeys(names, value)) for at, value in enumerate((3.0, 9.0, 6.0))]

    rolled = roll_up(samples, 0.0)

    assert rolled is not None
    assert [rolled.values[name][""] for name in names] == [9.0, 6.0, 6.0, 6.0]
    assert rolled.count == 3


def test_gaps() -> None:
    """Nothing makes nothing; a sensor that was missing for a while counts while it was there; an unknown figure is dropped."""
    assert roll_up([], 0.0) is None

    rolled = roll_up([sample(0.0, gpu_power_watts=10.0, of_a_later_version=1.0), sample(1.0, gpu_temperature_celsius=50.0)], 0.0)

    assert rolled == Sample(0.0, {"gpu_power_watts": {"": 10.0}, "gpu_temperature_celsius": {"": 50.0}}, 2)


@settings(max_examples=50)
@given(st.lists(_levels, min_size=1, max_size=40), st.integers(1, 10))
def test_in_steps_as_at_once(values: list[float], size: int) -> None:
    """Rolled up in two steps is as rolled up at once, and lies between the smallest and the largest."""
    samples = [Sample(float(at), {row.name: {"": value} for row in TABLE}) for at, value in enumerate(values)]
    parts = [roll_up(samples[start : start + size], float(start)) for start in range(0, len(samples), size)]

    in_steps, at_once = roll_up([part for part in parts if part is not None], 0.0), roll_up(samples, 0.0)

    assert in_steps is not None
    assert at_once is not None
    for row in TABLE:
        assert in_steps.values[row.name][""] == pytest.approx(at_once.values[row.name][""])
        assert min(values) * 0.999999 <= at_once.values[row.name][""] <= max(values) * 1.000001
        assert BY_NAME[row.name].aggregation is not Aggregation.MAX or at_once.values[row.name][""] == max(values)


def test_due_steps() -> None:
    """Whole steps only, late samples waited for, none twice, none that is no longer kept."""
    assert list(due(HOUR, None, None, 1000.0)) == []
    assert list(due(HOUR, None, 65.0, 100.0)) == [60.0]
    assert list(due(HOUR, 60.0, 65.0, 130.0)) == [90.0]
    assert list(due(HOUR, 60.0, 65.0, 129.0)) == []
    assert min(due(HOUR, 60.0, 65.0, 1e6)) >= 1e6 - HOUR.keep_s - HOUR.step_s


def test_cluster_is_the_sum() -> None:
    """Figures of servers add up; a server that has no such figure counts for the others."""
    servers = [sample(1.0, server_gpus=8.0, server_gpus_allocated=1.5), sample(2.0, server_gpus=4.0)]

    values = cluster(servers, 5.0).values

    assert (values["cluster_servers"][""], values["cluster_gpus"][""], values["cluster_gpus_allocated"][""]) == (2.0, 12.0, 1.5)


def test_windows_fit_into_each_other() -> None:
    """A window's step is a multiple of the one before, which is kept long enough to be rolled up, and buckets hold whole steps."""
    for finer, coarser in itertools.pairwise(WINDOWS):
        assert coarser.step_s % finer.step_s == 0
        assert finer.keep_s >= 2 * coarser.step_s
        assert coarser.bucket_s % coarser.step_s == 0
        assert coarser.keep_s >= coarser.span_s
