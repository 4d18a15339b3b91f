"""Work on streams that the header's calls cannot express between two machines."""

from __future__ import annotations

from native.spec.model import STREAM, CallClass, Run, handle, product, value

ASYNC = CallClass.ASYNC

ROWS = (
    product("Copy3D", ASYNC, handle("stream", STREAM), value("box", "CopyBox"), run=Run.WORK),
    product("HostFunction", ASYNC, handle("stream", STREAM), value("number", "uint64_t"), value("with_status", "uint32_t"), run=Run.WORK),
)
