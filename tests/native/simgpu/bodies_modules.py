"""Modules and launches. Each function runs in a process of its own on one GPU of 1 GiB."""

from __future__ import annotations

import array
import ctypes
import struct
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


CALLER = b"""
.version 8.0
.target sm_75
.address_size 64
.extern .func (.param .b32 result) twice(.param .b32 x);
.extern .global .align 4 .u32 offset;
.visible .entry run(.param .u64 out)
{
    .reg .b32 %r<4>; .reg .b64 %rd<2>;
    ld.param.u64 %rd1, [out]; ld.global.u32 %r1, [offset];
    { .param .b32 x; .param .b32 y; st.param.b32 [x], %r1; call.uni (y), twice, (x); ld.param.b32 %r2, [y]; }
    st.global.u32 [%rd1], %r2;
    ret;
}
\0"""
CALLEE = b"""
.version 8.0
.target sm_75
.address_size 64
.visible .global .align 4 .u32 offset = 21;
.visible .func (.param .b32 result) twice(.param .b32 x)
{
    .reg .b32 %r<3>; ld.param.b32 %r1, [x]; shl.b32 %r2, %r1, 1; st.param.b32 [result], %r2; ret;
}
\0"""
PTX_INPUT = 1


def linked_modules_share_functions_and_variables() -> None:
    """A kernel of one module calls a function of another and reads its variable; the linked image is loaded like any other."""
    driver = Driver()
    link, image, size = c_void_p(), c_void_p(), c_size_t()
    driver.call("cuLinkCreate_v2", c_uint(0), None, None, byref(link))
    for text in (CALLER, CALLEE):
        driver.call("cuLinkAddData_v2", link, c_int(PTX_INPUT), text, c_size_t(len(text)), b"part", c_uint(0), None, None)
    driver.call("cuLinkComplete", link, byref(image), byref(size))
    module = driver.handle("cuModuleLoadData", ctypes.string_at(image, size.value))
    driver.call("cuLinkDestroy", link)
    memory = driver.allocate(4)
    assert driver.launch(driver.handle("cuModuleGetFunction", module, c_char_p(b"run")), [c_uint64(memory)]) == 0
    assert driver.download(memory, 4) == (42).to_bytes(4, "little")
    assert driver.error("cuLinkDestroy", link) == INVALID_HANDLE


def links_name_what_is_missing() -> None:
    """A function that nobody defines is named in the error log when the linked image is loaded, and the load fails."""
    driver = Driver()
    log = ctypes.create_string_buffer(4096)
    options, values = (c_int * 2)(5, 6), (c_void_p * 2)(ctypes.addressof(log), len(log))
    assert driver.error("cuModuleLoadDataEx", byref(c_void_p()), CALLER, c_uint(2), options, values) == INVALID_PTX
    assert b"twice" in log.value or b"offset" in log.value
    assert values[1] == len(log.value)


CLUSTERED = b"""
.version 8.0
.target sm_90
.address_size 64
.visible .entry where(.param .u64 out)
{
    .reg .b32 %r<8>; .reg .b64 %rd<4>;
    ld.param.u64 %rd1, [out]; mov.u32 %r1, %ctaid.x; mul.wide.u32 %rd2, %r1, 4; add.u64 %rd1, %rd1, %rd2;
    mov.u32 %r2, %cluster_ctarank; mov.u32 %r3, %clusterid.x; mov.u32 %r4, %cluster_nctarank;
    mad.lo.u32 %r5, %r3, 10, %r2; mad.lo.u32 %r5, %r4, 100, %r5;
    st.global.u32 [%rd1], %r5;
    ret;
}
\0"""
INVALID_CLUSTER_SIZE = 912


