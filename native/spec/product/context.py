"""Contexts: the client counts references, the server holds each primary context once."""

from __future__ import annotations

from native.spec.model import CONTEXT, POOL, CallClass, Run, drop, handle, mint, out, product, value

ASYNC = CallClass.ASYNC
SYNC = CallClass.SYNC

ROWS = (
    product("ContextRetain", ASYNC, mint("context", CONTEXT), value("device", "int"), run=Run.BLOCKING),
    product("ContextRelease", ASYNC, drop("context", CONTEXT), value("device", "int"), value("reset", "int"), run=Run.BLOCKING),
    product("ContextCreate", SYNC, mint("context", CONTEXT), value("flags", "unsigned int"), value("device", "int"), run=Run.BLOCKING),
    product("ContextDestroy", ASYNC, drop("context", CONTEXT), run=Run.BLOCKING),
    product("PoolDefault", ASYNC, mint("pool", POOL), value("device", "int")),
    product("PoolGet", SYNC, handle("pool", POOL), value("attribute", "int"), out("result", "uint64_t")),
    product("PoolSet", SYNC, handle("pool", POOL), value("attribute", "int"), value("setting", "uint64_t")),
)
