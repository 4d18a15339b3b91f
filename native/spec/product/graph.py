"""Graph nodes as descriptions: kind and parameters in one blob, see native/include/bitfusion/graph_wire.h."""

from __future__ import annotations

from native.spec.model import (
    GRAPH,
    GRAPH_EXEC,
    GRAPH_NODE,
    STREAM,
    USER_OBJECT,
    CallClass,
    array_in,
    bytes_in,
    bytes_out,
    handle,
    handles_in,
    mint,
    out,
    product,
    value,
)

ASYNC = CallClass.ASYNC
SYNC = CallClass.SYNC

# `offered` are names for objects of the answer that the client does not know yet.
ROWS = (
    product(
        "GraphNodeAdd",
        SYNC,
        mint("node", GRAPH_NODE),
        handle("graph", GRAPH),
        handles_in("dependencies", GRAPH_NODE, "count"),
        array_in("edges", "CUgraphEdgeData", "count"),
        value("count", "uint64_t"),
        bytes_in("description"),
        bytes_in("offered"),
        bytes_out("reply"),
    ),
    product(
        "GraphNodeSet",
        SYNC,
        handle("exec", GRAPH_EXEC, nullable=True),
        handle("node", GRAPH_NODE),
        bytes_in("description"),
    ),
    product("GraphNodeGet", SYNC, handle("node", GRAPH_NODE), value("kind", "uint32_t"), bytes_in("offered"), bytes_out("reply")),
    product(
        "GraphList",
        SYNC,
        handle("graph", GRAPH, nullable=True),
        handle("node", GRAPH_NODE, nullable=True),
        value("question", "uint32_t"),
        value("room", "uint64_t"),
        bytes_in("offered"),
        bytes_out("reply"),
    ),
    product("GraphUpdate", SYNC, handle("exec", GRAPH_EXEC), handle("graph", GRAPH), out("result", "GraphUpdateResult")),
    product("GraphPicture", SYNC, handle("graph", GRAPH), value("flags", "uint32_t"), value("offset", "uint64_t"), bytes_out("reply")),
    product("GraphMemoryGet", SYNC, value("device", "int"), value("attribute", "int"), out("result", "uint64_t")),
    product("GraphMemorySet", SYNC, value("device", "int"), value("attribute", "int"), value("setting", "uint64_t")),
    product("CaptureInfo", SYNC, handle("stream", STREAM), bytes_in("offered"), bytes_out("reply")),
    product("UserObjectCreate", SYNC, mint("object", USER_OBJECT), value("number", "uint64_t"), value("references", "uint32_t")),
)
