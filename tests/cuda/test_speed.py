"""How long the simulated GPU takes, on two processors, for what the programs of the tests compute."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable

import pytest

from tests.cuda_builder import Builder
from tests.machine import slowdown

TIMEOUT_S = 120
RUNS = 3


@pytest.mark.slow
@pytest.mark.gpu
@pytest.mark.parametrize("name, arguments, most_s", [("matmul", [], 3.0), ("vector_add", ["64"], 1.0)])
def test_kernel_time(
    name: str,
    arguments: list[str],
    most_s: float,
    program: Builder,
    simulated_gpus: Callable[..., dict[str, str]],
    record_testsuite_property: Callable[[str, object], None],
) -> None:
    """The kernel alone, between two events and already compiled: the best of three, each in proportion to what else the machine does."""
    command = [str(program(name)), *arguments]
    times, proportionate = [], []
    for _ in range(RUNS):
        before = slowdown()
        times.append(_kernel_s(command, simulated_gpus()))
        proportionate.append(times[-1] / ((before + slowdown()) / 2))
    record_testsuite_property(f"{name}_kernel_s", times)
    record_testsuite_property(f"{name}_kernel_idle_s", [round(seconds, 3) for seconds in proportionate])

    assert min(proportionate) <= most_s, times


def _kernel_s(command: list[str], environment: dict[str, str]) -> float:
    done = subprocess.run(command, check=False, env={**environment, "KERNEL_TIME": "1"}, capture_output=True, text=True, timeout=TIMEOUT_S)
    found = re.search(r"^kernel: ([0-9.]+) ms$", done.stderr, re.MULTILINE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert found, done.stderr
    return float(found[1]) / 1e3
