"""CUDA arrays and mipmapped arrays."""

from __future__ import annotations

from native.spec.model import (
    ARRAY,
    MIPMAPPED_ARRAY,
    STREAM,
    CallClass,
    Hand,
    Run,
    call,
    drop,
    found,
    handle,
    mint,
    opaque,
    out,
    refused,
    struct_in,
    value,
)

ASYNC = CallClass.ASYNC
SYNC = CallClass.SYNC

_SPARSE = "memory of sparse arrays is mapped tile by tile, which is not remoted"

_ARRAY = handle("hArray", ARRAY)
_REQUIREMENTS = out("memoryRequirements", "CUDA_ARRAY_MEMORY_REQUIREMENTS")
_DEVICE = value("device", "CUdevice")

ROWS = (
    call(
        "cuArrayCreate",
        2000,
        SYNC,
        opaque("pHandle", "CUarray *"),
        opaque("pAllocateArray", "const CUDA_ARRAY_DESCRIPTOR_v1 *"),
        via="cuArrayCreate_v2",
    ),
    call(
        "cuArrayCreate_v2",
        3020,
        SYNC,
        mint("pHandle", ARRAY),
        struct_in("pAllocateArray", "CUDA_ARRAY_DESCRIPTOR"),
        hand=Hand.WORKER,
        run=Run.BLOCKING,
    ),
    call("cuArrayGetDescriptor", 2000, SYNC, out("pArrayDescriptor", "CUDA_ARRAY_DESCRIPTOR_v1"), _ARRAY, via="cuArrayGetDescriptor_v2"),
    call("cuArrayGetDescriptor_v2", 3020, SYNC, out("pArrayDescriptor", "CUDA_ARRAY_DESCRIPTOR"), _ARRAY),
    call("cuArrayGetSparseProperties", 11010, SYNC, out("sparseProperties", "CUDA_ARRAY_SPARSE_PROPERTIES"), handle("array", ARRAY)),
    call(
        "cuMipmappedArrayGetSparseProperties",
        11010,
        SYNC,
        out("sparseProperties", "CUDA_ARRAY_SPARSE_PROPERTIES"),
        handle("mipmap", MIPMAPPED_ARRAY),
    ),
    call("cuArrayGetMemoryRequirements", 11060, SYNC, _REQUIREMENTS, handle("array", ARRAY), _DEVICE),
    call("cuMipmappedArrayGetMemoryRequirements", 11060, SYNC, _REQUIREMENTS, handle("mipmap", MIPMAPPED_ARRAY), _DEVICE),
    call(
        "cuArrayGetPlane",
        11020,
        SYNC,
        found("pPlaneArray", ARRAY, owner="hArray"),
        _ARRAY,
        value("planeIdx", "unsigned int"),
    ),
    call("cuArrayDestroy", 2000, SYNC, drop("hArray", ARRAY), hand=Hand.WORKER, run=Run.BLOCKING, after_work=True),
    call(
        "cuArray3DCreate",
        2000,
        SYNC,
        opaque("pHandle", "CUarray *"),
        opaque("pAllocateArray", "const CUDA_ARRAY3D_DESCRIPTOR_v1 *"),
        via="cuArray3DCreate_v2",
    ),
    call(
        "cuArray3DCreate_v2",
        3020,
        SYNC,
        mint("pHandle", ARRAY),
        struct_in("pAllocateArray", "CUDA_ARRAY3D_DESCRIPTOR"),
        hand=Hand.WORKER,
        run=Run.BLOCKING,
    ),
    call(
        "cuArray3DGetDescriptor", 2000, SYNC, out("pArrayDescriptor", "CUDA_ARRAY3D_DESCRIPTOR_v1"), _ARRAY, via="cuArray3DGetDescriptor_v2"
    ),
    call("cuArray3DGetDescriptor_v2", 3020, SYNC, out("pArrayDescriptor", "CUDA_ARRAY3D_DESCRIPTOR"), _ARRAY),
    call(
        "cuMipmappedArrayCreate",
        5000,
        SYNC,
        mint("pHandle", MIPMAPPED_ARRAY),
        struct_in("pMipmappedArrayDesc", "CUDA_ARRAY3D_DESCRIPTOR"),
        value("numMipmapLevels", "unsigned int"),
        hand=Hand.WORKER,
        run=Run.BLOCKING,
    ),
    call(
        "cuMipmappedArrayGetLevel",
        5000,
        SYNC,
        found("pLevelArray", ARRAY, owner="hMipmappedArray"),
        handle("hMipmappedArray", MIPMAPPED_ARRAY),
        value("level", "unsigned int"),
    ),
    call(
        "cuMipmappedArrayDestroy", 5000, SYNC, drop("hMipmappedArray", MIPMAPPED_ARRAY), hand=Hand.WORKER, run=Run.BLOCKING, after_work=True
    ),
    refused(
        "cuMemMapArrayAsync",
        11010,
        _SPARSE,
        opaque("mapInfoList", "CUarrayMapInfo *"),
        value("count", "unsigned int"),
        handle("hStream", STREAM),
        per_thread="ptsz@11010",
    ),
)
