"""Nodes of a graph and the edges between them."""

from __future__ import annotations

from native.spec.model import (
    GRAPH,
    GRAPH_NODE,
    Arg,
    Call,
    CallClass,
    Scope,
    array_in,
    call,
    handle,
    handles_in,
    opaque,
    out,
    value,
)

SYNC = CallClass.SYNC

_GRAPH = handle("hGraph", GRAPH)
_NODE = handle("hNode", GRAPH_NODE)
_BOTH_ENDS = (opaque("from", "CUgraphNode *"), opaque("to", "CUgraphNode *"))
_EDGES = opaque("edgeData", "CUgraphEdgeData *")
_PAIRS = (handles_in("from", GRAPH_NODE, "numDependencies"), handles_in("to", GRAPH_NODE, "numDependencies"))
_COUNT = value("numDependencies", "size_t")


def _list(name: str, since: int, of: Arg, *lists: Arg, count: str) -> Call:
    return call(name, since, SYNC, of, *lists, out(count, "size_t"), scope=Scope.INIT, via="GraphList")


ROWS = (
    _list("cuGraphGetNodes", 10000, _GRAPH, opaque("nodes", "CUgraphNode *"), count="numNodes"),
    _list("cuGraphGetRootNodes", 10000, _GRAPH, opaque("rootNodes", "CUgraphNode *"), count="numRootNodes"),
    _list("cuGraphGetEdges", 10000, _GRAPH, *_BOTH_ENDS, count="numEdges"),
    _list("cuGraphGetEdges_v2", 12030, _GRAPH, *_BOTH_ENDS, _EDGES, count="numEdges"),
    _list("cuGraphNodeGetDependencies", 10000, _NODE, opaque("dependencies", "CUgraphNode *"), count="numDependencies"),
    _list("cuGraphNodeGetDependencies_v2", 12030, _NODE, opaque("dependencies", "CUgraphNode *"), _EDGES, count="numDependencies"),
    _list("cuGraphNodeGetDependentNodes", 10000, _NODE, opaque("dependentNodes", "CUgraphNode *"), count="numDependentNodes"),
    _list("cuGraphNodeGetDependentNodes_v2", 12030, _NODE, opaque("dependentNodes", "CUgraphNode *"), _EDGES, count="numDependentNodes"),
    call("cuGraphAddDependencies", 10000, SYNC, _GRAPH, *_PAIRS, _COUNT, scope=Scope.INIT),
    call(
        "cuGraphAddDependencies_v2",
        12030,
        SYNC,
        _GRAPH,
        *_PAIRS,
        array_in("edgeData", "CUgraphEdgeData", "numDependencies", required=False),
        _COUNT,
        scope=Scope.INIT,
    ),
    call("cuGraphRemoveDependencies", 10000, SYNC, _GRAPH, *_PAIRS, _COUNT, scope=Scope.INIT),
    call(
        "cuGraphRemoveDependencies_v2",
        12030,
        SYNC,
        _GRAPH,
        *_PAIRS,
        array_in("edgeData", "CUgraphEdgeData", "numDependencies", required=False),
        _COUNT,
        scope=Scope.INIT,
    ),
)
