"""Texture and surface references: the deprecated way, part of modules."""

from __future__ import annotations

from native.spec.model import (
    ARRAY,
    FUNCTION,
    MIPMAPPED_ARRAY,
    MODULE,
    SURFACE_REFERENCE,
    TEXTURE_REFERENCE,
    Arg,
    Call,
    CallClass,
    array_in,
    array_out,
    call,
    device_pointer,
    drop,
    found,
    handle,
    mint,
    opaque,
    out,
    refused,
    struct_in,
    text_in,
    value,
)

SYNC = CallClass.SYNC

_OLD = "32-bit device addresses cannot name this memory"

_REFERENCE = handle("hTexRef", TEXTURE_REFERENCE)
_SURFACE = handle("hSurfRef", SURFACE_REFERENCE)
_ARRAY = handle("hArray", ARRAY)
_FLAGS = value("Flags", "unsigned int")
_PITCHED = (struct_in("desc", "CUDA_ARRAY_DESCRIPTOR"), device_pointer("dptr"), value("Pitch", "size_t"))


def _set(what: str, since: int, *args: Arg) -> Call:
    return call(f"cuTexRefSet{what}", since, SYNC, _REFERENCE, *args)


def _get(what: str, since: int, *args: Arg) -> Call:
    return call(f"cuTexRefGet{what}", since, SYNC, *args)


ROWS = (
    call("cuModuleGetTexRef", 2000, SYNC, opaque("pTexRef", "CUtexref *"), handle("hmod", MODULE), text_in("name"), via="ModuleTexture"),
    call("cuModuleGetSurfRef", 3000, SYNC, opaque("pSurfRef", "CUsurfref *"), handle("hmod", MODULE), text_in("name"), via="ModuleSurface"),
    refused(
        "cuParamSetTexRef",
        2000,
        "a texture unit of the launch interface that CUDA 4 replaced",
        handle("hfunc", FUNCTION),
        value("texunit", "int"),
        _REFERENCE,
    ),
    call("cuTexRefCreate", 2000, SYNC, mint("pTexRef", TEXTURE_REFERENCE)),
    call("cuTexRefDestroy", 2000, SYNC, drop("hTexRef", TEXTURE_REFERENCE)),
    _set("Array", 2000, _ARRAY, _FLAGS),
    _set("MipmappedArray", 5000, handle("hMipmappedArray", MIPMAPPED_ARRAY), _FLAGS),
    refused(
        "cuTexRefSetAddress",
        2000,
        _OLD,
        out("ByteOffset", "unsigned int"),
        _REFERENCE,
        value("dptr", "CUdeviceptr_v1"),
        value("bytes", "unsigned int"),
    ),
    call(
        "cuTexRefSetAddress_v2",
        3020,
        SYNC,
        out("ByteOffset", "size_t", nullable=True),
        _REFERENCE,
        device_pointer("dptr"),
        value("bytes", "size_t"),
    ),
    refused(
        "cuTexRefSetAddress2D",
        2020,
        _OLD,
        _REFERENCE,
        opaque("desc", "const CUDA_ARRAY_DESCRIPTOR_v1 *"),
        value("dptr", "CUdeviceptr_v1"),
        value("Pitch", "unsigned int"),
    ),
    _set("Address2D_v2", 3020, *_PITCHED),
    _set("Address2D_v3", 4010, *_PITCHED),
    _set("Format", 2000, value("fmt", "CUarray_format"), value("NumPackedComponents", "int")),
    _set("AddressMode", 2000, value("dim", "int"), value("am", "CUaddress_mode")),
    _set("FilterMode", 2000, value("fm", "CUfilter_mode")),
    _set("MipmapFilterMode", 5000, value("fm", "CUfilter_mode")),
    _set("MipmapLevelBias", 5000, value("bias", "float")),
    _set("MipmapLevelClamp", 5000, value("minMipmapLevelClamp", "float"), value("maxMipmapLevelClamp", "float")),
    _set("MaxAnisotropy", 5000, value("maxAniso", "unsigned int")),
    _set("BorderColor", 8000, array_in("pBorderColor", "float", "4", ctype="float *")),
    _set("Flags", 2000, _FLAGS),
    refused("cuTexRefGetAddress", 2000, _OLD, out("pdptr", "CUdeviceptr_v1"), _REFERENCE),
    _get("Address_v2", 3020, out("pdptr", "CUdeviceptr"), _REFERENCE),
    _get("Array", 2000, found("phArray", ARRAY), _REFERENCE),
    _get("MipmappedArray", 5000, found("phMipmappedArray", MIPMAPPED_ARRAY), _REFERENCE),
    _get("AddressMode", 2000, out("pam", "CUaddress_mode"), _REFERENCE, value("dim", "int")),
    _get("FilterMode", 2000, out("pfm", "CUfilter_mode"), _REFERENCE),
    _get("Format", 2000, out("pFormat", "CUarray_format"), out("pNumChannels", "int"), _REFERENCE),
    _get("MipmapFilterMode", 5000, out("pfm", "CUfilter_mode"), _REFERENCE),
    _get("MipmapLevelBias", 5000, out("pbias", "float"), _REFERENCE),
    _get("MipmapLevelClamp", 5000, out("pminMipmapLevelClamp", "float"), out("pmaxMipmapLevelClamp", "float"), _REFERENCE),
    _get("MaxAnisotropy", 5000, out("pmaxAniso", "int"), _REFERENCE),
    _get("BorderColor", 8000, array_out("pBorderColor", "float", "4"), _REFERENCE),
    _get("Flags", 2000, out("pFlags", "unsigned int"), _REFERENCE),
    call("cuSurfRefSetArray", 3000, SYNC, _SURFACE, _ARRAY, _FLAGS),
    call("cuSurfRefGetArray", 3000, SYNC, found("phArray", ARRAY), _SURFACE),
)
