"""Calls of the driver, right and wrong, with what they answer: run twice, natively and remoted, the answers must be the same.

Prints one JSON object: case -> list of results.
"""

from __future__ import annotations

import ctypes
import json
import sys
from ctypes import byref, c_char_p, c_float, c_int, c_size_t, c_uint, c_ulonglong, c_void_p

cuda = ctypes.CDLL("libcuda.so.1")
for function in ("cuMemcpyHtoD_v2", "cuMemcpyDtoH_v2", "cuMemFree_v2", "cuMemsetD8_v2", "cuMemsetD32_v2", "cuMemcpyDtoD_v2"):
    getattr(cuda, function).argtypes = None

KERNEL = b"""
.version 7.0
.target sm_75
.address_size 64
.visible .global .align 4 .b8 counter[8];
.visible .entry scale(.param .u64 data, .param .u32 n, .param .f32 factor)
{
    .reg .pred p; .reg .b32 r<6>; .reg .f32 f<3>; .reg .b64 d<4>;
    ld.param.u64 d0, [data]; ld.param.u32 r0, [n]; ld.param.f32 f0, [factor];
    mov.u32 r1, %ctaid.x; mov.u32 r2, %ntid.x; mov.u32 r3, %tid.x; mad.lo.s32 r4, r1, r2, r3;
    setp.ge.u32 p, r4, r0; @p bra done;
    cvta.to.global.u64 d1, d0; mul.wide.u32 d2, r4, 4; add.s64 d3, d1, d2;
    ld.global.f32 f1, [d3]; mul.f32 f2, f1, f0; st.global.f32 [d3], f2;
done: ret;
}
"""

results: dict[str, list[object]] = {}


def case(name: str, *values: object) -> None:
    """Note what a case answered."""
    results[name] = list(values)


def pointer(value: int) -> c_void_p:
    """A handle or address of that value."""
    return c_void_p(value)


def before_init() -> None:
    """Calls before cuInit."""
    count = c_int()
    case("count before cuInit", cuda.cuDeviceGetCount(byref(count)))
    case("alloc before cuInit", cuda.cuMemAlloc_v2(byref(c_ulonglong()), c_size_t(16)))
    case("init with flags", cuda.cuInit(1))
    case("init", cuda.cuInit(0))


def devices() -> None:
    """Questions about devices, and calls that need a context without one."""
    device, count = c_int(), c_int()
    case("device 0", cuda.cuDeviceGet(byref(device), 0), device.value)
    case("device 99", cuda.cuDeviceGet(byref(device), 99))
    case("device -1", cuda.cuDeviceGet(byref(device), -1))
    case("null count", cuda.cuDeviceGetCount(None))
    case("count", cuda.cuDeviceGetCount(byref(count)))
    case("attribute 0", cuda.cuDeviceGetAttribute(byref(count), 0, 0))
    case("attribute 9999", cuda.cuDeviceGetAttribute(byref(count), 9999, 0))
    case("warp size", cuda.cuDeviceGetAttribute(byref(count), 10, 0), count.value)
    case("alloc without context", cuda.cuMemAlloc_v2(byref(c_ulonglong()), c_size_t(16)))
    case("pop without context", cuda.cuCtxPopCurrent_v2(byref(c_void_p())))


def contexts() -> None:
    """The primary context and the stack of contexts."""
    context, again, popped, current = c_void_p(), c_void_p(), c_void_p(), c_void_p()
    case("retain", cuda.cuDevicePrimaryCtxRetain(byref(context), 0))
    case("retain again", cuda.cuDevicePrimaryCtxRetain(byref(again), 0), again.value == context.value)
    case("retain device 99", cuda.cuDevicePrimaryCtxRetain(byref(again), 99))
    case("set current", cuda.cuCtxSetCurrent(context))
    case("current", cuda.cuCtxGetCurrent(byref(current)), current.value == context.value)
    case("garbage context", cuda.cuCtxSetCurrent(pointer(0x10)) != 0)
    case("push", cuda.cuCtxPushCurrent_v2(context))
    case("pop", cuda.cuCtxPopCurrent_v2(byref(popped)), popped.value == context.value)
    device = c_int(-1)
    case("context's device", cuda.cuCtxGetDevice(byref(device)), device.value)


