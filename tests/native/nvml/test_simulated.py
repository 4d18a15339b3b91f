from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from native.src.simgpu.nvml.refusals import declared_functions
from tests.native.nvml.simulated import LIBRARY, environment, evaluate
from tools.layout import cuda_toolkit

GIB = 1024**3


def ask(state: Path, program: str, gpus: int = 1) -> Any:
    """What the program finds out."""
    return evaluate(program, environment(state, gpus))


def test_exports_every_declared_function_and_nothing_else() -> None:
    """A program may look up any name of nvml.h; none of ours leaks."""
    symbols = subprocess.run(["nm", "-D", "--defined-only", str(LIBRARY)], capture_output=True, text=True, check=True).stdout
    exported = {line.split()[-1] for line in symbols.splitlines()}
    header = (cuda_toolkit() / "include/nvml.h").read_text()
    assert exported >= {*declared_functions(header), "nvmlErrorString", "nvmlInternalGetExportTable"}
    assert all(name.startswith("nvml") for name in exported)


def test_devices_keep_their_identity_between_processes(tmp_path: Path) -> None:
    """UUIDs tell the GPUs apart and are the same for all processes of one state folder."""
    program = "result = [n.nvmlDeviceGetUUID(n.nvmlDeviceGetHandleByIndex(i)) for i in range(n.nvmlDeviceGetCount())]"
    first, second = ask(tmp_path, program, gpus=3), ask(tmp_path, program, gpus=3)
    assert first == second
    assert len(set(first)) == 3
    assert all(re.fullmatch(r"GPU-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", uuid) for uuid in first)


def test_handles_are_found_by_every_name_of_a_device(tmp_path: Path) -> None:
    """Index, UUID, PCI bus id (long, short, any case) and serial lead to the same device."""
    program = """
h = n.nvmlDeviceGetHandleByIndex(1)
bus = n.nvmlDeviceGetPciInfo(h).busId
ways = [n.nvmlDeviceGetHandleByUUID(n.nvmlDeviceGetUUID(h)), n.nvmlDeviceGetHandleByPciBusId(bus), n.nvmlDeviceGetHandleByPciBusId(bus.lower()[9:]),
        n.nvmlDeviceGetHandleBySerial(n.nvmlDeviceGetSerial(h))]
result = [n.nvmlDeviceGetIndex(way) for way in ways]
"""
    assert ask(tmp_path, program, gpus=2) == [1, 1, 1, 1]


@pytest.mark.parametrize(
    "call, error",
    [
        ("n.nvmlDeviceGetHandleByIndex(1)", "NVMLError_InvalidArgument"),
        ("n.nvmlDeviceGetHandleByUUID('GPU-none')", "NVMLError_NotFound"),
        ("n.nvmlDeviceGetName(n.c_nvmlDevice_t())", "NVMLError_InvalidArgument"),
        ("n.nvmlDeviceSetPersistenceMode(h, 1)", "NVMLError_NotSupported"),
        ("n.nvmlDeviceGetMigMode(h)", "NVMLError_NotSupported"),
        ("n.nvmlShutdown(); n.nvmlDeviceGetCount()", "NVMLError_Uninitialized"),
    ],
)
def test_refuses(tmp_path: Path, call: str, error: str) -> None:
    """What cannot be answered is an error of the kind a real board gives, never success."""
    program = f"""
h = n.nvmlDeviceGetHandleByIndex(0)
try:
    {call}
    result = "no error"
except n.NVMLError as raised:
    result = type(raised).__name__
"""
    assert ask(tmp_path, program) == error


