"""What tests of graphs share: parameters of nodes, and calls in short form."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Sequence
from ctypes import byref, c_int, c_size_t, c_uint, c_uint64, c_void_p

from tests.native.simgpu.driver import Driver

MEMSET, CONDITIONAL = 2, 13


class KernelParams(ctypes.Structure):
    """CUDA_KERNEL_NODE_PARAMS_v2."""

    _fields_ = (
        ("func", c_void_p),
        ("grid", c_uint * 3),
        ("block", c_uint * 3),
        ("shared", c_uint),
        ("params", c_void_p),
        ("extra", c_void_p),
        ("kern", c_void_p),
        ("ctx", c_void_p),
    )


class MemsetParams(ctypes.Structure):
    """CUDA_MEMSET_NODE_PARAMS."""

    _fields_ = (
        ("dst", c_uint64),
        ("pitch", c_size_t),
        ("value", c_uint),
        ("element", c_uint),
        ("width", c_size_t),
        ("height", c_size_t),
    )


class MemcpyParams(ctypes.Structure):
    """CUDA_MEMCPY3D."""

    _fields_ = (
        *(
            (f"{end}_{name}", kind)
            for end in ("src", "dst")
            for name, kind in (
                ("x", c_size_t),
                ("y", c_size_t),
                ("z", c_size_t),
                ("lod", c_size_t),
                ("type", c_uint),
                ("host", c_void_p),
                ("device", c_uint64),
                ("array", c_void_p),
                ("reserved", c_void_p),
                ("pitch", c_size_t),
                ("height", c_size_t),
            )
        ),
        ("width", c_size_t),
        ("height", c_size_t),
        ("depth", c_size_t),
    )


class EdgeData(ctypes.Structure):
    """CUgraphEdgeData."""

    _fields_ = (("from_port", ctypes.c_ubyte), ("to_port", ctypes.c_ubyte), ("type", ctypes.c_ubyte), ("reserved", ctypes.c_ubyte * 5))


class UpdateInfo(ctypes.Structure):
    """CUgraphExecUpdateResultInfo."""

    _fields_ = (("result", c_int), ("node", c_void_p), ("from_node", c_void_p))


class Graphs(Driver):
    """Graph calls in the form the tests need."""

    def graph(self) -> c_void_p:
        """A new graph."""
        return self.handle("cuGraphCreate", c_uint(0))

    def add(self, kind: str, graph: c_void_p, after: Sequence[c_void_p], *params: object) -> c_void_p:
        """A node by its kind's own function."""
        return self.handle(f"cuGraphAdd{kind}", graph, handles(after), c_size_t(len(after)), *params)

    def fill(self, graph: c_void_p, address: int, value: int, after: Sequence[c_void_p] = (), count: int = 1) -> c_void_p:
        """A node that fills 32-bit words."""
        return self.add("MemsetNode", graph, after, byref(MemsetParams(address, 0, value, 4, count, 1)), self.context)

    def instantiate(self, graph: c_void_p, flags: int = 0) -> c_void_p:
        """An executable graph."""
        return self.handle("cuGraphInstantiateWithFlags", graph, c_uint64(flags))

    def run(self, executable: c_void_p, stream: c_void_p | None = None) -> None:
        """Launches and waits."""
        self.call("cuGraphLaunch", executable, stream)
        self.call("cuStreamSynchronize", stream)

    def words(self, address: int, count: int = 1) -> tuple[int, ...]:
        """32-bit words of device memory."""
        return struct.unpack(f"<{count}I", self.download(address, 4 * count))

    def count(self, name: str, *arguments: object) -> int:
        """What a list query answers for its length."""
        out = c_size_t()
        self.call(name, *arguments, byref(out))
        return out.value


def handles(values: Sequence[c_void_p]) -> ctypes.Array[c_void_p]:
    """An array of handles."""
    return (c_void_p * max(len(values), 1))(*values)


def kernel_params(function: c_void_p, arguments: Sequence[ctypes._SimpleCData[int]], threads: int) -> KernelParams:
    """Parameters of a one-block kernel, with the arguments kept alive."""
    pointers = (c_void_p * len(arguments))(*[ctypes.addressof(each) for each in arguments])
    params = KernelParams(function, (c_uint * 3)(1, 1, 1), (c_uint * 3)(threads, 1, 1), 0, ctypes.addressof(pointers))
    params.keep = (pointers, arguments)
    return params


def alloc_params(size: int) -> ctypes.Array[ctypes.c_char]:
    """CUDA_MEM_ALLOC_NODE_PARAMS for device 0: 88 bytes of pool properties, access, bytes, address."""
    properties = struct.pack("<iiii", 1, 0, 1, 0).ljust(88, b"\0")
    return ctypes.create_string_buffer(properties + struct.pack("<QQQQ", 0, 0, size, 0), 120)


def conditional(driver: Graphs, graph: c_void_p, kind: int, size: int, value: int) -> tuple[c_uint64, list[c_void_p]]:
    """A conditional node: its handle and bodies."""
    handle, node = c_uint64(), c_void_p()
    driver.call("cuGraphConditionalHandleCreate", byref(handle), graph, driver.context, c_uint(value), c_uint(1))
    params = ctypes.create_string_buffer(struct.pack("<i12xQiIQQ", CONDITIONAL, handle.value, kind, size, 0, 0), 256)
    driver.call("cuGraphAddNode_v2", byref(node), graph, None, None, c_size_t(0), params)
    (bodies,) = struct.unpack_from("<32xQ", params)
    return handle, [c_void_p(each) for each in ctypes.cast(bodies, ctypes.POINTER(c_void_p * size))[0]]
