"""What starting an application through the product costs."""

from __future__ import annotations

import pytest

from tools import build, start_time
from tools.start_time import NOTHING, RUN, UNIT, VERSION

# Of `python3 -c pass` on the machine for which the bounds are given; a machine that is slower, or busy, has as much more time.
UNIT_S = 0.013
VERSION_S = 0.080
ADDED_S = 0.150


@pytest.mark.slow
def test_start_time() -> None:
    """`--version` takes less than 80 ms, and `run -n 1 -- true` at most 150 ms more than `true`: the best of 25 runs each, in turn."""
    build.write_command()
    times = {name: min(seconds) for name, seconds in start_time.measure(25).items()}
    slower = max(1.0, times[UNIT] / UNIT_S)

    assert times[VERSION] < VERSION_S * slower, times
    assert times[RUN] - times[NOTHING] <= ADDED_S * slower, times