def test_nothing_is_in_use_at_first(tmp_path: Path) -> None:
    """An idle GPU: all memory free by both versions of the call, no processes, no load."""
    program = """
h = n.nvmlDeviceGetHandleByIndex(0)
one, two = n.nvmlDeviceGetMemoryInfo(h), n.nvmlDeviceGetMemoryInfo(h, n.nvmlMemory_v2)
result = [[m.total, m.used, m.free] for m in (one, two)] + [n.nvmlDeviceGetComputeRunningProcesses(h), n.nvmlDeviceGetUtilizationRates(h).gpu]
"""
    assert ask(tmp_path, program) == [[16 * GIB, 0, 16 * GIB], [16 * GIB, 0, 16 * GIB], [], 0]


def test_a_structure_of_unknown_version_is_refused(tmp_path: Path) -> None:
    """The first word of a versioned structure is checked before anything is written."""
    program = """
h, memory = n.nvmlDeviceGetHandleByIndex(0), n.c_nvmlMemory_v2_t()
memory.version = 3
result = n._nvmlGetFunctionPointer("nvmlDeviceGetMemoryInfo_v2")(h, n.byref(memory))
"""
    assert ask(tmp_path, program) == 25


def test_injected_faults_show(tmp_path: Path) -> None:
    """A lost GPU answers nothing but that it is lost; an ECC error is counted; an Xid reaches who waits for it."""
    program = f"""
import pathlib
faults = pathlib.Path({str(tmp_path)!r}) / "faults"
h = [n.nvmlDeviceGetHandleByIndex(i) for i in range(2)]
events = n.nvmlEventSetCreate()
n.nvmlDeviceRegisterEvents(h[0], n.nvmlEventTypeXidCriticalError, events)
faults.write_text("lost=1 ecc=0 xid=0:79")
event = n.nvmlEventSetWait_v2(events, 5000)
try:
    lost = n.nvmlDeviceGetTemperature(h[1], 0)
except n.NVMLError as error:
    lost = type(error).__name__
result = [event.eventData, n.nvmlDeviceGetTotalEccErrors(h[0], 1, 0), lost]
"""
    assert ask(tmp_path, program, gpus=2) == [79, 1, "NVMLError_GpuIsLost"]


def test_init_counts(tmp_path: Path) -> None:
    """The library ends with the last nvmlShutdown, not the first."""
    program = "n.nvmlInit()\nn.nvmlShutdown()\nresult = n.nvmlDeviceGetCount()"
    assert ask(tmp_path, program) == 1


def test_versions_can_be_asked_before_init(tmp_path: Path) -> None:
    """The CUDA version is that of the pinned headers."""
    text = "import pynvml as n; n._LoadNvmlLibrary(); print(n.nvmlSystemGetCudaDriverVersion_v2())"
    done = subprocess.run([sys.executable, "-c", text], env=environment(tmp_path), capture_output=True, text=True, check=True, timeout=60)
    header = (cuda_toolkit() / "include/cuda.h").read_text()
    declared = re.search(r"#define CUDA_VERSION (\d+)", header)
    assert declared
    assert done.stdout.strip() == declared[1]


def test_shows_who_uses_the_memory(tmp_path: Path) -> None:
    """What a program allocates through the simulated driver is in NVML's figures, under its own process id."""
    program = """
import ctypes, os
h = n.nvmlDeviceGetHandleByIndex(0)
cuda, context, pointer = ctypes.CDLL("libcuda.so.1"), ctypes.c_void_p(), ctypes.c_uint64()
assert cuda.cuInit(0) == 0 and cuda.cuCtxCreate_v2(ctypes.byref(context), 0, 0) == 0
assert cuda.cuMemAlloc_v2(ctypes.byref(pointer), ctypes.c_size_t(64 << 20)) == 0
processes = n.nvmlDeviceGetComputeRunningProcesses(h)
result = [n.nvmlDeviceGetMemoryInfo(h).used >> 20, [[p.pid == os.getpid(), p.usedGpuMemory >> 20] for p in processes],
          n.nvmlSystemGetProcessName(os.getpid()).rpartition("/")[2][:6], n.nvmlDeviceGetPerformanceState(h)]
"""
    assert ask(tmp_path, program) == [64, [[True, 64]], "python", 0]
