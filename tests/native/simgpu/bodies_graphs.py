"""Graphs node by node. Each function runs in a process of its own on one GPU of 1 GiB."""

from __future__ import annotations

import ctypes
import struct
import tempfile
import threading
from ctypes import byref, c_char_p, c_int, c_size_t, c_uint, c_uint64, c_void_p
from pathlib import Path

from tests.native.simgpu.bodies_streams import Gate
from tests.native.simgpu.driver import HOST_FUNCTION, INVALID_VALUE, NOT_SUPPORTED, OUT_OF_MEMORY
from tests.native.simgpu.graph_calls import (
    MEMSET,
    EdgeData,
    Graphs,
    KernelParams,
    MemcpyParams,
    MemsetParams,
    UpdateInfo,
    alloc_params,
    conditional,
    handles,
    kernel_params,
)

MIB = 1 << 20
LOSSY_QUERY = 402
UPDATE_FAILURE = 910
INVALID_CLUSTER_SIZE = 912


def kernels_with_changing_parameters() -> None:
    """A kernel node runs with what it was given, what it was changed to, and what its executable form was changed to."""
    driver = Graphs()
    memory, store, graph = driver.allocate(16), driver.kernel(b"store"), driver.graph()

    def params(offset: int, value: int) -> KernelParams:
        return kernel_params(store, [c_uint64(memory + offset), c_uint(value)], 1)

    node = driver.add("KernelNode_v2", graph, [], byref(params(0, 5)))
    driver.run(driver.instantiate(graph))
    driver.call("cuGraphKernelNodeSetParams_v2", node, byref(params(4, 6)))
    executable = driver.instantiate(graph)
    driver.run(executable)
    driver.call("cuGraphExecKernelNodeSetParams_v2", executable, node, byref(params(8, 7)))
    driver.run(executable)
    asked = KernelParams()
    driver.call("cuGraphKernelNodeGetParams_v2", node, byref(asked))
    pointers = ctypes.cast(asked.params, ctypes.POINTER(c_void_p))

    assert driver.words(memory, 3) == (5, 6, 7)
    assert (asked.func, list(asked.block)) == (store.value, [1, 1, 1])
    assert ctypes.cast(pointers[1], ctypes.POINTER(c_uint))[0] == 6
    assert driver.error("cuGraphMemsetNodeGetParams", node, byref(MemsetParams())) == INVALID_VALUE


def all_kinds_of_work() -> None:
    """Copies, fills, host functions, events, values in memory, children and empty nodes run in the order of their dependencies."""
    driver = Graphs()
    memory, event, graph, child = driver.allocate(32), driver.handle("cuEventCreate", c_uint(2)), driver.graph(), driver.graph()
    seen: list[tuple[int, ...]] = []
    look = HOST_FUNCTION(lambda _: seen.append(struct.unpack("<4I", ctypes.string_at(memory, 16))))
    source = (c_uint * 2)(11, 12)
    copy = MemcpyParams(src_type=1, src_host=ctypes.addressof(source), dst_type=2, dst_device=memory, width=8, height=1, depth=1)
    write = struct.pack("<iiQQI4xQ8x", 2, 0, memory + 8, 13, 0, 0).ljust(48, b"\0")
    operations = ctypes.create_string_buffer(write, 48)
    batch = struct.pack("<QI4xQI4x", 0, 1, ctypes.addressof(operations), 0)
    driver.fill(child, memory + 12, 14)

    first = driver.add("MemcpyNode", graph, [], byref(copy), driver.context)
    second = driver.add("BatchMemOpNode", graph, [first], batch)
    third = driver.add("ChildGraphNode", graph, [second], child)
    join = driver.add("EmptyNode", graph, [third])
    record = driver.add("EventRecordNode", graph, [join], event)
    driver.add("EventWaitNode", graph, [join], event)
    host = struct.pack("PP", ctypes.cast(look, c_void_p).value, 0)
    driver.add("HostNode", graph, [record], host)
    driver.run(driver.instantiate(graph))

    assert seen == [(11, 12, 13, 14)]
    assert driver.error("cuEventQuery", event) == 0
    found = c_void_p()
    driver.call("cuGraphEventRecordNodeGetEvent", record, byref(found))
    assert found.value == event.value
    asked = MemcpyParams()
    driver.call("cuGraphMemcpyNodeGetParams", first, byref(asked))
    assert (asked.dst_device, asked.width) == (memory, 8)


