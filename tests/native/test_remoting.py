"""The CUDA calls through client, wire and worker, on the simulated GPU, compared with the same calls made straight on it."""

from __future__ import annotations

import json
import os
import random
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

# Of each of the two that vector_add sends.
VECTOR_BYTES = 4 * MIB
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
    """A statically linked program runs; its second start waits for seven answers, one less than the first, and sends its data but no code.

    They are the snapshot, three allocations, the load, the copy back, and the program's own cudaDeviceSynchronize().
    """
    command = [str(program("vector_add"))]
    environment = remote.remoted(remote.admit([gpu]), BITFUSION_LOG="info")
    first, second = run(command, environment), run(command, environment)
    assert run(command, remote.native()).stdout == first.stdout == second.stdout
    (_, with_code), (round_trips, without_code) = counters(first.stderr), counters(second.stderr)
    assert round_trips == 7
    assert 2 * VECTOR_BYTES < without_code < with_code


LOAD = """
import ctypes, sys
from ctypes import byref
cuda = ctypes.CDLL("libcuda.so.1")
context, module = ctypes.c_void_p(), ctypes.c_void_p()
assert cuda.cuInit(0) == 0 and cuda.cuDevicePrimaryCtxRetain(byref(context), 0) == 0 and cuda.cuCtxSetCurrent(context) == 0
assert cuda.cuModuleLoadData(byref(module), open(sys.argv[1], "rb").read() + b"\\0") == 0
"""


def test_second_start_sends_no_code(remote: Rig, gpu: str, tmp_path: Path) -> None:
    """A program that sends nothing but its code sends at most a fiftieth of it when it is started again."""
    numbers = random.Random(1)
    table = ", ".join(str(numbers.getrandbits(32)) for _ in range(1 << 15))
    code = tmp_path / "table.ptx"
    code.write_text(f".version 8.0\n.target sm_80\n.address_size 64\n.visible .global .align 4 .u32 table[{1 << 15}] = {{{table}}};\n")
    command = [sys.executable, "-c", LOAD, str(code)]
    environment = remote.remoted(remote.admit([gpu]), BITFUSION_LOG="info")

    (_, first), (_, second) = (counters(run(command, environment).stderr) for _ in range(2))

    assert first > 4 << 15, "the table itself does not get any smaller"
    assert second <= first * 0.02


def test_kernels_print_to_the_programs_output(remote: Rig, gpu: str, program: Builder) -> None:
    """What kernels print stands between what the program prints as it does on the driver itself, megabytes of it too."""
    environment = remote.remoted(remote.admit([gpu]))
    for name in ("print", "print_order"):
        native = run([str(program(name))], remote.native()).stdout
        assert "\nPASSED\n" in native
        assert run([str(program(name))], environment).stdout == native


def test_endless_printing_is_cut(remote: Rig, gpu: str, program: Builder) -> None:
    """More than the worker keeps between two synchronisations is dropped, and said; the program ends well."""
    command = [str(program("print_flood"))]
    native = run(command, remote.native()).stdout
    remoted = run(command, remote.remoted(remote.admit([gpu])))
    kept, _, after = remoted.stdout.partition("PASSED\n")
    assert (len(kept), after) == (64 * MIB, "")
    assert native.startswith(kept)
    assert f"{len(native) - len(remoted.stdout)} bytes that kernels printed were dropped" in remoted.stderr


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


BEGIN = """
import ctypes
from ctypes import byref
cuda = ctypes.CDLL("libcuda.so.1")
context, free, total = ctypes.c_void_p(), ctypes.c_size_t(), ctypes.c_size_t()
def begin():
    assert cuda.cuInit(0) == 0 and cuda.cuDevicePrimaryCtxRetain(byref(context), 0) == 0 and cuda.cuCtxSetCurrent(context) == 0
def free_mib():
    assert cuda.cuMemGetInfo_v2(byref(free), byref(total)) == 0
    return free.value >> 20
def allocate(mib, call=cuda.cuMemAlloc_v2, *stream):
    pointer = ctypes.c_ulonglong()
    return call(byref(pointer), ctypes.c_size_t(mib << 20), *stream), pointer
begin()
"""


def answers(remote: Rig, gpu: str, steps: str, memory_mib: int = 256) -> list[int]:
    """The numbers that a program prints in a partition."""
    done = run([sys.executable, "-c", BEGIN + steps], remote.remoted(remote.admit([gpu], memory_mib=memory_mib)))
    return [int(word) for word in done.stdout.split()]


