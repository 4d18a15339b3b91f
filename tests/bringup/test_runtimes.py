"""CUDA runtime libraries of several releases, as NVIDIA built them: straight on the simulated driver and through the product."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cuda_builder import PROGRAMS, Builder
from tests.demo import Demo
from tools import cuda, environment, runtimes
from tools.layout import LIB, site_packages
from tools.runtimes import Runtime

Environment = Callable[..., dict[str, str]]
SCRIPT = Path(__file__).with_name("runtime.py")
TIMEOUT_S = 120
OLD = {runtime.version: runtime for runtime in runtimes.OLD}
# What the pinned nvcc makes for the newest runtime of 12 or 13 runs with the older ones too, as NVIDIA promises within a major version.
RUNS_PROGRAMS = ("12.1", "12.4", "12.8", "13.0")
NAMES = ("device_query", "driver_api", "errors", "graphs", "memory", "streams", "vector_add")


def _same_both_ways(command: list[str], native: dict[str, str], demo: Demo, library_path: str = "") -> None:
    """The program passes natively and remoted, and prints the same."""
    extra = {"LD_LIBRARY_PATH": library_path} if library_path else {}
    if library_path:
        native = {**native, "LD_LIBRARY_PATH": f"{library_path}:{LIB / 'simgpu'}"}
    straight = subprocess.run(command, check=False, env=native, capture_output=True, text=True, timeout=TIMEOUT_S)
    assert straight.stdout.endswith("PASSED\n"), straight.stdout + straight.stderr
    remoted = demo.bitfusion("run", "-n", "1", "--", *command, timeout=TIMEOUT_S, **extra)
    assert remoted.stdout.endswith("PASSED\n"), remoted.stdout + remoted.stderr
    assert straight.stdout == remoted.stdout


def _newest(major: int) -> Path:
    folder = cuda.toolkit(major).libraries[0] if major == 13 else site_packages() / "nvidia" / "cuda_runtime" / "lib"
    return folder / f"libcudart.so.{major}"


@pytest.mark.parametrize("major", [12, 13])
def test_newest_runtime(major: int, simulated_gpus: Environment, demo: Demo) -> None:
    """The newest runtime of a major version adds vectors, as nvcc's host code asks it to."""
    environment.ensure("build", "cuda-tests")
    _same_both_ways([sys.executable, str(SCRIPT), str(_newest(major))], simulated_gpus(), demo)


@pytest.mark.slow
@pytest.mark.parametrize("version", OLD)
def test_older_runtime(version: str, simulated_gpus: Environment, demo: Demo) -> None:
    """An older runtime does the same, and is the one that was asked."""
    library = runtimes.fetch(OLD[version])
    _same_both_ways([sys.executable, str(SCRIPT), str(library)], simulated_gpus(), demo)


@pytest.mark.slow
@pytest.mark.parametrize("version", RUNS_PROGRAMS)
@pytest.mark.parametrize("name", NAMES)
def test_program_with_shared_runtime(name: str, version: str, program: Builder, simulated_gpus: Environment, demo: Demo) -> None:
    """A program that nvcc made runs with an older runtime library of its major version."""
    folder = runtimes.fetch(OLD[version]).parent
    executable = program(name, int(version.partition(".")[0]), "shared")
    _same_both_ways([str(executable)], simulated_gpus(), demo, str(folder))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_program_with_static_runtime(name: str, simulated_gpus: Environment, demo: Demo) -> None:
    """The first static runtime of CUDA 13 works as the newest does."""
    environment.ensure("cuda", "cuda-tests")
    executable = cuda.program(PROGRAMS / f"{name}.cu", _first_of_13(OLD["13.0"]), "static")
    _same_both_ways([str(executable)], simulated_gpus(), demo)


def _first_of_13(runtime: Runtime) -> cuda.Toolkit:
    """Archive of 13.0 before the newest; compiler and headers remain the pinned ones."""
    runtimes.fetch(runtime)
    newest = cuda.toolkit(13)
    return cuda.Toolkit("cuda13.0", newest.includes, (runtime.folder, *newest.libraries), 13)