def generic_nodes() -> None:
    """cuGraphAddNode takes every kind's parameters, and cuGraphNodeGetParams answers them."""
    driver = Graphs()
    memory, graph = driver.allocate(8), driver.graph()
    params = ctypes.create_string_buffer(struct.pack("<i12xQQIIQQQ", MEMSET, memory, 0, 21, 4, 2, 1, 0), 256)
    node = c_void_p()
    driver.call("cuGraphAddNode_v2", byref(node), graph, None, None, c_size_t(0), params)
    driver.run(driver.instantiate(graph))
    asked = ctypes.create_string_buffer(256)
    driver.call("cuGraphNodeGetParams", node, asked)

    assert driver.words(memory, 2) == (21, 21)
    assert struct.unpack_from("<i12xQQII", asked) == (MEMSET, memory, 0, 21, 4)
    bad = ctypes.create_string_buffer(struct.pack("<i", 99), 256)
    assert driver.error("cuGraphAddNode_v2", byref(node), graph, None, None, c_size_t(0), bad) == NOT_SUPPORTED


def edges_and_clones() -> None:
    """Edges are listed, counted, refused twice; data on them forbids the old queries; a clone has twins of all nodes."""
    driver = Graphs()
    graph = driver.graph()
    first, second, third = (driver.add("EmptyNode", graph, []) for _ in range(3))
    driver.call("cuGraphAddDependencies", graph, handles([first]), handles([second]), c_size_t(1))
    assert driver.error("cuGraphAddDependencies", graph, handles([first]), handles([second]), c_size_t(1)) == INVALID_VALUE
    assert driver.count("cuGraphGetEdges", graph, None, None) == 1
    data = EdgeData(from_port=1, type=1)
    driver.call("cuGraphAddDependencies_v2", graph, handles([second]), handles([third]), byref(data), c_size_t(1))
    out, size = (c_void_p * 4)(), c_size_t(4)
    assert driver.error("cuGraphNodeGetDependencies", third, out, byref(size)) == LOSSY_QUERY
    back = (EdgeData * 4)()
    driver.call("cuGraphNodeGetDependencies_v2", third, out, back, byref(size))
    assert (size.value, out[0], out[1], back[0].from_port) == (1, second.value, None, 1)
    assert driver.count("cuGraphGetRootNodes", graph, None) == 1

    clone = driver.handle("cuGraphClone", graph)
    twin = driver.handle("cuGraphNodeFindInClone", third, clone)
    assert twin.value != third.value
    assert driver.count("cuGraphGetEdges_v2", clone, None, None, None) == 2
    driver.call("cuGraphDestroyNode", twin)
    assert driver.count("cuGraphGetNodes", clone, None) == 2
    assert driver.count("cuGraphGetNodes", graph, None) == 3


def cycles_are_found() -> None:
    """A graph that depends on itself cannot be instantiated."""
    driver = Graphs()
    graph = driver.graph()
    first, second = (driver.add("EmptyNode", graph, []) for _ in range(2))
    driver.call("cuGraphAddDependencies", graph, handles([first, second]), handles([second, first]), c_size_t(2))
    params = ctypes.create_string_buffer(32)
    assert driver.error("cuGraphInstantiateWithParams", byref(c_void_p()), graph, params) == INVALID_VALUE
    assert struct.unpack_from("<24xi", params) == (2,)


