"""Graphics calls."""

from __future__ import annotations

from native.spec.model import GRAPHICS_RESOURCE, STREAM, handle, opaque, out, refused, value

_GRAPHICS = "graphics interoperation needs the display's own GPU"
_OLD = "32-bit device addresses cannot name this memory"

ROWS = (
    refused("cuGraphicsUnregisterResource", 3000, _GRAPHICS, handle("resource", GRAPHICS_RESOURCE)),
    refused(
        "cuGraphicsSubResourceGetMappedArray",
        3000,
        _GRAPHICS,
        opaque("pArray", "CUarray *"),
        handle("resource", GRAPHICS_RESOURCE),
        value("arrayIndex", "unsigned int"),
        value("mipLevel", "unsigned int"),
    ),
    refused(
        "cuGraphicsResourceGetMappedMipmappedArray",
        5000,
        _GRAPHICS,
        opaque("pMipmappedArray", "CUmipmappedArray *"),
        handle("resource", GRAPHICS_RESOURCE),
    ),
    refused(
        "cuGraphicsResourceGetMappedPointer",
        3000,
        _OLD,
        out("pDevPtr", "CUdeviceptr_v1"),
        out("pSize", "unsigned int"),
        handle("resource", GRAPHICS_RESOURCE),
    ),
    refused(
        "cuGraphicsResourceGetMappedPointer_v2",
        3020,
        _GRAPHICS,
        out("pDevPtr", "CUdeviceptr"),
        out("pSize", "size_t"),
        handle("resource", GRAPHICS_RESOURCE),
    ),
    refused("cuGraphicsResourceSetMapFlags", 3000, _GRAPHICS, handle("resource", GRAPHICS_RESOURCE), value("flags", "unsigned int")),
    refused("cuGraphicsResourceSetMapFlags_v2", 6050, _GRAPHICS, handle("resource", GRAPHICS_RESOURCE), value("flags", "unsigned int")),
    refused(
        "cuGraphicsMapResources",
        3000,
        _GRAPHICS,
        value("count", "unsigned int"),
        opaque("resources", "CUgraphicsResource *"),
        handle("hStream", STREAM),
        per_thread="ptsz@7000",
    ),
    refused(
        "cuGraphicsUnmapResources",
        3000,
        _GRAPHICS,
        value("count", "unsigned int"),
        opaque("resources", "CUgraphicsResource *"),
        handle("hStream", STREAM),
        per_thread="ptsz@7000",
    ),
)
