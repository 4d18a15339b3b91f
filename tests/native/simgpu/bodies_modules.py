"""Modules and launches. Each function runs in a process of its own on one GPU of 1 GiB."""

from __future__ import annotations

import array
import ctypes
from ctypes import byref, c_char_p, c_int, c_size_t, c_uint, c_uint64, c_void_p

from tests.native.simgpu.driver import (
    ILLEGAL_ADDRESS,
    INVALID_HANDLE,
    INVALID_PTX,
    INVALID_VALUE,
    KERNELS,
    NO_BINARY_FOR_GPU,
    NOT_FOUND,
    Driver,
)


def kernels_compute() -> None:
    """A vector addition over several blocks."""
    driver = Driver()
    count = 10_000
    numbers = array.array("I", range(count)).tobytes()
    memory = [driver.allocate(4 * count) for _ in range(3)]
    for each in memory[:2]:
        driver.upload(each, numbers)
    arguments = [*map(c_uint64, memory), c_uint(count)]
    assert driver.launch(driver.kernel(b"add"), arguments, blocks=(count + 255) // 256, threads=256) == 0
    assert driver.download(memory[2], 4 * count) == array.array("I", range(0, 2 * count, 2)).tobytes()


def libraries_serve_every_context() -> None:
    """A CUkernel can be launched as a function, and its variables are found."""
    driver = Driver()
    library = driver.handle("cuLibraryLoadData", KERNELS, None, None, c_uint(0), None, None, c_uint(0))
    kernel = driver.handle("cuLibraryGetKernel", library, c_char_p(b"store"))
    memory = driver.allocate(4)
    assert driver.launch(kernel, [c_uint64(memory), c_uint(11)]) == 0
    assert driver.download(memory, 4) == b"\x0b\0\0\0"
    address, size = c_uint64(), c_size_t()
    driver.call("cuLibraryGetGlobal", byref(address), byref(size), library, c_char_p(b"counter"))
    assert size.value == 4
    assert driver.download(address.value, 4) == b"\x07\0\0\0"
    assert driver.error("cuLibraryGetKernel", byref(c_void_p()), library, c_char_p(b"none")) == NOT_FOUND


def parameters_are_described() -> None:
    """cuFuncGetParamInfo tells offset and size of every parameter and ends with an error."""
    driver = Driver()
    function = driver.kernel(b"add")
    rows: list[tuple[int, int]] = []
    offset, size = c_size_t(), c_size_t()
    while driver.error("cuFuncGetParamInfo", function, c_size_t(len(rows)), byref(offset), byref(size)) == 0:
        rows.append((offset.value, size.value))
    assert rows == [(0, 8), (8, 8), (16, 8), (24, 4)]


def impossible_launches_are_refused() -> None:
    """Empty grids, blocks too large, too much shared memory, handles that are none."""
    driver = Driver()
    function = driver.kernel(b"store")
    arguments = [c_uint64(0), c_uint(0)]
    assert driver.launch(function, arguments, blocks=0) == INVALID_VALUE
    assert driver.launch(function, arguments, threads=1025) == INVALID_VALUE
    shape = [c_uint(each) for each in (1, 1, 1, 1, 1, 1, 200_000)]
    assert driver.error("cuLaunchKernel", function, *shape, None, (c_void_p * 2)(), None) == INVALID_VALUE
    assert driver.launch(c_void_p(0x1234), arguments) == INVALID_HANDLE


def a_wild_store_is_sticky() -> None:
    """The kernel's fault is answered by every later call of the context; the process lives on."""
    driver = Driver()
    function = driver.kernel(b"store")
    assert driver.launch(function, [c_uint64(0x10), c_uint(1)]) == 0
    assert driver.error("cuCtxSynchronize") == ILLEGAL_ADDRESS
    assert driver.error("cuMemAlloc_v2", byref(c_uint64()), c_size_t(16)) == ILLEGAL_ADDRESS
    assert driver.error("cuStreamCreate", byref(c_void_p()), c_uint(0)) == ILLEGAL_ADDRESS
    driver.call("cuDevicePrimaryCtxReset_v2", 0)
    driver.context = driver.handle("cuDevicePrimaryCtxRetain", 0)
    driver.call("cuCtxSetCurrent", driver.context)
    driver.allocate(16)


def storing_beyond_an_allocation_is_noticed() -> None:
    """Behind every allocation lies memory that nobody may touch."""
    driver = Driver()
    memory = driver.allocate(4096)
    driver.allocate(4096)
    assert driver.launch(driver.kernel(b"store"), [c_uint64(memory + 4096), c_uint(1)]) == 0
    assert driver.error("cuCtxSynchronize") == ILLEGAL_ADDRESS


def broken_text_is_explained() -> None:
    """A module that is not PTX fails at the load with a message in the error log."""
    driver = Driver()
    log = ctypes.create_string_buffer(4096)
    options = (c_int * 2)(5, 6)
    values = (c_void_p * 2)(ctypes.addressof(log), len(log))
    text = KERNELS.replace(b"add.u32 %r6", b"frobnicate.u32 %r6")
    module = c_void_p()
    assert driver.error("cuModuleLoadDataEx", byref(module), text, c_uint(2), options, values) in {NO_BINARY_FOR_GPU, INVALID_PTX}
    assert b"frobnicate" in log.value


def graphs_run_kernels_and_take_new_parameters() -> None:
    """A captured launch keeps its parameters; cuGraphExecKernelNodeSetParams replaces them."""
    driver = Driver()
    stream = driver.handle("cuStreamCreate", c_uint(1))
    function = driver.kernel(b"store")
    memory = driver.allocate(8)
    driver.call("cuMemsetD32_v2", c_uint64(memory), c_uint(0), c_size_t(2))
    driver.call("cuStreamBeginCapture_v2", stream, c_int(0))
    assert driver.launch(function, [c_uint64(memory), c_uint(3)], stream=stream) == 0
    graph, node, count = c_void_p(), c_void_p(), c_size_t(1)
    driver.call("cuStreamEndCapture", stream, byref(graph))
    driver.call("cuGraphGetNodes", graph, byref(node), byref(count))
    executable = driver.handle("cuGraphInstantiateWithFlags", graph, c_uint64(0))
    driver.call("cuGraphLaunch", executable, stream)
    driver.call("cuStreamSynchronize", stream)
    assert driver.download(memory, 8) == b"\x03\0\0\0\0\0\0\0"

    class Params(ctypes.Structure):
        _fields_ = [
            ("function", c_void_p),
            ("shape", c_uint * 7),
            ("params", c_void_p),
            ("extra", c_void_p),
            ("kernel", c_void_p),
            ("context", c_void_p),
        ]

    arguments = (c_uint64(memory + 4), c_uint(8))
    pointers = (c_void_p * 2)(*[ctypes.addressof(each) for each in arguments])
    params = Params(function=function, shape=(c_uint * 7)(1, 1, 1, 1, 1, 1, 0), params=ctypes.addressof(pointers))
    driver.call("cuGraphExecKernelNodeSetParams_v2", executable, node, byref(params))
    driver.call("cuGraphLaunch", executable, stream)
    driver.call("cuStreamSynchronize", stream)
    assert driver.download(memory, 8) == b"\x03\0\0\0\x08\0\0\0"
