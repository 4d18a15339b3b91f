"""The CUDA calls through client, wire and worker, on the simulated GPU, compared with the same calls made straight on it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cuda_builder import Builder
from tests.native.rig import MIB, Rig, rig
from tools.layout import LIB
from tools.server import Gpus

CASES = Path(__file__).with_name("driver_cases.py")
UUID_OF_FIRST = """
import ctypes, uuid
cuda = ctypes.CDLL("libcuda.so.1")
cuda.cuInit(0)
raw = (ctypes.c_ubyte * 16)()
cuda.cuDeviceGetUuid_v2(raw, 0)
print("GPU-" + str(uuid.UUID(bytes=bytes(raw))))
"""


def run(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Runs a program that must succeed."""
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A dispatcher whose workers use one simulated GPU."""
    folder = tmp_path_factory.mktemp("rig")
    state = tmp_path_factory.mktemp("gpus")
    environment = {**os.environ, **Gpus(1).environment(state), "LD_LIBRARY_PATH": str(LIB / "simgpu")}
    with rig(folder, environment, LIB / "simgpu" / "libcuda.so.1") as started:
        yield started


@pytest.fixture(scope="module")
def gpu(remote: Rig) -> str:
    """The GPU's UUID."""
    return run([sys.executable, "-c", UUID_OF_FIRST], remote.native()).stdout.strip()


def counters(stderr: str) -> tuple[int, int]:
    """Round trips and bytes out, as the library tells them at its end."""
    found = re.search(r"(\d+) round trips, (\d+) bytes out", stderr)
    assert found, stderr
    return int(found[1]), int(found[2])


def test_calls_answer_the_same_remoted(remote: Rig, gpu: str) -> None:
    """Right and wrong calls, foreign, freed and garbage handles: the results are those of the driver itself."""
    command = [sys.executable, str(CASES)]
    native = json.loads(run(command, remote.native()).stdout)
    remoted = json.loads(run(command, remote.remoted(remote.admit([gpu]))).stdout)
    assert remoted == native


def test_vector_add_twice(remote: Rig, gpu: str, program: Builder) -> None:
    """A statically linked program runs; its second start sends none of its code and waits for seven answers.

    They are the snapshot, three allocations, the load, the copy back, and the program's own cudaDeviceSynchronize().
    """
    command = [str(program("vector_add"))]
    environment = remote.remoted(remote.admit([gpu]), BITFUSION_LOG="info")
    assert run(command, remote.native()).stdout == run(command, environment).stdout
    round_trips, _ = counters(run(command, environment).stderr)
    assert round_trips == 7


ALLOCATE = """
import ctypes, sys
cuda = ctypes.CDLL("libcuda.so.1")
context, free, total = ctypes.c_void_p(), ctypes.c_size_t(), ctypes.c_size_t()
assert cuda.cuInit(0) == 0 and cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), 0) == 0 and cuda.cuCtxSetCurrent(context) == 0
def allocate(mib):
    pointer = ctypes.c_ulonglong()
    code = cuda.cuMemAlloc_v2(ctypes.byref(pointer), ctypes.c_size_t(mib << 20))
    return code, pointer
first, block = allocate(200)
second, _ = allocate(100)
cuda.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total))
pool = ctypes.c_ulonglong()
pooled = cuda.cuMemAllocAsync(ctypes.byref(pool), ctypes.c_size_t(100 << 20), None)
cuda.cuMemFree_v2(block)
third, _ = allocate(250)
print(first, second, pooled, third, free.value, total.value)
"""


def test_partition_confines_every_way_of_allocating(remote: Rig, gpu: str) -> None:
    """Past the partition allocation is out of memory, and what is free and in all is the partition's."""
    done = run([sys.executable, "-c", ALLOCATE], remote.remoted(remote.admit([gpu], memory_mib=256)))
    assert [int(word) for word in done.stdout.split()] == [0, 2, 2, 0, 56 * MIB, 256 * MIB]


def test_without_allocation_there_is_no_device() -> None:
    """Without a lease cuInit says that there is no device, in one line if warnings are wanted."""
    environment = {**os.environ, "LD_LIBRARY_PATH": str(LIB / "client"), "BITFUSION_LOG": "warn"}
    environment.pop("BITFUSION_ALLOCATION", None)
    done = run([sys.executable, "-c", "import ctypes; print(ctypes.CDLL('libcuda.so.1').cuInit(0))"], environment)
    assert done.stdout == "100\n"
    assert done.stderr.count("\n") == 1
    assert "BITFUSION_ALLOCATION" in done.stderr


def test_exported_symbols_are_the_interface_only() -> None:
    """Nothing but CUDA and NVML names leaves the library that lives in other people's processes."""
    done = run(["nm", "-D", "--defined-only", str(LIB / "client" / "libcuda.so.1")], dict(os.environ))
    names = [line.split()[-1] for line in done.stdout.splitlines()]
    assert [name for name in names if not name.startswith(("cu", "nvml"))] == []
    assert {"cuMemcpyHtoD_v2_ptds", "cuLaunchKernel_ptsz", "cuCtxCreate_v4", "cuGetProcAddress", "nvmlInit_v2"} <= set(names)
