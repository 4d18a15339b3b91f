"""Graph nodes: added, asked for their parameters, changed in a graph or in its executable form.

Kernel, copy, host and other nodes hold functions, addresses and handles, so all of them travel as one description (native/spec/product/graph.py)
that the client writes by hand.
"""

from __future__ import annotations

from native.spec.model import (
    CONTEXT,
    EVENT,
    GRAPH,
    GRAPH_EXEC,
    GRAPH_NODE,
    Arg,
    Call,
    CallClass,
    Hand,
    Scope,
    call,
    device_pointer,
    drop,
    found,
    handle,
    opaque,
    out,
    refused,
    struct_in,
    value,
)

SYNC = CallClass.SYNC

_SEMAPHORES = "semaphores of other interfaces live on this machine, the graph on the server"

_NODE = handle("hNode", GRAPH_NODE)
_EXEC = handle("hGraphExec", GRAPH_EXEC)
_ADDED = (
    opaque("phGraphNode", "CUgraphNode *"),
    handle("hGraph", GRAPH),
    opaque("dependencies", "const CUgraphNode *"),
)
_COUNT = value("numDependencies", "size_t")


def _add(name: str, since: int, *params: Arg) -> Call:
    return call(name, since, SYNC, *_ADDED, _COUNT, *params, scope=Scope.INIT, via="GraphNodeAdd")


def _get(name: str, since: int, *params: Arg) -> Call:
    return call(name, since, SYNC, _NODE, *params, scope=Scope.INIT, via="GraphNodeGet")


def _set(name: str, since: int, *params: Arg, in_exec: bool = False) -> Call:
    return call(name, since, SYNC, *((_EXEC, _NODE) if in_exec else (_NODE,)), *params, scope=Scope.INIT, via="GraphNodeSet")


def _node_set(what: str, version: str, since: tuple[int, int, int, int], params: str, out_name: str = "nodeParams") -> tuple[Call, ...]:
    """Add, get, set and set-in-executable of a kind whose parameters are one structure."""
    given = struct_in("nodeParams", params)
    return (
        _add(f"cuGraphAdd{what}Node{version}", since[0], given),
        _get(f"cuGraph{what}NodeGetParams{version}", since[1], out(out_name, params)),
        _set(f"cuGraph{what}NodeSetParams{version}", since[2], given),
        _set(f"cuGraphExec{what}NodeSetParams{version}", since[3], given, in_exec=True),
    )


def _semaphores(what: str) -> tuple[Call, ...]:
    params = f"CUDA_EXT_SEM_{what.upper()}_NODE_PARAMS"
    given = opaque("nodeParams", f"const {params} *")
    name = f"ExternalSemaphores{what}Node"
    return (
        refused(f"cuGraphAdd{name}", 11020, _SEMAPHORES, *_ADDED, _COUNT, given),
        refused(f"cuGraph{name}GetParams", 11020, _SEMAPHORES, _NODE, out("params_out", params)),
        refused(f"cuGraph{name}SetParams", 11020, _SEMAPHORES, _NODE, given),
        refused(f"cuGraphExec{name}SetParams", 11020, _SEMAPHORES, _EXEC, _NODE, given),
    )


def _event(what: str) -> tuple[Call, ...]:
    event = handle("event", EVENT)
    return (
        _add(f"cuGraphAddEvent{what}Node", 11010, event),
        call(f"cuGraphEvent{what}NodeGetEvent", 11010, SYNC, _NODE, found("event_out", EVENT), scope=Scope.INIT),
        _set(f"cuGraphEvent{what}NodeSetEvent", 11010, event),
        _set(f"cuGraphExecEvent{what}NodeSetEvent", 11010, event, in_exec=True),
    )


_ANY = opaque("nodeParams", "CUgraphNodeParams *")
_CONTEXT = handle("ctx", CONTEXT, nullable=True)
_COPY = struct_in("copyParams", "CUDA_MEMCPY3D")
_FILL = struct_in("memsetParams", "CUDA_MEMSET_NODE_PARAMS")