POOL = """
pool = ctypes.c_void_p()
assert cuda.cuDeviceGetDefaultMemPool(byref(pool), 0) == 0
assert cuda.cuMemPoolSetAttribute(pool, 4, byref(ctypes.c_ulonglong(2**63))) == 0  # keeps all that is freed
_, block = allocate(100, cuda.cuMemAllocAsync, None)
cuda.cuMemFreeAsync(block, None)
cuda.cuCtxSynchronize()
kept = free_mib()
again, _ = allocate(100, cuda.cuMemAllocAsync, None)
reused = free_mib()
cuda.cuMemFreeAsync(_, None)
cuda.cuCtxSynchronize()
cuda.cuMemPoolTrimTo(pool, ctypes.c_size_t(0))
trimmed = free_mib()
_, block = allocate(200, cuda.cuMemAllocAsync, None)
cuda.cuMemFreeAsync(block, None)
makes_way, _ = allocate(250)
print(kept, again, reused, trimmed, makes_way, allocate(10, cuda.cuMemAllocAsync, None)[0])
"""


def test_memory_that_a_pool_keeps_counts_until_it_is_needed(remote: Rig, gpu: str) -> None:
    """What was freed stays in the partition's account while the pool keeps it, is used again, and makes way for others."""
    assert answers(remote, gpu, POOL) == [156, 0, 156, 256, 0, 2]


OWN_POOL = """
class Properties(ctypes.Structure):
    _fields_ = [("kind", ctypes.c_int * 4), ("security", ctypes.c_void_p), ("max_size", ctypes.c_size_t), ("rest", ctypes.c_ubyte * 56)]
pool, block = ctypes.c_void_p(), ctypes.c_ulonglong()
made = cuda.cuMemPoolCreate(byref(pool), byref(Properties((1, 0, 1, 0))))
code = cuda.cuMemAllocFromPoolAsync(byref(block), ctypes.c_size_t(100 << 20), pool, None)
cuda.cuMemPoolDestroy(pool)
in_use = free_mib()
cuda.cuMemFreeAsync(block, None)
cuda.cuCtxSynchronize()
print(made, code, in_use, free_mib())
"""


def test_memory_of_a_destroyed_pool_counts_until_it_is_freed(remote: Rig, gpu: str) -> None:
    """A pool's end leaves what the application still uses."""
    assert answers(remote, gpu, OWN_POOL) == [0, 0, 156, 256]


FREED_LATER = """
import threading
gate = threading.Event()
function = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda _: gate.wait())
stream, other = ctypes.c_void_p(), ctypes.c_void_p()
assert cuda.cuStreamCreate(byref(stream), 1) == 0 and cuda.cuStreamCreate(byref(other), 1) == 0
_, block = allocate(200)
assert cuda.cuLaunchHostFunc(stream, function, None) == 0
assert cuda.cuMemFreeAsync(block, stream) == 0
early, pooled = allocate(200)[0], allocate(200, cuda.cuMemAllocAsync, other)[0]
gate.set()
assert cuda.cuStreamSynchronize(stream) == 0
print(early, pooled, allocate(200)[0])
"""


def test_memory_freed_in_a_stream_counts_until_the_stream_is_there(remote: Rig, gpu: str) -> None:
    """An allocation waits a moment for it, in which the rest of the session goes on, and then is out of memory."""
    assert answers(remote, gpu, FREED_LATER) == [2, 2, 0]


BEHIND_A_HOST_FUNCTION = """
import threading
gate = threading.Event()
function = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda _: gate.wait())
stream, piece = ctypes.c_void_p(), bytes(64 << 10)
assert cuda.cuStreamCreate(byref(stream), 1) == 0
_, block = allocate(1)
assert cuda.cuLaunchHostFunc(stream, function, None) == 0
for _ in range(1200):
    assert cuda.cuMemcpyHtoDAsync_v2(block, piece, ctypes.c_size_t(len(piece)), stream) == 0
gate.set()
print(cuda.cuStreamSynchronize(stream))
"""


def test_a_host_function_ends_however_much_waits_for_it(remote: Rig, gpu: str) -> None:
    """Its end is heard although more stands behind it than a stream takes; a thread may be some 250 copies further ahead before it stops."""
    assert answers(remote, gpu, BEHIND_A_HOST_FUNCTION) == [0]


VARIABLES = """
def image(mib):
    text = ".version 7.0\\n.target sm_75\\n.address_size 64\\n.visible .global .align 4 .b8 block[%d];\\n.visible .entry none() { ret; }"
    return ctypes.c_char_p((text % (mib << 20)).encode())
module, library = ctypes.c_void_p(), ctypes.c_void_p()
first = cuda.cuModuleLoadData(byref(module), image(100))
loaded = free_mib()
second = cuda.cuModuleLoadData(byref(ctypes.c_void_p()), image(200))
refused = free_mib()
cuda.cuModuleUnload(module)
unloaded = free_mib()
third = cuda.cuLibraryLoadData(byref(library), image(200), None, None, 0, None, None, 0)
in_library = free_mib()
print(first, loaded, second, refused, unloaded, third, in_library)
"""