def memory() -> int:
    """Allocation, copies, pointers; returns a block for the others."""
    block, other = c_ulonglong(), c_ulonglong()
    size = 4096
    case("alloc 0", cuda.cuMemAlloc_v2(byref(block), c_size_t(0)))
    case("alloc null", cuda.cuMemAlloc_v2(None, c_size_t(16)))
    case("alloc", cuda.cuMemAlloc_v2(byref(block), c_size_t(size)), cuda.cuMemAlloc_v2(byref(other), c_size_t(size)))
    case("alloc 1 PiB", cuda.cuMemAlloc_v2(byref(c_ulonglong()), c_size_t(1 << 50)))
    out = (ctypes.c_uint * (size // 4))()
    source = (ctypes.c_uint * (size // 4))(*range(size // 4))
    case("to device", cuda.cuMemcpyHtoD_v2(block, source, c_size_t(size)))
    case("on device", cuda.cuMemcpyDtoD_v2(other, block, c_size_t(size)))
    case("from device", cuda.cuMemcpyDtoH_v2(out, other, c_size_t(size)), list(out) == list(source))
    case("unified", cuda.cuMemcpy(pointer(ctypes.addressof(out)), block, c_size_t(size)), list(out) == list(source))
    case("fill", cuda.cuMemsetD32_v2(block, c_uint(7), c_size_t(size // 4)), cuda.cuMemcpyDtoH_v2(out, block, c_size_t(size)), sum(out))
    case("fill misaligned", cuda.cuMemsetD32_v2(c_ulonglong(block.value + 1), c_uint(7), c_size_t(1)))
    case("copy nothing", cuda.cuMemcpyDtoH_v2(out, block, c_size_t(0)))
    base, length = c_ulonglong(), c_size_t()
    case(
        "range",
        cuda.cuMemGetAddressRange_v2(byref(base), byref(length), c_ulonglong(block.value + 8)),
        base.value == block.value,
        length.value,
    )
    kind = c_uint()
    case("memory type", cuda.cuPointerGetAttribute(byref(kind), 2, block), kind.value)
    case("foreign pointer", cuda.cuPointerGetAttribute(byref(kind), 2, c_ulonglong(16)))
    case("free foreign", cuda.cuMemFree_v2(c_ulonglong(16)))
    case("free inside", cuda.cuMemFree_v2(c_ulonglong(block.value + 4)))
    case("free null", cuda.cuMemFree_v2(c_ulonglong(0)))
    case("free", cuda.cuMemFree_v2(other))
    case("free twice", cuda.cuMemFree_v2(other))
    pinned = c_void_p()
    case("pinned", cuda.cuMemHostAlloc(byref(pinned), c_size_t(size), 0), cuda.cuMemcpyDtoH_v2(pinned, block, c_size_t(size)))
    case("pinned value", ctypes.cast(pinned, ctypes.POINTER(c_uint))[3])
    case("free pinned", cuda.cuMemFreeHost(pinned), cuda.cuMemFreeHost(pinned))
    return int(block.value)


def streams(block: int) -> None:
    """Streams, events and host functions."""
    stream, event, end = c_void_p(), c_void_p(), c_void_p()
    case("stream", cuda.cuStreamCreate(byref(stream), 1))
    case("stream flags", cuda.cuStreamCreate(byref(c_void_p()), 64))
    case("event", cuda.cuEventCreate(byref(event), 0), cuda.cuEventCreate(byref(end), 0))
    case("never recorded", cuda.cuEventQuery(event))
    case("elapsed of nothing", cuda.cuEventElapsedTime(byref(c_float()), event, end))
    case(
        "record",
        cuda.cuEventRecord(event, stream),
        cuda.cuMemsetD8Async(c_ulonglong(block), 1, c_size_t(64), stream),
        cuda.cuEventRecord(end, stream),
    )
    case("wait event", cuda.cuStreamWaitEvent(None, end, 0))
    case("synchronize", cuda.cuStreamSynchronize(stream), cuda.cuEventSynchronize(end), cuda.cuCtxSynchronize())
    took = c_float(-1)
    case("elapsed", cuda.cuEventElapsedTime(byref(took), event, end), took.value >= 0)
    case("query", cuda.cuStreamQuery(stream), cuda.cuEventQuery(end))
    status = c_int(-1)
    case("capturing", cuda.cuStreamIsCapturing(stream, byref(status)), status.value)
    calls: list[int] = []
    host_function = ctypes.CFUNCTYPE(None, c_void_p)(lambda _: calls.append(1))
    case("host function", cuda.cuLaunchHostFunc(stream, host_function, None), cuda.cuStreamSynchronize(stream), len(calls))
    case("destroy", cuda.cuEventDestroy_v2(event), cuda.cuEventDestroy_v2(end), cuda.cuStreamDestroy_v2(stream))


def kernels(block: int) -> None:
    """Modules and launches."""
    module, function = c_void_p(), c_void_p()
    case("load", cuda.cuModuleLoadData(byref(module), c_char_p(KERNEL)))
    case("no such function", cuda.cuModuleGetFunction(byref(c_void_p()), module, b"nobody"))
    case("function", cuda.cuModuleGetFunction(byref(function), module, b"scale"))
    base, size = c_ulonglong(), c_size_t()
    case("variable", cuda.cuModuleGetGlobal_v2(byref(base), byref(size), module, b"counter"), size.value)
    case("no such variable", cuda.cuModuleGetGlobal_v2(byref(base), byref(size), module, b"nobody"))
    offset, length = c_size_t(), c_size_t()
    case(
        "parameters", [cuda.cuFuncGetParamInfo(function, i, byref(offset), byref(length)) or (offset.value, length.value) for i in range(4)]
    )
    value = c_int()
    case("threads per block", cuda.cuFuncGetAttribute(byref(value), 0, function), value.value)
    count = 1000
    data = (c_float * count)(*range(count))
    cuda.cuMemcpyHtoD_v2(c_ulonglong(block), data, c_size_t(4 * count))
    arguments = (c_ulonglong(block), c_uint(count), c_float(2.0))
    parameters = (c_void_p * 3)(*(ctypes.addressof(a) for a in arguments))
    launch = lambda *shape, p=parameters: cuda.cuLaunchKernel(function, *shape, 0, None, p, None)  # noqa: E731
    case(
        "launch",
        launch(4, 1, 1, 256, 1, 1),
        cuda.cuMemcpyDtoH_v2(data, c_ulonglong(block), c_size_t(4 * count)),
        list(data) == [2.0 * i for i in range(count)],
    )
    case("empty grid", launch(0, 1, 1, 256, 1, 1))
    case("huge block", launch(1, 1, 1, 4096, 1, 1))
    case("no parameters", launch(1, 1, 1, 32, 1, 1, p=None))
    blocks = c_int()
    case("occupancy", cuda.cuOccupancyMaxActiveBlocksPerMultiprocessor(byref(blocks), function, 256, c_size_t(0)), blocks.value)
    case("bad image", cuda.cuModuleLoadData(byref(c_void_p()), c_char_p(b"\n.version 7.0\n.target sm_75\nnonsense")) != 0)
    case("unload", cuda.cuModuleUnload(module))
    case("still works", cuda.cuCtxSynchronize())


def look_ups() -> None:
    """Procedure look-up and error texts."""
    found, status = c_void_p(), c_int()
    answers = []
    for name, version in (
        (b"cuMemAlloc", 12000),
        (b"cuCtxCreate", 12040),
        (b"cuNobody", 12000),
        (b"cuLaunchKernelEx", 11000),
        (b"cuCtxCreate", 2000),
    ):
        code = cuda.cuGetProcAddress_v2(name, byref(found), version, c_ulonglong(0), byref(status))
        answers.append((code, bool(found.value), status.value))
    case("procedures", answers)
    text = c_char_p()
    case("error name", cuda.cuGetErrorName(700, byref(text)), text.value.decode() if text.value else None)
    case("unknown error", cuda.cuGetErrorName(12345, byref(text)))


def main() -> None:
    """All cases in order."""
    before_init()
    devices()
    contexts()
    block = memory()
    streams(block)
    kernels(block)
    look_ups()
    case("release", cuda.cuDevicePrimaryCtxRelease_v2(0), cuda.cuDevicePrimaryCtxRelease_v2(0), cuda.cuDevicePrimaryCtxRelease_v2(0) != 0)
    json.dump(results, sys.stdout)


main()
