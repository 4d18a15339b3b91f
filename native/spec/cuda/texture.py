"""Texture and surface objects. Kernels take them by value, so the server's own values are the application's."""

from __future__ import annotations

from native.spec.model import CallClass, call, opaque, out, struct_in, value

ASYNC = CallClass.ASYNC
LOCAL = CallClass.LOCAL
SYNC = CallClass.SYNC

_RESOURCE = opaque("pResDesc", "const CUDA_RESOURCE_DESC *")
_TEXTURE = value("texObject", "CUtexObject")
_SURFACE = value("surfObject", "CUsurfObject")

ROWS = (
    call(
        "cuTexObjectCreate",
        5000,
        SYNC,
        opaque("pTexObject", "CUtexObject *"),
        _RESOURCE,
        struct_in("pTexDesc", "CUDA_TEXTURE_DESC"),
        struct_in("pResViewDesc", "CUDA_RESOURCE_VIEW_DESC", nullable=True),
        via="TextureCreate",
    ),
    call("cuTexObjectDestroy", 5000, ASYNC, _TEXTURE, via="TextureDestroy"),
    call("cuTexObjectGetResourceDesc", 5000, LOCAL, out("pResDesc", "CUDA_RESOURCE_DESC"), _TEXTURE),
    call("cuTexObjectGetTextureDesc", 5000, LOCAL, out("pTexDesc", "CUDA_TEXTURE_DESC"), _TEXTURE),
    call("cuTexObjectGetResourceViewDesc", 5000, LOCAL, out("pResViewDesc", "CUDA_RESOURCE_VIEW_DESC"), _TEXTURE),
    call("cuSurfObjectCreate", 5000, SYNC, opaque("pSurfObject", "CUsurfObject *"), _RESOURCE, via="SurfaceCreate"),
    call("cuSurfObjectDestroy", 5000, ASYNC, _SURFACE, via="SurfaceDestroy"),
    call("cuSurfObjectGetResourceDesc", 5000, LOCAL, out("pResDesc", "CUDA_RESOURCE_DESC"), _SURFACE),
)
