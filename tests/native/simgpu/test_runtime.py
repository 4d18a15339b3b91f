"""The CUDA runtime, unmodified, on the simulated driver."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tools import cuda, environment

SOURCE = Path(__file__).with_name("runtime_calls.cu")


@pytest.mark.gpu
def test_arrays_textures_graphs_and_managed_memory(simulated_gpus: Callable[..., dict[str, str]]) -> None:
    """A program that uses them through the runtime computes what it expects."""
    environment.ensure("cuda", "cuda-tests")
    executable = cuda.program(SOURCE, cuda.toolkit(13), "static")

    done = subprocess.run([executable], check=False, env=simulated_gpus(), capture_output=True, text=True, timeout=120)

    assert done.stdout == "PASSED\n", done.stdout + done.stderr
