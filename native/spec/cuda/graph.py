"""Graphs as a whole: made, copied, instantiated, launched, updated."""

from __future__ import annotations

from native.spec.model import (
    CONTEXT,
    GRAPH,
    GRAPH_EXEC,
    GRAPH_NODE,
    STREAM,
    CallClass,
    Hand,
    Run,
    Scope,
    call,
    drop,
    found,
    handle,
    inout,
    mint,
    opaque,
    out,
    path,
    value,
)

ASYNC = CallClass.ASYNC
SYNC = CallClass.SYNC

_ERROR_NODE = opaque("phErrorNode", "CUgraphNode *")
_LOG = (opaque("logBuffer", "char *"), value("bufferSize", "size_t"))
_EXEC_OUT = opaque("phGraphExec", "CUgraphExec *")

ROWS = (
    call("cuGraphCreate", 10000, SYNC, mint("phGraph", GRAPH), value("flags", "unsigned int"), scope=Scope.INIT),
    call("cuGraphClone", 10000, SYNC, mint("phGraphClone", GRAPH), handle("originalGraph", GRAPH), scope=Scope.INIT),
    call("cuGraphDestroy", 10000, ASYNC, drop("hGraph", GRAPH), scope=Scope.INIT, run=Run.BLOCKING),
    call("cuGraphGetId", 13010, SYNC, handle("hGraph", GRAPH), out("graphId", "unsigned int"), scope=Scope.INIT),
    call(
        "cuGraphDebugDotPrint",
        11030,
        SYNC,
        handle("hGraph", GRAPH),
        path("path"),
        value("flags", "unsigned int"),
        scope=Scope.INIT,
        via="GraphPicture",
    ),
    call(
        "cuGraphNodeFindInClone",
        10000,
        SYNC,
        found("phNode", GRAPH_NODE, owner="hClonedGraph"),
        handle("hOriginalNode", GRAPH_NODE),
        handle("hClonedGraph", GRAPH),
        scope=Scope.INIT,
    ),
    call(
        "cuGraphConditionalHandleCreate",
        12030,
        SYNC,
        out("pHandle_out", "CUgraphConditionalHandle"),
        handle("hGraph", GRAPH),
        handle("ctx", CONTEXT, nullable=True),
        value("defaultLaunchValue", "unsigned int"),
        value("flags", "unsigned int"),
        scope=Scope.INIT,
    ),
    call(
        "cuGraphInstantiateWithFlags",
        11040,
        SYNC,
        mint("phGraphExec", GRAPH_EXEC),
        handle("hGraph", GRAPH),
        value("flags", "unsigned long long"),
        hand=Hand.WORKER,
        run=Run.BLOCKING,
    ),
    call("cuGraphInstantiate", 10000, SYNC, _EXEC_OUT, handle("hGraph", GRAPH), _ERROR_NODE, *_LOG, via="cuGraphInstantiateWithFlags"),
    call("cuGraphInstantiate_v2", 11000, SYNC, _EXEC_OUT, handle("hGraph", GRAPH), _ERROR_NODE, *_LOG, via="cuGraphInstantiateWithFlags"),
    call(
        "cuGraphInstantiateWithParams",
        12000,
        SYNC,
        _EXEC_OUT,
        handle("hGraph", GRAPH),
        inout("instantiateParams", "CUDA_GRAPH_INSTANTIATE_PARAMS"),
        via="cuGraphInstantiateWithFlags",
        per_thread="ptsz@12000",
    ),
    call("cuGraphExecGetId", 13010, SYNC, handle("hGraphExec", GRAPH_EXEC), out("graphId", "unsigned int"), scope=Scope.INIT),
    call("cuGraphExecGetFlags", 12000, SYNC, handle("hGraphExec", GRAPH_EXEC), out("flags", "cuuint64_t"), scope=Scope.INIT),
    call(
        "cuGraphExecUpdate",
        10020,
        SYNC,
        handle("hGraphExec", GRAPH_EXEC),
        handle("hGraph", GRAPH),
        opaque("hErrorNode_out", "CUgraphNode *"),
        out("updateResult_out", "CUgraphExecUpdateResult"),
        scope=Scope.INIT,
        via="GraphUpdate",
    ),
    call(
        "cuGraphExecUpdate_v2",
        12000,
        SYNC,
        handle("hGraphExec", GRAPH_EXEC),
        handle("hGraph", GRAPH),
        out("resultInfo", "CUgraphExecUpdateResultInfo"),
        scope=Scope.INIT,
        via="GraphUpdate",
    ),
    call("cuGraphUpload", 11010, ASYNC, handle("hGraph", GRAPH_EXEC), handle("hStream", STREAM), run=Run.WORK, per_thread="ptsz@11010"),
    call("cuGraphLaunch", 10000, ASYNC, handle("hGraph", GRAPH_EXEC), handle("hStream", STREAM), run=Run.WORK, per_thread="ptsz@10000"),
    call("cuGraphExecDestroy", 10000, ASYNC, drop("hGraphExec", GRAPH_EXEC), scope=Scope.INIT, hand=Hand.WORKER, run=Run.BLOCKING),
)
