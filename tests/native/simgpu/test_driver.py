"""The simulated driver, called directly: every body in the bodies_* modules, and what takes several processes or settings."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.native.simgpu.conftest import CHILD
from tools.layout import LIB

RunBody = Callable[..., "subprocess.CompletedProcess[str]"]
MODULES = ("bodies_memory", "bodies_graphs", "bodies_textures", "bodies_streams", "bodies_modules", "bodies_contexts")


def bodies() -> Iterator[tuple[str, str]]:
    """Every function of a bodies_* module."""
    for name in MODULES:
        module = importlib.import_module(f"tests.native.simgpu.{name}")
        for function, _ in inspect.getmembers(module, inspect.isfunction):
            if getattr(module, function).__module__ == module.__name__:
                yield name, function


@pytest.mark.parametrize("module,function", list(bodies()))
def test_driver(on_driver: RunBody, module: str, function: str) -> None:
    """Each in a process of its own."""
    on_driver(module, function)


def test_devices_are_chosen_by_index_and_uuid(on_driver: RunBody) -> None:
    """CUDA_VISIBLE_DEVICES selects and orders; a bad entry ends the list."""
    uuids = on_driver("settings", "print_uuids", count=3).stdout.split()
    assert len(set(uuids)) == 3
    assert on_driver("settings", "print_buses", count=3, CUDA_VISIBLE_DEVICES="2,0").stdout.split() == ["21", "19"]
    assert on_driver("settings", "print_buses", count=3, CUDA_VISIBLE_DEVICES="1,9,0").stdout.split() == ["20"]


def test_without_devices_the_driver_says_so(on_driver: RunBody) -> None:
    """cuInit answers NO_DEVICE."""
    on_driver("settings", "expect_no_device", CUDA_VISIBLE_DEVICES="-1")


def test_null_kernels_are_dropped(on_driver: RunBody) -> None:
    """With SIMGPU_NULL_KERNELS launches succeed and change nothing."""
    on_driver("settings", "launches_do_nothing", SIMGPU_NULL_KERNELS="1")


def test_injected_faults(on_driver: RunBody) -> None:
    """Out of memory and a lost GPU, asked for by SIMGPU_FAULTS."""
    on_driver("settings", "expect_out_of_memory", SIMGPU_FAULTS="oom=0")
    on_driver("settings", "expect_lost", SIMGPU_FAULTS="lost=0")


def test_processes_share_the_memory_of_a_gpu(simulated_gpus: Callable[..., dict[str, str]], repository: Path) -> None:
    """What one process holds another cannot have, until the first has died, however it died."""
    environment = {**simulated_gpus(1, "1GiB"), "SIMGPU_TEST_LIBRARY": str(LIB / "simgpu" / "libcuda.so.1")}

    def start(function: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", CHILD, "tests.native.simgpu.settings", function]
        return subprocess.Popen(command, cwd=repository, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    with start("hold_700_mib") as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with start("try_700_mib") as rival:
            assert rival.communicate(timeout=60)[0] == "2 324\n"
        holder.kill()
        holder.wait(timeout=60)
    with start("try_700_mib") as heir:
        assert heir.communicate(timeout=60)[0] == "0 324\n"


def test_only_the_interface_is_exported() -> None:
    """Nothing of the C++ library or of our own leaks into the process."""
    done = subprocess.run(["nm", "-D", "--defined-only", str(LIB / "simgpu" / "libcuda.so.1")], capture_output=True, text=True, check=True)
    names = [line.split()[-1] for line in done.stdout.splitlines()]
    assert len(names) > 600
    assert [name for name in names if not name.startswith("cu")] == []
