"""numba-cuda: kernels that the driver's linker makes of PTX, straight on the simulated driver and through the product."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.demo import Demo
from tools import environment

COMMAND = [sys.executable, "-W", "ignore", str(Path(__file__).with_name("numba_kernels.py"))]
TIMEOUT_S = 280


@pytest.mark.slow
def test_numba(simulated_gpus: Callable[..., dict[str, str]], demo: Demo) -> None:
    """Kernels with shared memory, atomics and streams find what NumPy finds, and print the same both ways."""
    environment.ensure("cuda", "cuda-tests", "bringup")

    native = subprocess.run(COMMAND, check=False, env=simulated_gpus(), capture_output=True, text=True, timeout=TIMEOUT_S)
    assert native.stdout.endswith("PASSED\n"), native.stdout + native.stderr
    remoted = demo.bitfusion("run", "-n", "1", "--", *COMMAND, timeout=TIMEOUT_S)
    assert remoted.stdout.endswith("PASSED\n"), remoted.stdout + remoted.stderr

    assert native.stdout == remoted.stdout