def clusters_are_launched_by_attribute() -> None:
    """cuLaunchKernelEx with a cluster's size; one that does not divide the grid is refused."""
    driver = Driver()
    kernel = driver.handle("cuModuleGetFunction", driver.handle("cuModuleLoadData", CLUSTERED), c_char_p(b"where"))
    memory = driver.allocate(4 * 6)
    argument = c_uint64(memory)
    pointers = (c_void_p * 1)(ctypes.addressof(argument))

    def launch(cluster: int) -> int:
        attribute = ctypes.create_string_buffer(struct.pack("<i4x3I", 4, cluster, 1, 1), 72)
        config = ctypes.create_string_buffer(struct.pack("<7I4xQQI4x", 6, 1, 1, 1, 1, 1, 0, 0, ctypes.addressof(attribute), 1), 56)
        return driver.error("cuLaunchKernelEx", config, kernel, pointers, None)

    assert launch(3) == 0
    assert struct.unpack("<6I", driver.download(memory, 24)) == (300, 301, 302, 310, 311, 312)
    assert launch(4) == INVALID_CLUSTER_SIZE
    assert launch(1) == 0


MANAGED = b"""
.version 8.0
.target sm_90
.address_size 64
.visible .global .attribute(.managed) .align 4 .u32 together = 5;
.visible .entry bump() .reqnctapercluster 2, 1, 1
{
    .reg .b32 %r<2>; ld.global.u32 %r1, [together]; add.u32 %r1, %r1, 1; st.global.u32 [together], %r1; ret;
}
\0"""
IS_MANAGED = 8
CLUSTER_MUST_BE_SET, CLUSTER_WIDTH = 10, 11


def managed_variables_and_compiled_clusters() -> None:
    """A managed variable is the host's too; a cluster that a kernel was compiled for is told, and cannot be set otherwise."""
    driver = Driver()
    module = driver.handle("cuModuleLoadData", MANAGED)
    address, size, managed = c_uint64(), c_size_t(), ctypes.c_bool()
    driver.call("cuModuleGetGlobal_v2", byref(address), byref(size), module, c_char_p(b"together"))
    driver.call("cuPointerGetAttribute", byref(managed), c_int(IS_MANAGED), address)
    assert managed.value
    kernel = driver.handle("cuModuleGetFunction", module, c_char_p(b"bump"))
    assert [driver.integer("cuFuncGetAttribute", c_int(kind), kernel) for kind in (CLUSTER_MUST_BE_SET, CLUSTER_WIDTH)] == [1, 2]
    assert driver.error("cuFuncSetAttribute", kernel, c_int(CLUSTER_WIDTH), c_int(4)) == INVALID_VALUE
    assert driver.launch(kernel, [], blocks=3) == INVALID_CLUSTER_SIZE
    assert driver.launch(kernel, [], blocks=2) == 0
    driver.call("cuCtxSynchronize")
    assert ctypes.string_at(address.value, 4) == (7).to_bytes(4, "little")


def managed_variables_of_libraries_need_no_context() -> None:
    """The runtime asks for them before it has a context; all contexts see the same variable, and its value stays."""
    driver = Driver()
    driver.call("cuCtxSetCurrent", None)
    library, address, size = c_void_p(), c_uint64(), c_size_t()
    driver.call("cuLibraryLoadData", byref(library), MANAGED, None, None, c_uint(0), None, None, c_uint(0))
    driver.call("cuLibraryGetManaged", byref(address), byref(size), library, c_char_p(b"together"))
    assert (size.value, ctypes.string_at(address.value, 4)) == (4, (5).to_bytes(4, "little"))
    assert driver.error("cuLibraryGetManaged", byref(c_uint64()), byref(size), library, c_char_p(b"absent")) == NOT_FOUND
    ctypes.memmove(address.value, (8).to_bytes(4, "little"), 4)
    driver.call("cuCtxSetCurrent", driver.context)
    kernel = driver.handle("cuLibraryGetKernel", library, c_char_p(b"bump"))
    assert driver.launch(kernel, [], blocks=2) == 0
    driver.call("cuCtxSynchronize")
    assert ctypes.string_at(address.value, 4) == (10).to_bytes(4, "little")
    driver.call("cuLibraryUnload", library)
