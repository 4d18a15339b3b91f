"""The C++ tests of wire, transport and worker, as ctest runs them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tools.layout import LIB
from tools.server import Gpus

REPOSITORY = Path(__file__).resolve().parents[2]
TESTS = Path(os.environ.get("BITFUSION_BUILD", REPOSITORY / "build")) / "tests"
WITHIN_S = 120


@pytest.mark.parametrize("name", ["frames", "hello", "link", "output", "streams", "image_cache"])
def test_native(name: str) -> None:
    """Each executable is one group of cases; it says which failed and where."""
    program = TESTS / f"test_{name}"
    if not program.exists():
        pytest.fail(f"{program} is not built: ./dev build")
    environment = {**os.environ, "BITFUSION_FAKE_DRIVER": str(TESTS / "libbitfusion_fake_driver.so")}
    vectors = REPOSITORY / "tests/native/hello_vectors.json"
    result = subprocess.run([program, vectors], env=environment, capture_output=True, text=True, timeout=WITHIN_S, check=False)
    assert result.returncode == 0, result.stderr


def on_simulated_gpus(tmp_path: Path, *command: str) -> None:
    """Runs a program that hosts the product's handlers on two simulated GPUs."""
    if not Path(command[0]).exists():
        pytest.fail(f"{command[0]} is not built: ./dev build")
    environment = {
        **os.environ,
        **Gpus(2).environment(tmp_path),
        "BITFUSION_CUDA_LIBRARY": str(LIB / "simgpu" / "libcuda.so.1"),
        "BITFUSION_NVML_LIBRARY": str(LIB / "simgpu" / "libnvidia-ml.so.1"),
    }
    environment.pop("SIMGPU_COMPILER", None)  # no code here is worth compiling, and each attempt takes its time
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=WITHIN_S, check=False)
    assert result.returncode == 0, result.stderr[-4000:]


def test_hostile_calls(tmp_path: Path) -> None:
    """The product's handlers hold the account and the memory of a session against a client that keeps to no rule."""
    on_simulated_gpus(tmp_path, str(TESTS / "test_calls"))


def test_garbage(tmp_path: Path) -> None:
    """Frames made from the spec, with wrong names, numbers, lengths and bytes, end in an error or end their session."""
    on_simulated_gpus(tmp_path, str(TESTS / "fuzz_calls"), "9000")
