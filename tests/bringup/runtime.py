"""One CUDA runtime library, called as nvcc's host code calls it: a registered fat binary, launches, memory, streams, events, errors.

The path of the library is the only argument. No compiler is involved, so that a runtime whose headers no present nvcc accepts runs too.
"""

import ctypes
import struct
import sys

PTX = b"""
.version 7.0
.target sm_70
.address_size 64
.visible .entry add(.param .u64 sums, .param .u64 left, .param .u64 right, .param .u32 count)
{
  .reg .pred %p;
  .reg .b32 %r<5>;
  .reg .f32 %f<3>;
  .reg .b64 %a<5>;
  mov.u32 %r1, %ctaid.x;
  mov.u32 %r2, %ntid.x;
  mov.u32 %r3, %tid.x;
  mad.lo.u32 %r4, %r1, %r2, %r3;
  ld.param.u32 %r1, [count];
  setp.ge.u32 %p, %r4, %r1;
  @%p ret;
  mul.wide.u32 %a4, %r4, 4;
  ld.param.u64 %a1, [left];
  add.u64 %a1, %a1, %a4;
  ld.param.u64 %a2, [right];
  add.u64 %a2, %a2, %a4;
  ld.param.u64 %a3, [sums];
  add.u64 %a3, %a3, %a4;
  ld.global.f32 %f1, [%a1];
  ld.global.f32 %f2, [%a2];
  add.f32 %f1, %f1, %f2;
  st.global.f32 [%a3], %f1;
  ret;
}
"""
COUNT = 1000
BYTES = COUNT * 4
FAT_MAGIC, WRAPPER_MAGIC = 0xBA55ED50, 0x466243B1
PTX_KIND, PTX_ARCHITECTURE = 1, 70
INVALID_VALUE, NOT_READY = 1, 600
TO_DEVICE, TO_HOST = 1, 2


class Grid(ctypes.Structure):
    """dim3."""

    _fields_ = [("x", ctypes.c_uint), ("y", ctypes.c_uint), ("z", ctypes.c_uint)]


class Wrapper(ctypes.Structure):
    """What nvcc puts into the section .nvFatBinSegment."""

    _fields_ = [("magic", ctypes.c_uint), ("version", ctypes.c_uint), ("data", ctypes.c_void_p), ("unused", ctypes.c_void_p)]


def fat_binary() -> bytes:
    """The kernel's PTX as a fat binary with one entry."""
    payload = PTX + b"\0" * (8 - len(PTX) % 8)
    entry = struct.pack("<HHIQIIIIIIQQQ", PTX_KIND, 0x101, 64, len(payload), 0, 0, 0, PTX_ARCHITECTURE, 0, 0, 0x11, 0, 0)
    return struct.pack("<IHHQ", FAT_MAGIC, 1, 16, len(entry) + len(payload)) + entry + payload


class Runtime:
    """The library; every call is checked."""

    def __init__(self, path: str) -> None:
        self._library = ctypes.CDLL(path)
        self._kept: list[object] = []

    def __getattr__(self, name: str):
        def call(*arguments: object) -> None:
            code = self.code(name, *arguments)
            assert code == 0, f"{name}: error {code}"

        return call

    def code(self, name: str, *arguments: object) -> int:
        """What a call answers."""
        return int(getattr(self._library, name)(*arguments))

    def register(self) -> ctypes.c_void_p:
        """As the constructor does that nvcc writes; returns the address by which the kernel is launched."""
        image = ctypes.create_string_buffer(fat_binary())
        wrapper = Wrapper(WRAPPER_MAGIC, 1, ctypes.addressof(image), None)
        stub = ctypes.create_string_buffer(8)
        self._kept += [image, wrapper, stub]
        begin = getattr(self._library, "__cudaRegisterFatBinary")
        begin.restype = ctypes.c_void_p
        module = ctypes.c_void_p(begin(ctypes.byref(wrapper)))
        address = ctypes.cast(stub, ctypes.c_void_p)
        getattr(self._library, "__cudaRegisterFunction")(module, address, b"add", b"add", -1, None, None, None, None, None)
        getattr(self._library, "__cudaRegisterFatBinaryEnd")(module)
        return address

    def allocate(self) -> ctypes.c_void_p:
        """Device memory for one vector."""
        pointer = ctypes.c_void_p()
        self.cudaMalloc(ctypes.byref(pointer), ctypes.c_size_t(BYTES))
        return pointer

    def handle(self, maker: str) -> ctypes.c_void_p:
        """A new object."""
        made = ctypes.c_void_p()
        getattr(self, maker)(ctypes.byref(made))
        return made


def say_versions(cuda: Runtime) -> None:
    for name in ("cudaRuntimeGetVersion", "cudaDriverGetVersion"):
        version = ctypes.c_int()
        getattr(cuda, name)(ctypes.byref(version))
        print(f"{name}: {version.value}")


def add_vectors(cuda: Runtime) -> None:
    """Copies, a launch and events on a stream."""
    kernel, stream = cuda.register(), cuda.handle("cudaStreamCreate")
    started, ended = cuda.handle("cudaEventCreate"), cuda.handle("cudaEventCreate")
    left, right, sums = cuda.allocate(), cuda.allocate(), cuda.allocate()
    host = (ctypes.c_float * COUNT)(*range(COUNT))
    size, to_device, to_host = ctypes.c_size_t(BYTES), TO_DEVICE, TO_HOST
    cuda.cudaEventRecord(started, stream)
    for vector in (left, right):
        cuda.cudaMemcpyAsync(vector, host, size, to_device, stream)
    values = (sums, left, right, ctypes.c_uint(COUNT))
    addresses = (ctypes.c_void_p * 4)(*(ctypes.addressof(value) for value in values))
    cuda.cudaLaunchKernel(kernel, Grid(8, 1, 1), Grid(128, 1, 1), addresses, ctypes.c_size_t(0), stream)
    cuda.cudaEventRecord(ended, stream)
    result = (ctypes.c_float * COUNT)()
    cuda.cudaMemcpyAsync(result, sums, size, to_host, stream)
    cuda.cudaStreamSynchronize(stream)
    assert list(result) == [2.0 * number for number in range(COUNT)]
    elapsed = ctypes.c_float()
    cuda.cudaEventElapsedTime(ctypes.byref(elapsed), started, ended)
    for vector in (left, right, sums):
        cuda.cudaFree(vector)
    print("vectors: added")


def report_errors(cuda: Runtime) -> None:
    """A bad argument is reported, latched and cleared."""
    assert cuda.code("cudaMemset", None, 0, ctypes.c_size_t(16)) == INVALID_VALUE
    assert cuda.code("cudaGetLastError") == INVALID_VALUE
    assert cuda.code("cudaGetLastError") == 0
    print("errors: reported")


def main() -> None:
    cuda = Runtime(sys.argv[1])
    say_versions(cuda)
    add_vectors(cuda)
    report_errors(cuda)
    cuda.cudaDeviceReset()
    print("PASSED")


main()
