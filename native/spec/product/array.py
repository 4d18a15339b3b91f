"""Arrays as parts of copies, textures and surfaces."""

from __future__ import annotations

from native.spec.model import (
    ARRAY,
    LIBRARY,
    STREAM,
    SURFACE_REFERENCE,
    TEXTURE_REFERENCE,
    CallClass,
    Run,
    bytes_in,
    bytes_out,
    found,
    handle,
    out,
    product,
    struct_in,
    text_in,
    value,
)

ASYNC = CallClass.ASYNC
SYNC = CallClass.SYNC

# A copy between the device and an array, or between arrays: its two arrays by name, where there is one.
_ARRAYS = (handle("source", ARRAY, nullable=True), handle("destination", ARRAY, nullable=True))

ROWS = (
    product("CopyShaped", ASYNC, handle("stream", STREAM), *_ARRAYS, value("shape", "CUDA_MEMCPY3D"), run=Run.WORK),
    # Host memory to an array and back, a piece at a time.
    product(
        "CopyToArray",
        ASYNC,
        handle("stream", STREAM),
        handle("array", ARRAY),
        value("shape", "CUDA_MEMCPY3D"),
        bytes_in("data"),
        run=Run.BLOCKING,
    ),
    product(
        "CopyFromArray",
        SYNC,
        handle("stream", STREAM),
        handle("array", ARRAY),
        value("shape", "CUDA_MEMCPY3D"),
        bytes_out("data"),
        run=Run.BLOCKING,
    ),
    # `object` is an array's or a mipmapped array's name; the description's own handle is empty.
    product(
        "TextureCreate",
        SYNC,
        value("object", "uint64_t"),
        value("resource", "CUDA_RESOURCE_DESC"),
        value("texture", "CUDA_TEXTURE_DESC"),
        struct_in("view", "CUDA_RESOURCE_VIEW_DESC", nullable=True),
        out("made", "uint64_t"),
    ),
    product("TextureDestroy", ASYNC, value("made", "uint64_t"), everything=True),
    product("SurfaceCreate", SYNC, value("object", "uint64_t"), value("resource", "CUDA_RESOURCE_DESC"), out("made", "uint64_t")),
    product("SurfaceDestroy", ASYNC, value("made", "uint64_t"), everything=True),
    product("ModuleTexture", SYNC, found("reference", TEXTURE_REFERENCE), handle("library", LIBRARY), text_in("name")),
    product("ModuleSurface", SYNC, found("reference", SURFACE_REFERENCE), handle("library", LIBRARY), text_in("name")),
)
