"""Contexts: the client counts references, the server holds each primary context once."""

from __future__ import annotations

from native.spec.model import (
    CONTEXT,
    GREEN_CONTEXT,
    POOL,
    CallClass,
    Run,
    array_in,
    array_out,
    bytes_out,
    drop,
    handle,
    mint,
    out,
    product,
    struct_in,
    value,
)

ASYNC = CallClass.ASYNC
SYNC = CallClass.SYNC

ROWS = (
    product("ContextRetain", ASYNC, mint("context", CONTEXT), value("device", "int"), run=Run.BLOCKING),
    product("ContextRelease", ASYNC, drop("context", CONTEXT), value("device", "int"), value("reset", "int"), run=Run.BLOCKING),
    product("ContextCreate", SYNC, mint("context", CONTEXT), value("flags", "unsigned int"), value("device", "int"), run=Run.BLOCKING),
    product("ContextDestroy", ASYNC, drop("context", CONTEXT), run=Run.BLOCKING),
    product("GreenContext", SYNC, mint("context", CONTEXT), handle("green", GREEN_CONTEXT), out("device", "int")),
    product(
        "SmResourceSplit",
        SYNC,
        array_out("result", "CUdevResource", "count", nullable=True),
        value("count", "uint32_t"),
        struct_in("input", "CUdevResource"),
        out("remainder", "CUdevResource"),
        value("flags", "uint32_t"),
        array_in("wanted", "CU_DEV_SM_RESOURCE_GROUP_PARAMS", "count"),
        array_out("groups", "CU_DEV_SM_RESOURCE_GROUP_PARAMS", "count"),
    ),
    product("LogsDump", SYNC, value("iterator", "uint32_t"), value("room", "uint64_t"), value("flags", "uint32_t"), bytes_out("reply")),
    product("PoolDefault", ASYNC, mint("pool", POOL), value("device", "int")),
    product("PoolGet", SYNC, handle("pool", POOL), value("attribute", "int"), out("result", "uint64_t")),
    product("PoolSet", SYNC, handle("pool", POOL), value("attribute", "int"), value("setting", "uint64_t")),
)
