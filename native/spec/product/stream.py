"""Work on streams that the header's calls cannot express between two machines."""

from __future__ import annotations

from native.spec.model import GRAPH, STREAM, CallClass, Run, handle, out, product, value

ASYNC = CallClass.ASYNC
SYNC = CallClass.SYNC

ROWS = (
    product("Copy3D", ASYNC, handle("stream", STREAM), value("box", "CopyBox"), run=Run.WORK),
    product("HostFunction", ASYNC, handle("stream", STREAM), value("number", "uint64_t"), value("with_status", "uint32_t"), run=Run.WORK),
    product("GraphNodeCount", SYNC, handle("graph", GRAPH), out("count", "uint64_t")),
)
