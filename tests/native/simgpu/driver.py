"""The simulated driver by ctypes: what its tests call. Every call's result is checked unless the test asks for the error."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable
from ctypes import byref, c_char_p, c_float, c_int, c_size_t, c_uint, c_uint64, c_void_p

SUCCESS = 0
INVALID_VALUE = 1
OUT_OF_MEMORY = 2
NOT_INITIALIZED = 3
DEVICE_UNAVAILABLE = 46
NO_DEVICE = 100
INVALID_DEVICE = 101
INVALID_CONTEXT = 201
NO_BINARY_FOR_GPU = 209
INVALID_PTX = 218
INVALID_HANDLE = 400
NOT_FOUND = 500
NOT_READY = 600
ILLEGAL_ADDRESS = 700
CONTEXT_IS_DESTROYED = 709
NOT_PERMITTED = 800
NOT_SUPPORTED = 801
CAPTURE_UNSUPPORTED = 900
CAPTURE_INVALIDATED = 901

HOST_FUNCTION = ctypes.CFUNCTYPE(None, c_void_p)

# c[i] = a[i] + b[i], and one store through a pointer that the caller chooses.
KERNELS = b"""
.version 8.0
.target sm_75
.address_size 64

.visible .global .align 4 .u32 counter = 7;

.visible .entry add(.param .u64 a, .param .u64 b, .param .u64 c, .param .u32 n)
{
    .reg .pred %p;
    .reg .b32 %r<8>;
    .reg .b64 %rd<10>;
    mov.u32 %r1, %ctaid.x;
    mov.u32 %r2, %ntid.x;
    mov.u32 %r3, %tid.x;
    mad.lo.s32 %r4, %r1, %r2, %r3;
    ld.param.u32 %r5, [n];
    setp.ge.u32 %p, %r4, %r5;
    @%p bra done;
    ld.param.u64 %rd1, [a];
    ld.param.u64 %rd2, [b];
    ld.param.u64 %rd3, [c];
    mul.wide.u32 %rd4, %r4, 4;
    add.s64 %rd5, %rd1, %rd4;
    add.s64 %rd6, %rd2, %rd4;
    add.s64 %rd7, %rd3, %rd4;
    ld.global.u32 %r6, [%rd5];
    ld.global.u32 %r7, [%rd6];
    add.u32 %r6, %r6, %r7;
    st.global.u32 [%rd7], %r6;
done:
    ret;
}

.visible .entry store(.param .u64 target, .param .u32 value)
{
    .reg .b32 %r<2>;
    .reg .b64 %rd<2>;
    ld.param.u64 %rd1, [target];
    ld.param.u32 %r1, [value];
    st.global.u32 [%rd1], %r1;
    ret;
}
\0"""


class Driver:
    """The library, initialised, with the primary context of one device current."""

    def __init__(self, device: int | None = 0) -> None:
        self.library = ctypes.CDLL(os.environ["SIMGPU_TEST_LIBRARY"])
        if device is not None:
            self.call("cuInit", 0)
            self.context = self.handle("cuDevicePrimaryCtxRetain", device)
            self.call("cuCtxSetCurrent", self.context)

    def error(self, name: str, *arguments: object) -> int:
        """Calls and returns the result."""
        result: int = getattr(self.library, name)(
            *[c_uint64(each) if type(each) is int and each > 0x7FFFFFFF else each for each in arguments]
        )
        return result

    def call(self, name: str, *arguments: object) -> None:
        """Calls and expects success."""
        result = self.error(name, *arguments)
        assert result == SUCCESS, f"{name} answered {result}"

    def handle(self, name: str, *arguments: object) -> c_void_p:
        """Calls a function that stores a handle through its first argument."""
        out = c_void_p()
        self.call(name, byref(out), *arguments)
        return out

    def integer(self, name: str, *arguments: object) -> int:
        """Calls a function that stores an int through its first argument."""
        out = c_int()
        self.call(name, byref(out), *arguments)
        return out.value

    def allocate(self, size: int) -> int:
        """Device memory."""
        out = c_uint64()
        self.call("cuMemAlloc_v2", byref(out), c_size_t(size))
        return out.value

    def upload(self, address: int, data: bytes) -> None:
        """Copies bytes to the device."""
        self.call("cuMemcpyHtoD_v2", c_uint64(address), data, c_size_t(len(data)))

    def download(self, address: int, size: int) -> bytes:
        """Copies bytes from the device."""
        buffer = ctypes.create_string_buffer(size)
        self.call("cuMemcpyDtoH_v2", buffer, c_uint64(address), c_size_t(size))
        return buffer.raw

    def memory_info(self) -> tuple[int, int]:
        """Free and total bytes."""
        free, total = c_size_t(), c_size_t()
        self.call("cuMemGetInfo_v2", byref(free), byref(total))
        return free.value, total.value

    def elapsed(self, start: c_void_p, end: c_void_p) -> float:
        """Milliseconds between two events."""
        out = c_float()
        self.call("cuEventElapsedTime_v2", byref(out), start, end)
        return out.value

    def launch(
        self,
        function: c_void_p,
        arguments: Iterable[ctypes._SimpleCData[int]],
        blocks: int = 1,
        threads: int = 1,
        stream: c_void_p | None = None,
    ) -> int:
        """Launches a one-dimensional grid and returns the result."""
        values = list(arguments)
        pointers = (c_void_p * max(len(values), 1))(*[ctypes.addressof(value) for value in values])
        shape = [c_uint(each) for each in (blocks, 1, 1, threads, 1, 1, 0)]
        return self.error("cuLaunchKernel", function, *shape, stream, pointers, None)

    def kernel(self, name: bytes) -> c_void_p:
        """A kernel of KERNELS, in a module of its own."""
        return self.handle("cuModuleGetFunction", self.handle("cuModuleLoadData", KERNELS), c_char_p(name))