ROWS = (
    *_node_set("Kernel", "", (10000, 10000, 10000, 10010), "CUDA_KERNEL_NODE_PARAMS_v1"),
    *_node_set("Kernel", "_v2", (12000, 12000, 12000, 12000), "CUDA_KERNEL_NODE_PARAMS"),
    call(
        "cuGraphKernelNodeCopyAttributes",
        11000,
        SYNC,
        handle("dst", GRAPH_NODE),
        handle("src", GRAPH_NODE),
        scope=Scope.INIT,
    ),
    call(
        "cuGraphKernelNodeGetAttribute",
        11000,
        SYNC,
        _NODE,
        value("attr", "CUkernelNodeAttrID"),
        out("value_out", "CUkernelNodeAttrValue"),
        scope=Scope.INIT,
    ),
    call(
        "cuGraphKernelNodeSetAttribute",
        11000,
        SYNC,
        _NODE,
        value("attr", "CUkernelNodeAttrID"),
        struct_in("value", "CUkernelNodeAttrValue"),
        scope=Scope.INIT,
        hand=Hand.WORKER,
    ),
    _add("cuGraphAddMemcpyNode", 10000, _COPY, _CONTEXT),
    _get("cuGraphMemcpyNodeGetParams", 10000, out("nodeParams", "CUDA_MEMCPY3D")),
    _set("cuGraphMemcpyNodeSetParams", 10000, struct_in("nodeParams", "CUDA_MEMCPY3D")),
    _set("cuGraphExecMemcpyNodeSetParams", 10020, _COPY, _CONTEXT, in_exec=True),
    _add("cuGraphAddMemsetNode", 10000, _FILL, _CONTEXT),
    _get("cuGraphMemsetNodeGetParams", 10000, out("nodeParams", "CUDA_MEMSET_NODE_PARAMS")),
    _set("cuGraphMemsetNodeSetParams", 10000, struct_in("nodeParams", "CUDA_MEMSET_NODE_PARAMS")),
    _set("cuGraphExecMemsetNodeSetParams", 10020, _FILL, _CONTEXT, in_exec=True),
    *_node_set("Host", "", (10000, 10000, 10000, 10020), "CUDA_HOST_NODE_PARAMS"),
    _add("cuGraphAddChildGraphNode", 10000, handle("childGraph", GRAPH)),
    call("cuGraphChildGraphNodeGetGraph", 10000, SYNC, _NODE, found("phGraph", GRAPH, owner="hNode"), scope=Scope.INIT),
    _set("cuGraphExecChildGraphNodeSetParams", 11010, handle("childGraph", GRAPH), in_exec=True),
    _add("cuGraphAddEmptyNode", 10000),
    *_event("Record"),
    *_event("Wait"),
    *_semaphores("Signal"),
    *_semaphores("Wait"),
    _add("cuGraphAddBatchMemOpNode", 11070, struct_in("nodeParams", "CUDA_BATCH_MEM_OP_NODE_PARAMS")),
    _get("cuGraphBatchMemOpNodeGetParams", 11070, out("nodeParams_out", "CUDA_BATCH_MEM_OP_NODE_PARAMS")),
    _set("cuGraphBatchMemOpNodeSetParams", 11070, struct_in("nodeParams", "CUDA_BATCH_MEM_OP_NODE_PARAMS")),
    _set("cuGraphExecBatchMemOpNodeSetParams", 11070, struct_in("nodeParams", "CUDA_BATCH_MEM_OP_NODE_PARAMS"), in_exec=True),
    _add("cuGraphAddMemAllocNode", 11040, out("nodeParams", "CUDA_MEM_ALLOC_NODE_PARAMS")),
    _get("cuGraphMemAllocNodeGetParams", 11040, out("params_out", "CUDA_MEM_ALLOC_NODE_PARAMS")),
    _add("cuGraphAddMemFreeNode", 11040, device_pointer("dptr")),
    call("cuGraphMemFreeNodeGetParams", 11040, SYNC, _NODE, out("dptr_out", "CUdeviceptr"), scope=Scope.INIT),
    _add("cuGraphAddNode", 12020, _ANY),
    call(
        "cuGraphAddNode_v2",
        12030,
        SYNC,
        *_ADDED,
        opaque("dependencyData", "const CUgraphEdgeData *"),
        _COUNT,
        _ANY,
        scope=Scope.INIT,
        via="GraphNodeAdd",
    ),
    call(
        "cuGraphAddNode_v3",
        13040,
        SYNC,
        *_ADDED,
        opaque("dependencyData", "const CUgraphEdgeData *"),
        _COUNT,
        _ANY,
        scope=Scope.INIT,
        via="GraphNodeAdd",
    ),
    _set("cuGraphNodeSetParams", 12020, _ANY),
    _set("cuGraphNodeSetParams_v2", 13040, _ANY),
    _get("cuGraphNodeGetParams", 13020, _ANY),
    _set("cuGraphExecNodeSetParams", 12020, _ANY, in_exec=True),
    call("cuGraphNodeGetType", 10000, SYNC, _NODE, out("type", "CUgraphNodeType"), scope=Scope.INIT, hand=Hand.WORKER),
    call("cuGraphNodeGetContainingGraph", 13010, SYNC, _NODE, found("phGraph", GRAPH), scope=Scope.INIT),
    call("cuGraphNodeGetLocalId", 13010, SYNC, _NODE, out("nodeId", "unsigned int"), scope=Scope.INIT),
    call("cuGraphNodeGetToolsId", 13010, SYNC, _NODE, out("toolsNodeId", "unsigned long long"), scope=Scope.INIT),
    call("cuGraphDestroyNode", 10000, SYNC, drop("hNode", GRAPH_NODE), scope=Scope.INIT),
    call("cuGraphNodeSetEnabled", 11060, SYNC, _EXEC, _NODE, value("isEnabled", "unsigned int"), scope=Scope.INIT),
    call("cuGraphNodeGetEnabled", 11060, SYNC, _EXEC, _NODE, out("isEnabled", "unsigned int"), scope=Scope.INIT),
)
