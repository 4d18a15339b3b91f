"""Every CUDA program, run twice: straight on the simulated driver and through the product. Both must say the same."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

from tests.cuda_builder import PROGRAMS, Builder
from tests.demo import Demo

Environment = Callable[..., dict[str, str]]
TIMEOUT_S = 120
NAMES = sorted(path.stem for path in PROGRAMS.glob("*.cu"))
# What the CUDA 12 runtime does differently is how it starts, copies, waits and reports; kernels are the same.
RUNTIME_12 = ("callbacks", "device_query", "driver_api", "errors", "graphs", "memory", "streams", "vector_add")
VARIANTS = [
    pytest.param(
        (name, major, runtime),
        id=f"{name}-{major}-{runtime}",
        marks=[] if major == 13 or name in RUNTIME_12 else [pytest.mark.slow],
    )
    for name in NAMES
    for major in (13, 12)
    for runtime in ("static", "shared")
]
EXPECTED_CODE = {"unhandled": 3}


def _succeeded(name: str, done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == EXPECTED_CODE.get(name, 0), done.stdout + done.stderr
    assert name in EXPECTED_CODE or done.stdout.endswith("PASSED\n"), done.stdout + done.stderr


@pytest.mark.gpu
@pytest.mark.parametrize("variant", VARIANTS)
def test_program(variant: tuple[str, int, str], program: Builder, simulated_gpus: Environment, demo: Demo) -> None:
    """A program computes what the CPU computes, and prints the same through the product as on the driver itself."""
    executable = str(program(*variant))

    native = subprocess.run([executable], check=False, env=simulated_gpus(), capture_output=True, text=True, timeout=TIMEOUT_S)
    _succeeded(variant[0], native)
    remoted = demo.bitfusion("run", "-n", "1", "--", executable, timeout=TIMEOUT_S)
    _succeeded(variant[0], remoted)

    assert native.stdout == remoted.stdout