def updates_keep_the_shape() -> None:
    """An update takes new parameters, names what has changed its kind or edges, and leaves earlier launches alone."""
    driver = Graphs()
    memory, stream, graph = driver.allocate(8), driver.handle("cuStreamCreate", c_uint(1)), driver.graph()
    driver.fill(graph, memory, 1)
    executable, other, info = driver.instantiate(graph), driver.graph(), UpdateInfo()
    driver.fill(other, memory + 4, 2)
    gate = Gate(driver, stream)
    driver.call("cuGraphLaunch", executable, stream)
    driver.call("cuGraphExecUpdate_v2", executable, other, byref(info))
    gate.open()
    driver.run(executable, stream)
    assert driver.words(memory, 2) == (1, 2)

    kinds, shape = driver.graph(), driver.graph()
    node = driver.add("EmptyNode", kinds, [])
    assert driver.error("cuGraphExecUpdate_v2", executable, kinds, byref(info)) == UPDATE_FAILURE
    assert (info.result, info.node) == (3, node.value)
    driver.fill(shape, memory, 1, [driver.fill(shape, memory, 1)])
    assert driver.error("cuGraphExecUpdate_v2", executable, shape, byref(info)) == UPDATE_FAILURE
    assert info.result == 2


def nodes_can_be_switched_off() -> None:
    """A disabled node does nothing; kinds that cannot be disabled are refused."""
    driver = Graphs()
    memory, graph = driver.allocate(4), driver.graph()
    node, empty = driver.fill(graph, memory, 3), driver.add("EmptyNode", graph, [])
    executable = driver.instantiate(graph)
    driver.call("cuMemsetD32_v2", c_uint64(memory), c_uint(9), c_size_t(1))
    driver.call("cuGraphNodeSetEnabled", executable, node, c_uint(0))
    driver.run(executable)
    assert driver.words(memory) == (9,)
    enabled = c_uint(7)
    driver.call("cuGraphNodeGetEnabled", executable, node, byref(enabled))
    assert enabled.value == 0
    driver.call("cuGraphNodeSetEnabled", executable, node, c_uint(1))
    driver.run(executable)
    assert driver.words(memory) == (3,)
    assert driver.error("cuGraphNodeSetEnabled", executable, empty, c_uint(0)) == INVALID_VALUE


def child_graphs_are_changed_as_a_whole() -> None:
    """The executable form of a child takes another graph of its shape."""
    driver = Graphs()
    memory, graph, child, other = driver.allocate(8), driver.graph(), driver.graph(), driver.graph()
    inner = driver.fill(child, memory, 1)
    driver.fill(other, memory + 4, 2)
    node = driver.add("ChildGraphNode", graph, [], child)
    executable = driver.instantiate(graph)
    driver.run(executable)
    driver.call("cuGraphExecChildGraphNodeSetParams", executable, node, other)
    driver.run(executable)
    assert driver.words(memory, 2) == (1, 2)
    embedded = c_void_p()
    driver.call("cuGraphChildGraphNodeGetGraph", node, byref(embedded))
    assert driver.error("cuGraphDestroy", embedded) == INVALID_VALUE
    assert driver.handle("cuGraphNodeFindInClone", inner, embedded).value


def memory_of_graphs() -> None:
    """Memory allocated by a node is there between its node and its free, counted, and not allocated twice."""
    driver = Graphs()
    graph, params, free_before = driver.graph(), alloc_params(64 * MIB), driver.memory_info()[0]
    node = driver.add("MemAllocNode", graph, [], params)
    (address,) = struct.unpack_from("<Q", params, 112)
    driver.fill(graph, address, 77, [node], 4)
    assert driver.memory_info()[0] == free_before
    executable = driver.instantiate(graph)
    assert driver.error("cuGraphInstantiateWithFlags", byref(c_void_p()), graph, c_uint64(0)) == NOT_SUPPORTED
    assert driver.error("cuGraphClone", byref(c_void_p()), graph) == NOT_SUPPORTED
    driver.run(executable)

    assert driver.words(address, 4) == (77,) * 4
    assert driver.memory_info()[0] == free_before - 64 * MIB
    assert driver.error("cuGraphLaunch", executable, None) == INVALID_VALUE
    used = c_uint64()
    driver.call("cuDeviceGetGraphMemAttribute", c_int(0), c_int(0), byref(used))
    assert used.value == 64 * MIB
    driver.call("cuMemFree_v2", c_uint64(address))
    assert driver.error("cuMemFree_v2", c_uint64(address)) == INVALID_VALUE
    driver.call("cuDeviceGraphMemTrim", c_int(0))
    assert driver.memory_info()[0] == free_before
    driver.run(executable)
    driver.call("cuMemFreeAsync", c_uint64(address), None)
    driver.call("cuCtxSynchronize")


