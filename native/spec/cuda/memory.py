"""Memory calls."""

from __future__ import annotations

from native.spec.model import STREAM, CallClass, Hand, Run, call, device_pointer, handle, out, refused, value

ASYNC = CallClass.ASYNC
LOCAL = CallClass.LOCAL
SYNC = CallClass.SYNC

_OLD = "32-bit device addresses cannot name this memory"
_OTHER = "not remoted yet"

ROWS = (
    refused(
        "cuFlushGPUDirectRDMAWrites",
        11030,
        _OTHER,
        value("target", "CUflushGPUDirectRDMAWritesTarget"),
        value("scope", "CUflushGPUDirectRDMAWritesScope"),
    ),
    refused("cuMemGetInfo", 2000, _OLD, out("free", "unsigned int"), out("total", "unsigned int")),
    call("cuMemGetInfo_v2", 3020, SYNC, out("free", "size_t"), out("total", "size_t"), hand=Hand.WORKER),
    refused("cuMemAlloc", 2000, _OLD, out("dptr", "CUdeviceptr_v1"), value("bytesize", "unsigned int")),
    call("cuMemAlloc_v2", 3020, SYNC, out("dptr", "CUdeviceptr"), value("bytesize", "size_t"), hand=Hand.BOTH, run=Run.BLOCKING),
    refused(
        "cuMemAllocPitch",
        2000,
        _OLD,
        out("dptr", "CUdeviceptr_v1"),
        out("pPitch", "unsigned int"),
        value("WidthInBytes", "unsigned int"),
        value("Height", "unsigned int"),
        value("ElementSizeBytes", "unsigned int"),
    ),
    call(
        "cuMemAllocPitch_v2",
        3020,
        SYNC,
        out("dptr", "CUdeviceptr"),
        out("pPitch", "size_t"),
        value("WidthInBytes", "size_t"),
        value("Height", "size_t"),
        value("ElementSizeBytes", "unsigned int"),
        via="cuMemAlloc_v2",
    ),
    refused("cuMemFree", 2000, _OLD, value("dptr", "CUdeviceptr_v1")),
    call("cuMemFree_v2", 3020, ASYNC, device_pointer("dptr"), hand=Hand.BOTH, run=Run.BLOCKING),
    refused(
        "cuMemGetAddressRange", 2000, _OLD, out("pbase", "CUdeviceptr_v1"), out("psize", "unsigned int"), value("dptr", "CUdeviceptr_v1")
    ),
    call("cuMemGetAddressRange_v2", 3020, LOCAL, out("pbase", "CUdeviceptr"), out("psize", "size_t"), device_pointer("dptr")),
    refused(
        "cuMemBatchDecompressAsync",
        12060,
        _OTHER,
        out("paramsArray", "CUmemDecompressParams"),
        value("count", "size_t"),
        value("flags", "unsigned int"),
        out("errorIndex", "size_t"),
        handle("stream", STREAM),
        per_thread="ptsz@12060",
    ),
)
