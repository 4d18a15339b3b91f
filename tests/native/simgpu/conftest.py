"""Runs each driver test in a process of its own: a driver's state, and its sticky errors, belong to a process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tools.layout import LIB

CHILD = "import importlib, sys; getattr(importlib.import_module(sys.argv[1]), sys.argv[2])()"
RunBody = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def on_driver(simulated_gpus: Callable[..., dict[str, str]], repository: Path) -> RunBody:
    """Runs a function of a module of this folder, `on_driver("bodies_memory", "copies")`, on fresh simulated GPUs."""

    def run(
        module: str, function: str, *, count: int = 1, memory: str = "1GiB", expect: int = 0, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        environment = {**simulated_gpus(count, memory), "SIMGPU_TEST_LIBRARY": str(LIB / "simgpu" / "libcuda.so.1"), **variables}
        command = [sys.executable, "-c", CHILD, f"tests.native.simgpu.{module}", function]
        done = subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == expect, done.stderr
        return done

    return run