def memory_freed_in_its_graph() -> None:
    """With a free node a graph can be launched again and again; more than there is, is out of memory at the launch."""
    driver = Graphs()
    graph, params, out = driver.graph(), alloc_params(MIB), driver.allocate(4)
    node = driver.add("MemAllocNode", graph, [], params)
    (address,) = struct.unpack_from("<Q", params, 112)
    fill = driver.fill(graph, address, 5, [node])
    copy = MemcpyParams(src_type=2, src_device=address, dst_type=2, dst_device=out, width=4, height=1, depth=1)
    copied = driver.add("MemcpyNode", graph, [fill], byref(copy), driver.context)
    driver.add("MemFreeNode", graph, [copied], c_uint64(address))
    assert driver.error("cuGraphAddMemFreeNode", byref(c_void_p()), graph, None, c_size_t(0), c_uint64(address)) == INVALID_VALUE
    executable = driver.instantiate(graph)
    for _ in range(3):
        driver.run(executable)
    assert driver.words(out) == (5,)

    large = driver.graph()
    driver.add("MemAllocNode", large, [], alloc_params(2 << 30))
    assert driver.error("cuGraphLaunch", driver.instantiate(large), None) == OUT_OF_MEMORY


def captured_allocations() -> None:
    """cuMemAllocAsync and cuMemFreeAsync in a capture become nodes; with the auto-free flag a graph may leave memory live."""
    driver = Graphs()
    stream, address, graph = driver.handle("cuStreamCreate", c_uint(1)), c_uint64(), c_void_p()
    driver.call("cuStreamBeginCapture_v2", stream, c_uint(0))
    driver.call("cuMemAllocAsync", byref(address), c_size_t(MIB), stream)
    driver.call("cuMemsetD32Async", address, c_uint(8), c_size_t(4), stream)
    driver.call("cuStreamEndCapture", stream, byref(graph))
    assert driver.count("cuGraphGetNodes", graph, None) == 2
    executable = driver.instantiate(graph, 1)
    driver.run(executable, stream)
    driver.run(executable, stream)
    assert driver.words(address.value, 4) == (8,) * 4


LOOP = b"""
.version 8.0
.target sm_75
.address_size 64
.extern .func cudaGraphSetConditional(.param .b64 handle, .param .b32 value);
.visible .entry count_down(.param .u64 handle, .param .u64 counter)
{
    .reg .b32 %r<4>; .reg .b64 %rd<4>;
    ld.param.u64 %rd1, [handle]; ld.param.u64 %rd2, [counter];
    ld.global.u32 %r1, [%rd2]; sub.u32 %r2, %r1, 1; st.global.u32 [%rd2], %r2;
    { .param .b64 a; .param .b32 b; st.param.b64 [a], %rd1; st.param.b32 [b], %r2; call.uni cudaGraphSetConditional, (a, b); }
    ret;
}
\0"""


def while_loops() -> None:
    """A body runs until its kernel says so; the next launch begins with the default value again."""
    driver = Graphs()
    counter, graph = driver.allocate(4), driver.graph()
    module = driver.handle("cuModuleLoadData", LOOP)
    kernel = driver.handle("cuModuleGetFunction", module, c_char_p(b"count_down"))
    handle, (body,) = conditional(driver, graph, 1, 1, 1)
    driver.add("KernelNode_v2", body, [], byref(kernel_params(kernel, [handle, c_uint64(counter)], 1)))
    executable = driver.instantiate(graph)
    for start in (5, 3):
        driver.call("cuMemsetD32_v2", c_uint64(counter), c_uint(start), c_size_t(1))
        driver.run(executable)
        assert driver.words(counter) == (0,)


