"""Modules, libraries, kernels and their launches."""

from __future__ import annotations

from native.spec.model import LIBRARY, STREAM, CallClass, Run, bulk, bytes_in, bytes_out, drop, handle, mint, out, product, text_in, value

ASYNC = CallClass.ASYNC
SYNC = CallClass.SYNC

# A module of the driver and a library are both a "library" here: a set of kernels with a name, loaded once from an image.
ROWS = (
    product(
        "ModuleLoad",
        SYNC,
        mint("library", LIBRARY),
        value("request", "LoadRequest"),
        bytes_in("options"),
        bulk("image"),
        bytes_out("reply"),
        run=Run.BLOCKING,
    ),
    product("ModuleKernels", SYNC, handle("library", LIBRARY), value("first", "uint32_t"), bytes_out("reply"), run=Run.BLOCKING),
    product("ModuleUnload", ASYNC, drop("library", LIBRARY), run=Run.BLOCKING, after_work=True),
    product("ModuleGlobal", SYNC, handle("library", LIBRARY), text_in("name"), out("address", "uint64_t"), out("size", "uint64_t")),
    product("FunctionFind", SYNC, handle("library", LIBRARY), text_in("name"), bytes_out("reply"), run=Run.BLOCKING),
    product(
        "FunctionAttributes", SYNC, value("function", "uint32_t"), value("device", "int"), out("table", "FunctionTable"), run=Run.BLOCKING
    ),
    product(
        "FunctionSetAttribute",
        SYNC,
        value("function", "uint32_t"),
        value("attribute", "int"),
        value("setting", "int"),
        value("device", "int"),
        run=Run.BLOCKING,
        after_work=True,
    ),
    product(
        "FunctionSetCacheConfig", ASYNC, value("function", "uint32_t"), value("config", "int"), value("device", "int"), after_work=True
    ),
    product(
        "OccupancyBlocks",
        SYNC,
        value("function", "uint32_t"),
        value("block_size", "int"),
        value("dynamic", "uint64_t"),
        value("flags", "uint32_t"),
        out("blocks", "int"),
    ),
    product(
        "OccupancyDynamicMemory",
        SYNC,
        value("function", "uint32_t"),
        value("blocks", "int"),
        value("block_size", "int"),
        out("bytes", "uint64_t"),
    ),
    product(
        "OccupancyClusters",
        SYNC,
        value("function", "uint32_t"),
        value("shape", "LaunchShape"),
        bytes_in("attributes"),
        value("largest", "uint32_t"),
        out("answer", "int"),
    ),
    product(
        "Launch",
        ASYNC,
        handle("stream", STREAM),
        value("function", "uint32_t"),
        value("shape", "LaunchShape"),
        bytes_in("attributes"),
        bytes_in("parameters"),
        run=Run.WORK,
    ),
)
