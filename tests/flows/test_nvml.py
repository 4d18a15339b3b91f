"""NVML through the wire: nvidia-smi and pynvml see the lease's GPUs, with the partition as their memory."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.demo import Demo
from tools.layout import BUILD
from tools.nvidia_smi import UnavailableError, fetch

MIB = 1024 * 1024

# A CUDA context with 300 MiB, made by the driver's own interface so that no runtime is needed.
ALLOCATE = """
import ctypes
def allocate(mib):
    cuda, context, pointer = ctypes.CDLL("libcuda.so.1"), ctypes.c_void_p(), ctypes.c_uint64()
    steps = [cuda.cuInit(0), cuda.cuCtxCreate_v2(ctypes.byref(context), 0, 0), cuda.cuMemAlloc_v2(ctypes.byref(pointer), ctypes.c_size_t(mib << 20))]
    return steps
"""


@pytest.fixture(scope="module")
def nvidia_smi() -> str:
    """The distribution's own program; skips where it cannot be had."""
    try:
        return str(fetch(BUILD / "nvidia-smi"))
    except UnavailableError as reason:
        pytest.skip(str(reason))


def evaluate(demo: Demo, program: str, *options: str) -> Any:
    """What a Python program under `bitfusion run` (which has pynvml as `n`, ready) leaves in `result`."""
    text = f"{ALLOCATE}\nimport json, os, pynvml as n\nn.nvmlInit()\n{program}\nprint(json.dumps(result))"
    done = demo.bitfusion("run", *options, "--", sys.executable, "-c", text)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_nvidia_smi_shows_the_partition(demo: Demo, nvidia_smi: str) -> None:
    """The plain call in a partition of 1024 MB: its size, nothing used, no process, one GPU of the server's two, two round trips."""
    done = demo.bitfusion("run", "-n", "1", "-m", "1024", "--", nvidia_smi, BITFUSION_LOG="debug")
    assert done.returncode == 0, done.stderr
    assert re.findall(r"(\d+)MiB /\s+(\d+)MiB", done.stdout) == [("0", "1024")]
    assert "No running processes found" in done.stdout
    assert len(re.findall("nvml: .* in one round trip", done.stderr)) <= 2


def test_nvidia_smi_reports_as_on_the_server(demo: Demo, nvidia_smi: str, tmp_path: Path) -> None:
    """The long report of a leased GPU has no line that an error of ours spoiled."""
    report = demo.bitfusion("run", "-n", "2", "--", nvidia_smi, "-q").stdout
    assert report.count("Product Name") == 2
    for failure in ("Unknown Error", "Invalid Argument", "Function Not Found", "Uninitialized", "GPU is lost"):
        assert failure not in report


def test_cuda_and_nvml_agree(demo: Demo) -> None:
    """An allocation shows in NVML's figures at once, and the process that made it lists itself; asking makes no CUDA context."""
    program = """
h = n.nvmlDeviceGetHandleByIndex(0)
before = n.nvmlDeviceGetMemoryInfo(h)
steps = allocate(300)
after = n.nvmlDeviceGetMemoryInfo(h)
processes = [[p.pid == os.getpid(), p.usedGpuMemory] for p in n.nvmlDeviceGetComputeRunningProcesses(h)]
result = [n.nvmlDeviceGetCount(), steps, before.total, before.used, after.used, after.free, processes]
"""
    total = 1024 * MIB
    used = 300 * MIB
    assert evaluate(demo, program, "-n", "1", "-m", "1024") == [1, [0, 0, 0], total, 0, used, total - used, [[True, used]]]


def test_a_process_that_only_looked_may_fork(demo: Demo) -> None:
    """NVML in the parent leaves the child free to use CUDA, as with a local driver."""
    program = """
n.nvmlDeviceGetCount()
child = os.fork()
if child == 0:
    os._exit(0 if allocate(1) == [0, 0, 0] and n.nvmlDeviceGetCount() == 1 else 1)
result = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), n.nvmlDeviceGetMemoryInfo(n.nvmlDeviceGetHandleByIndex(0)).total]
"""
    assert evaluate(demo, program, "-n", "1", "-m", "512") == [0, 512 * MIB]
