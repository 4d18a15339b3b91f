"""Python libraries that use CUDA, unmodified: straight on the simulated driver and through the product."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.demo import Demo
from tools import environment

SCRIPTS = Path(__file__).parent / "python"
TIMEOUT_S = 280


@pytest.fixture(scope="module", autouse=True)
def peers() -> None:
    """Install them."""
    environment.ensure("cuda", "cuda-tests", "peers")


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["nvml", "bindings", "cupy_arrays", pytest.param("cupy_sorting", marks=pytest.mark.slow)])
def test_script(name: str, simulated_gpus: Callable[..., dict[str, str]], demo: Demo) -> None:
    """A script finds what NumPy finds, and prints the same through the product as on the driver itself."""
    command = [sys.executable, str(SCRIPTS / f"{name}.py")]
    ptx_only = {"CUPY_COMPILE_WITH_PTX": "1"}

    native = subprocess.run(command, check=False, env={**simulated_gpus(), **ptx_only}, capture_output=True, text=True, timeout=TIMEOUT_S)
    assert native.stdout.endswith("PASSED\n"), native.stdout + native.stderr
    remoted = demo.bitfusion("run", "-n", "1", "--", *command, timeout=TIMEOUT_S, **ptx_only)
    assert remoted.stdout.endswith("PASSED\n"), remoted.stdout + remoted.stderr

    assert native.stdout == remoted.stdout