def branches() -> None:
    """if, else and switch run the body that the value names, or none."""
    driver = Graphs()
    memory = driver.allocate(16)
    for kind, size, value, expected in ((0, 2, 1, 100), (0, 2, 0, 101), (0, 1, 0, 9), (2, 3, 2, 102), (2, 3, 3, 9)):
        graph = driver.graph()
        _, bodies = conditional(driver, graph, kind, size, value)
        for index, body in enumerate(bodies):
            driver.fill(body, memory, 100 + index)
        driver.call("cuMemsetD32_v2", c_uint64(memory), c_uint(9), c_size_t(1))
        driver.run(driver.instantiate(graph))
        assert driver.words(memory) == (expected,), (kind, size, value)
    unused = driver.graph()
    driver.call("cuGraphConditionalHandleCreate", byref(c_uint64()), unused, driver.context, c_uint(0), c_uint(0))
    assert driver.error("cuGraphInstantiateWithFlags", byref(c_void_p()), unused, c_uint64(0)) == INVALID_VALUE


def user_objects_live_as_long_as_needed() -> None:
    """The destructor runs when the last of graph and executable graph has gone, and not before."""
    driver = Graphs()
    gone = threading.Event()
    destroy = HOST_FUNCTION(lambda _: gone.set())
    graph = driver.graph()
    driver.add("EmptyNode", graph, [])
    thing = driver.handle("cuUserObjectCreate", None, destroy, c_uint(1), c_uint(1))
    driver.call("cuGraphRetainUserObject", graph, thing, c_uint(1), c_uint(1))
    executable = driver.instantiate(graph)
    driver.call("cuGraphDestroy", graph)
    assert not gone.is_set()
    driver.run(executable)
    driver.call("cuGraphExecDestroy", executable)
    assert gone.wait(10)
    assert driver.error("cuUserObjectRelease", thing, c_uint(1)) == INVALID_VALUE


def pictures() -> None:
    """The debug picture names every node and edge."""
    driver = Graphs()
    graph, memory = driver.graph(), driver.allocate(4)
    first = driver.fill(graph, memory, 1)
    driver.add("EmptyNode", graph, [first])
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "graph.dot"
        driver.call("cuGraphDebugDotPrint", graph, str(path).encode(), c_uint(1))
        text = path.read_text(encoding="ascii")
    assert text.startswith("digraph")
    assert text.count("->") == 1
    assert "MEMSET" in text
    assert "EMPTY" in text


def attributes_of_kernel_nodes() -> None:
    """Attributes are kept and copied; a cluster that does not divide the grid is refused and changes nothing."""
    driver = Graphs()
    memory, store, graph = driver.allocate(4), driver.kernel(b"store"), driver.graph()
    params = kernel_params(store, [c_uint64(memory), c_uint(3)], 1)
    first, second = (driver.add("KernelNode_v2", graph, [], byref(params)) for _ in range(2))
    priority = ctypes.create_string_buffer(struct.pack("<i", -2), 64)
    cluster = ctypes.create_string_buffer(struct.pack("<3I", 2, 1, 1), 64)
    driver.call("cuGraphKernelNodeSetAttribute", first, c_int(8), priority)
    driver.call("cuGraphKernelNodeCopyAttributes", second, first)
    asked = ctypes.create_string_buffer(64)
    driver.call("cuGraphKernelNodeGetAttribute", second, c_int(8), asked)
    assert asked.raw == priority.raw
    assert driver.error("cuGraphKernelNodeSetAttribute", first, c_int(4), cluster) == INVALID_CLUSTER_SIZE
    driver.run(driver.instantiate(graph))
    assert driver.words(memory) == (3,)


def stale_handles_are_refused() -> None:
    """Handles of what has been destroyed, and null ones, are invalid values."""
    driver = Graphs()
    graph = driver.graph()
    node = driver.add("EmptyNode", graph, [])
    executable = driver.instantiate(graph)
    driver.call("cuGraphDestroy", graph)
    assert driver.error("cuGraphGetNodes", graph, None, byref(c_size_t())) == INVALID_VALUE
    assert driver.error("cuGraphNodeGetType", node, byref(c_int())) == INVALID_VALUE
    driver.run(executable)
    driver.call("cuGraphExecDestroy", executable)
    assert driver.error("cuGraphLaunch", executable, None) == INVALID_VALUE
    assert driver.error("cuGraphLaunch", None, None) == INVALID_VALUE
