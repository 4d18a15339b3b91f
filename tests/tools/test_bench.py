"""The bounds of `./dev bench --gate`."""

from __future__ import annotations

from typing import Any

import pytest

from native.bench.run import COPIES, missed, table

RAW: dict[str, Any] = {"ping_pong_us": {"p50": 10.0, "mean": 11.0, "p999": 50.0}, "tcp_gb_s": 2.0}
TRIP = {"p50": 39.0, "mean": 60.0, "p999": 900.0}
KEPT: dict[str, Any] = {
    "blocking_call_us": TRIP,
    "launch_sync_us": TRIP,
    "launches_per_s": 300_000.0,
    **{f"{name}_gb_s": 0.9 for name in COPIES},
}


def test_bounds_that_are_kept() -> None:
    """Nothing is said, and the table has a row for every figure."""
    assert list(missed(RAW, KEPT)) == []
    assert len(list(table(RAW, KEPT))) == 11


@pytest.mark.parametrize(
    "worse, said",
    [
        ({"launches_per_s": 299_999.0}, "launches/s"),
        ({"launch_sync_us": {**TRIP, "p50": 41.0}}, "4.10 ping-pongs"),
        ({"d2h_pinned_gb_s": 0.78}, "d2h_pinned reaches 0.39"),
    ],
)
def test_bounds_that_are_missed(worse: dict[str, Any], said: str) -> None:
    """Each is named with its figure."""
    failures = list(missed(RAW, {**KEPT, **worse}))
    assert len(failures) == 1
    assert said in failures[0]
