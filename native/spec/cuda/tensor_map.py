"""Tensor map calls."""

from __future__ import annotations

from native.spec.model import CallClass, Scope, array_in, call, device_pointer, opaque, out, refused, value

SYNC = CallClass.SYNC

_OTHER = "not remoted yet"

ROWS = (
    call(
        "cuTensorMapEncodeTiled",
        12000,
        SYNC,
        out("tensorMap", "CUtensorMap"),
        value("tensorDataType", "CUtensorMapDataType"),
        value("tensorRank", "cuuint32_t"),
        device_pointer("globalAddress", "void *"),
        array_in("globalDim", "cuuint64_t", "tensorRank"),
        array_in("globalStrides", "cuuint64_t", "tensorRank - 1"),
        array_in("boxDim", "cuuint32_t", "tensorRank"),
        array_in("elementStrides", "cuuint32_t", "tensorRank"),
        value("interleave", "CUtensorMapInterleave"),
        value("swizzle", "CUtensorMapSwizzle"),
        value("l2Promotion", "CUtensorMapL2promotion"),
        value("oobFill", "CUtensorMapFloatOOBfill"),
        scope=Scope.INIT,
    ),
    call(
        "cuTensorMapEncodeIm2col",
        12000,
        SYNC,
        out("tensorMap", "CUtensorMap"),
        value("tensorDataType", "CUtensorMapDataType"),
        value("tensorRank", "cuuint32_t"),
        device_pointer("globalAddress", "void *"),
        array_in("globalDim", "cuuint64_t", "tensorRank"),
        array_in("globalStrides", "cuuint64_t", "tensorRank - 1"),
        array_in("pixelBoxLowerCorner", "int", "tensorRank - 2"),
        array_in("pixelBoxUpperCorner", "int", "tensorRank - 2"),
        value("channelsPerPixel", "cuuint32_t"),
        value("pixelsPerColumn", "cuuint32_t"),
        array_in("elementStrides", "cuuint32_t", "tensorRank"),
        value("interleave", "CUtensorMapInterleave"),
        value("swizzle", "CUtensorMapSwizzle"),
        value("l2Promotion", "CUtensorMapL2promotion"),
        value("oobFill", "CUtensorMapFloatOOBfill"),
        scope=Scope.INIT,
    ),
    call(
        "cuTensorMapEncodeIm2colWide",
        12080,
        SYNC,
        out("tensorMap", "CUtensorMap"),
        value("tensorDataType", "CUtensorMapDataType"),
        value("tensorRank", "cuuint32_t"),
        device_pointer("globalAddress", "void *"),
        array_in("globalDim", "cuuint64_t", "tensorRank"),
        array_in("globalStrides", "cuuint64_t", "tensorRank - 1"),
        value("pixelBoxLowerCornerWidth", "int"),
        value("pixelBoxUpperCornerWidth", "int"),
        value("channelsPerPixel", "cuuint32_t"),
        value("pixelsPerColumn", "cuuint32_t"),
        array_in("elementStrides", "cuuint32_t", "tensorRank"),
        value("interleave", "CUtensorMapInterleave"),
        value("mode", "CUtensorMapIm2ColWideMode"),
        value("swizzle", "CUtensorMapSwizzle"),
        value("l2Promotion", "CUtensorMapL2promotion"),
        value("oobFill", "CUtensorMapFloatOOBfill"),
        scope=Scope.INIT,
    ),
    refused("cuTensorMapReplaceAddress", 12000, _OTHER, out("tensorMap", "CUtensorMap"), opaque("globalAddress", "void *")),
    refused(
        "cuTensorMapSetAllocationClass",
        13050,
        _OTHER,
        out("tensorMap", "CUtensorMap"),
        value("allocClass", "CUtensorMapAllocClass"),
        out("outAllocClass", "CUtensorMapAllocClass"),
    ),
)
