"""Array calls."""

from __future__ import annotations

from native.spec.model import ARRAY, MIPMAPPED_ARRAY, STREAM, handle, opaque, out, refused, value

_ARRAYS = "arrays and textures are not remoted yet"
_OLD = "32-bit device addresses cannot name this memory"

ROWS = (
    refused("cuArrayCreate", 2000, _OLD, opaque("pHandle", "CUarray *"), opaque("pAllocateArray", "const CUDA_ARRAY_DESCRIPTOR_v1 *")),
    refused("cuArrayCreate_v2", 3020, _ARRAYS, opaque("pHandle", "CUarray *"), opaque("pAllocateArray", "const CUDA_ARRAY_DESCRIPTOR *")),
    refused("cuArrayGetDescriptor", 2000, _OLD, out("pArrayDescriptor", "CUDA_ARRAY_DESCRIPTOR_v1"), handle("hArray", ARRAY)),
    refused("cuArrayGetDescriptor_v2", 3020, _ARRAYS, out("pArrayDescriptor", "CUDA_ARRAY_DESCRIPTOR"), handle("hArray", ARRAY)),
    refused("cuArrayGetSparseProperties", 11010, _ARRAYS, out("sparseProperties", "CUDA_ARRAY_SPARSE_PROPERTIES"), handle("array", ARRAY)),
    refused(
        "cuMipmappedArrayGetSparseProperties",
        11010,
        _ARRAYS,
        out("sparseProperties", "CUDA_ARRAY_SPARSE_PROPERTIES"),
        handle("mipmap", MIPMAPPED_ARRAY),
    ),
    refused(
        "cuArrayGetMemoryRequirements",
        11060,
        _ARRAYS,
        out("memoryRequirements", "CUDA_ARRAY_MEMORY_REQUIREMENTS"),
        handle("array", ARRAY),
        value("device", "CUdevice"),
    ),
    refused(
        "cuMipmappedArrayGetMemoryRequirements",
        11060,
        _ARRAYS,
        out("memoryRequirements", "CUDA_ARRAY_MEMORY_REQUIREMENTS"),
        handle("mipmap", MIPMAPPED_ARRAY),
        value("device", "CUdevice"),
    ),
    refused(
        "cuArrayGetPlane", 11020, _ARRAYS, opaque("pPlaneArray", "CUarray *"), handle("hArray", ARRAY), value("planeIdx", "unsigned int")
    ),
    refused("cuArrayDestroy", 2000, _ARRAYS, handle("hArray", ARRAY)),
    refused("cuArray3DCreate", 2000, _OLD, opaque("pHandle", "CUarray *"), opaque("pAllocateArray", "const CUDA_ARRAY3D_DESCRIPTOR_v1 *")),
    refused(
        "cuArray3DCreate_v2", 3020, _ARRAYS, opaque("pHandle", "CUarray *"), opaque("pAllocateArray", "const CUDA_ARRAY3D_DESCRIPTOR *")
    ),
    refused("cuArray3DGetDescriptor", 2000, _OLD, out("pArrayDescriptor", "CUDA_ARRAY3D_DESCRIPTOR_v1"), handle("hArray", ARRAY)),
    refused("cuArray3DGetDescriptor_v2", 3020, _ARRAYS, out("pArrayDescriptor", "CUDA_ARRAY3D_DESCRIPTOR"), handle("hArray", ARRAY)),
    refused(
        "cuMipmappedArrayCreate",
        5000,
        _ARRAYS,
        opaque("pHandle", "CUmipmappedArray *"),
        opaque("pMipmappedArrayDesc", "const CUDA_ARRAY3D_DESCRIPTOR *"),
        value("numMipmapLevels", "unsigned int"),
    ),
    refused(
        "cuMipmappedArrayGetLevel",
        5000,
        _ARRAYS,
        opaque("pLevelArray", "CUarray *"),
        handle("hMipmappedArray", MIPMAPPED_ARRAY),
        value("level", "unsigned int"),
    ),
    refused("cuMipmappedArrayDestroy", 5000, _ARRAYS, handle("hMipmappedArray", MIPMAPPED_ARRAY)),
    refused(
        "cuMemMapArrayAsync",
        11010,
        _ARRAYS,
        out("mapInfoList", "CUarrayMapInfo"),
        value("count", "unsigned int"),
        handle("hStream", STREAM),
        per_thread="ptsz@11010",
    ),
)
