"""Texture calls."""

from __future__ import annotations

from native.spec.model import (
    ARRAY,
    MIPMAPPED_ARRAY,
    SURFACE,
    SURFACE_REFERENCE,
    TEXTURE,
    TEXTURE_REFERENCE,
    device_pointer,
    handle,
    opaque,
    out,
    refused,
    value,
)

_ARRAYS = "arrays and textures are not remoted yet"
_OLD = "32-bit device addresses cannot name this memory"

ROWS = (
    refused(
        "cuTexRefSetArray", 2000, _ARRAYS, handle("hTexRef", TEXTURE_REFERENCE), handle("hArray", ARRAY), value("Flags", "unsigned int")
    ),
    refused(
        "cuTexRefSetMipmappedArray",
        5000,
        _ARRAYS,
        handle("hTexRef", TEXTURE_REFERENCE),
        handle("hMipmappedArray", MIPMAPPED_ARRAY),
        value("Flags", "unsigned int"),
    ),
    refused(
        "cuTexRefSetAddress",
        2000,
        _OLD,
        out("ByteOffset", "unsigned int"),
        handle("hTexRef", TEXTURE_REFERENCE),
        value("dptr", "CUdeviceptr_v1"),
        value("bytes", "unsigned int"),
    ),
    refused(
        "cuTexRefSetAddress_v2",
        3020,
        _ARRAYS,
        out("ByteOffset", "size_t"),
        handle("hTexRef", TEXTURE_REFERENCE),
        device_pointer("dptr"),
        value("bytes", "size_t"),
    ),
    refused(
        "cuTexRefSetAddress2D",
        2020,
        _OLD,
        handle("hTexRef", TEXTURE_REFERENCE),
        opaque("desc", "const CUDA_ARRAY_DESCRIPTOR_v1 *"),
        value("dptr", "CUdeviceptr_v1"),
        value("Pitch", "unsigned int"),
    ),
    refused(
        "cuTexRefSetAddress2D_v2",
        3020,
        _ARRAYS,
        handle("hTexRef", TEXTURE_REFERENCE),
        opaque("desc", "const CUDA_ARRAY_DESCRIPTOR *"),
        device_pointer("dptr"),
        value("Pitch", "size_t"),
    ),
    refused(
        "cuTexRefSetAddress2D_v3",
        4010,
        _ARRAYS,
        handle("hTexRef", TEXTURE_REFERENCE),
        opaque("desc", "const CUDA_ARRAY_DESCRIPTOR *"),
        device_pointer("dptr"),
        value("Pitch", "size_t"),
    ),
    refused(
        "cuTexRefSetFormat",
        2000,
        _ARRAYS,
        handle("hTexRef", TEXTURE_REFERENCE),
        value("fmt", "CUarray_format"),
        value("NumPackedComponents", "int"),
    ),
    refused(
        "cuTexRefSetAddressMode", 2000, _ARRAYS, handle("hTexRef", TEXTURE_REFERENCE), value("dim", "int"), value("am", "CUaddress_mode")
    ),
    refused("cuTexRefSetFilterMode", 2000, _ARRAYS, handle("hTexRef", TEXTURE_REFERENCE), value("fm", "CUfilter_mode")),
    refused("cuTexRefSetMipmapFilterMode", 5000, _ARRAYS, handle("hTexRef", TEXTURE_REFERENCE), value("fm", "CUfilter_mode")),
    refused("cuTexRefSetMipmapLevelBias", 5000, _ARRAYS, handle("hTexRef", TEXTURE_REFERENCE), value("bias", "float")),
    refused(
        "cuTexRefSetMipmapLevelClamp",
        5000,
        _ARRAYS,
        handle("hTexRef", TEXTURE_REFERENCE),
        value("minMipmapLevelClamp", "float"),
        value("maxMipmapLevelClamp", "float"),
    ),
    refused("cuTexRefSetMaxAnisotropy", 5000, _ARRAYS, handle("hTexRef", TEXTURE_REFERENCE), value("maxAniso", "unsigned int")),
    refused("cuTexRefSetBorderColor", 8000, _ARRAYS, handle("hTexRef", TEXTURE_REFERENCE), out("pBorderColor", "float")),
    refused("cuTexRefSetFlags", 2000, _ARRAYS, handle("hTexRef", TEXTURE_REFERENCE), value("Flags", "unsigned int")),
    refused("cuTexRefGetAddress", 2000, _OLD, out("pdptr", "CUdeviceptr_v1"), handle("hTexRef", TEXTURE_REFERENCE)),
    refused("cuTexRefGetAddress_v2", 3020, _ARRAYS, out("pdptr", "CUdeviceptr"), handle("hTexRef", TEXTURE_REFERENCE)),
    refused("cuTexRefGetArray", 2000, _ARRAYS, opaque("phArray", "CUarray *"), handle("hTexRef", TEXTURE_REFERENCE)),
    refused(
        "cuTexRefGetMipmappedArray", 5000, _ARRAYS, opaque("phMipmappedArray", "CUmipmappedArray *"), handle("hTexRef", TEXTURE_REFERENCE)
    ),
    refused(
        "cuTexRefGetAddressMode", 2000, _ARRAYS, out("pam", "CUaddress_mode"), handle("hTexRef", TEXTURE_REFERENCE), value("dim", "int")
    ),
    refused("cuTexRefGetFilterMode", 2000, _ARRAYS, out("pfm", "CUfilter_mode"), handle("hTexRef", TEXTURE_REFERENCE)),
    refused(
        "cuTexRefGetFormat",
        2000,
        _ARRAYS,
        out("pFormat", "CUarray_format"),
        out("pNumChannels", "int"),
        handle("hTexRef", TEXTURE_REFERENCE),
    ),
    refused("cuTexRefGetMipmapFilterMode", 5000, _ARRAYS, out("pfm", "CUfilter_mode"), handle("hTexRef", TEXTURE_REFERENCE)),
    refused("cuTexRefGetMipmapLevelBias", 5000, _ARRAYS, out("pbias", "float"), handle("hTexRef", TEXTURE_REFERENCE)),
    refused(
        "cuTexRefGetMipmapLevelClamp",
        5000,
        _ARRAYS,
        out("pminMipmapLevelClamp", "float"),
        out("pmaxMipmapLevelClamp", "float"),
        handle("hTexRef", TEXTURE_REFERENCE),
    ),
    refused("cuTexRefGetMaxAnisotropy", 5000, _ARRAYS, out("pmaxAniso", "int"), handle("hTexRef", TEXTURE_REFERENCE)),
    refused("cuTexRefGetBorderColor", 8000, _ARRAYS, out("pBorderColor", "float"), handle("hTexRef", TEXTURE_REFERENCE)),
    refused("cuTexRefGetFlags", 2000, _ARRAYS, out("pFlags", "unsigned int"), handle("hTexRef", TEXTURE_REFERENCE)),
    refused("cuTexRefCreate", 2000, _ARRAYS, opaque("pTexRef", "CUtexref *")),
    refused("cuTexRefDestroy", 2000, _ARRAYS, handle("hTexRef", TEXTURE_REFERENCE)),
    refused(
        "cuSurfRefSetArray", 3000, _ARRAYS, handle("hSurfRef", SURFACE_REFERENCE), handle("hArray", ARRAY), value("Flags", "unsigned int")
    ),
    refused("cuSurfRefGetArray", 3000, _ARRAYS, opaque("phArray", "CUarray *"), handle("hSurfRef", SURFACE_REFERENCE)),
    refused(
        "cuTexObjectCreate",
        5000,
        _ARRAYS,
        opaque("pTexObject", "CUtexObject *"),
        opaque("pResDesc", "const CUDA_RESOURCE_DESC *"),
        opaque("pTexDesc", "const CUDA_TEXTURE_DESC *"),
        opaque("pResViewDesc", "const CUDA_RESOURCE_VIEW_DESC *"),
    ),
    refused("cuTexObjectDestroy", 5000, _ARRAYS, handle("texObject", TEXTURE)),
    refused("cuTexObjectGetResourceDesc", 5000, _ARRAYS, out("pResDesc", "CUDA_RESOURCE_DESC"), handle("texObject", TEXTURE)),
    refused("cuTexObjectGetTextureDesc", 5000, _ARRAYS, out("pTexDesc", "CUDA_TEXTURE_DESC"), handle("texObject", TEXTURE)),
    refused("cuTexObjectGetResourceViewDesc", 5000, _ARRAYS, out("pResViewDesc", "CUDA_RESOURCE_VIEW_DESC"), handle("texObject", TEXTURE)),
    refused("cuSurfObjectCreate", 5000, _ARRAYS, opaque("pSurfObject", "CUsurfObject *"), opaque("pResDesc", "const CUDA_RESOURCE_DESC *")),
    refused("cuSurfObjectDestroy", 5000, _ARRAYS, handle("surfObject", SURFACE)),
    refused("cuSurfObjectGetResourceDesc", 5000, _ARRAYS, out("pResDesc", "CUDA_RESOURCE_DESC"), handle("surfObject", SURFACE)),
)