def test_variables_of_modules_count(remote: Rig, gpu: str) -> None:
    """A module whose variables do not fit is out of memory and leaves nothing behind."""
    assert answers(remote, gpu, VARIABLES) == [0, 156, 2, 156, 256, 0, 56]


LIMITS = """
heap, printf = 2, 1
before = free_mib()
codes = [cuda.cuCtxSetLimit(heap, ctypes.c_size_t(100 << 20)), cuda.cuCtxSetLimit(printf, ctypes.c_size_t(250 << 20))]
raised = free_mib()
codes.append(cuda.cuCtxSetLimit(0, ctypes.c_size_t(1 << 30)))  # a gigabyte of stack for each thread
codes.append(cuda.cuCtxSetLimit(heap, ctypes.c_size_t(8 << 20)))
print(*codes, before, int(156 <= raised < 168), free_mib())
"""


def test_limits_of_contexts_count(remote: Rig, gpu: str) -> None:
    """Heap, printf buffer and stacks are taken from the partition beyond what a context begins with."""
    assert answers(remote, gpu, LIMITS) == [0, 2, 2, 0, 256, 1, 256]


RESET = """
allocate(200)
cuda.cuDevicePrimaryCtxReset_v2(0)
begin()
print(free_mib(), allocate(200)[0])
"""


def test_memory_of_a_context_goes_with_it(remote: Rig, gpu: str) -> None:
    """After a reset the whole partition is free again."""
    assert answers(remote, gpu, RESET) == [256, 0]


CAPTURE = """
stream, graph, executable = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
assert cuda.cuStreamCreate(byref(stream), 1) == 0
for size in (10, 300):
    assert cuda.cuStreamBeginCapture_v2(stream, 2) == 0
    code, _ = allocate(size, cuda.cuMemAllocAsync, stream)
    cuda.cuStreamEndCapture(stream, byref(graph))
    made = cuda.cuGraphInstantiateWithFlags(byref(executable), graph, ctypes.c_ulonglong(0))
    print(code, made, free_mib())
    if not made:
        cuda.cuGraphExecDestroy(executable)
"""


def test_memory_of_graphs_counts(remote: Rig, gpu: str) -> None:
    """What a graph allocates is taken from the partition when it is instantiated, and is free again after its end."""
    assert answers(remote, gpu, CAPTURE) == [0, 0, 246, 0, 2, 256]


FORK = """
import ctypes, os
cuda = ctypes.CDLL("libcuda.so.1")
version, count = ctypes.c_int(), ctypes.c_int()
assert cuda.cuDriverGetVersion(ctypes.byref(version)) == 0
if not os.fork():
    os._exit(10 + cuda.cuInit(0) + cuda.cuDeviceGetCount(ctypes.byref(count)) + count.value)
in_child = os.waitstatus_to_exitcode(os.wait()[1])
print(in_child, cuda.cuInit(0))
"""


def test_asking_for_the_version_leaves_forked_children_usable(remote: Rig, gpu: str) -> None:
    """A process that has only asked which driver there is may fork, and both use CUDA."""
    assert run([sys.executable, "-c", FORK], remote.remoted(remote.admit([gpu]))).stdout.split() == ["11", "0"]


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


MANY_KERNELS = """
import ctypes, sys
cuda = ctypes.CDLL("libcuda.so.1")
kernels = int(sys.argv[1])
names = ["a_name_as_long_as_templates_make_them_" + "x" * 400 + str(i) for i in range(kernels)]
ptx = ".version 8.0\\n.target sm_80\\n.address_size 64\\n" + "".join(f".visible .entry {name}() {{ ret; }}\\n" for name in names)
context, module, count, function = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_uint(), ctypes.c_void_p()
log = ctypes.create_string_buffer(64)
def done(status):
    assert status == 0, status
done(cuda.cuInit(0))
done(cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), 0))
done(cuda.cuCtxSetCurrent(context))
done(cuda.cuModuleLoadData(ctypes.byref(module), ptx.encode()))
done(cuda.cuModuleGetFunctionCount(ctypes.byref(count), module))
for name in (names[0], names[kernels // 2], names[-1]):
    done(cuda.cuModuleGetFunction(ctypes.byref(function), module, name.encode()))
done(cuda.cuCtxSynchronize())
print(count.value)
"""


def test_a_module_with_a_long_list_of_kernels(remote: Rig, gpu: str) -> None:
    """Its list of kernels, larger than any answer, arrives in parts."""
    command = [sys.executable, "-c", MANY_KERNELS, "3000"]
    assert run(command, remote.remoted(remote.admit([gpu]))).stdout.strip() == "3000"
