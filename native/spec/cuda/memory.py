"""Memory calls."""

from __future__ import annotations

from native.spec.model import STREAM, CallClass, Hand, Run, call, device_pointer, handle, out, refused, value

ASYNC = CallClass.ASYNC
LOCAL = CallClass.LOCAL
SYNC = CallClass.SYNC

_DECOMPRESS = "the decompression engine may write its results to memory of this machine"

ROWS = (
    call(
        "cuFlushGPUDirectRDMAWrites",
        11030,
        SYNC,
        value("target", "CUflushGPUDirectRDMAWritesTarget"),
        value("scope", "CUflushGPUDirectRDMAWritesScope"),
    ),
    call("cuMemGetInfo", 2000, SYNC, out("free", "unsigned int"), out("total", "unsigned int"), via="cuMemGetInfo_v2"),
    call("cuMemGetInfo_v2", 3020, SYNC, out("free", "size_t"), out("total", "size_t"), hand=Hand.WORKER),
    call("cuMemAlloc", 2000, SYNC, out("dptr", "CUdeviceptr_v1"), value("bytesize", "unsigned int"), via="cuMemAlloc_v2"),
    call("cuMemAlloc_v2", 3020, SYNC, out("dptr", "CUdeviceptr"), value("bytesize", "size_t"), hand=Hand.BOTH, run=Run.BLOCKING),
    call(
        "cuMemAllocPitch",
        2000,
        SYNC,
        out("dptr", "CUdeviceptr_v1"),
        out("pPitch", "unsigned int"),
        value("WidthInBytes", "unsigned int"),
        value("Height", "unsigned int"),
        value("ElementSizeBytes", "unsigned int"),
        via="cuMemAlloc_v2",
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
    call("cuMemFree", 2000, ASYNC, value("dptr", "CUdeviceptr_v1"), via="cuMemFree_v2"),
    call("cuMemFree_v2", 3020, ASYNC, device_pointer("dptr"), hand=Hand.BOTH, run=Run.BLOCKING, after_work=True),
    call(
        "cuMemGetAddressRange", 2000, LOCAL, out("pbase", "CUdeviceptr_v1"), out("psize", "unsigned int"), value("dptr", "CUdeviceptr_v1")
    ),
    call("cuMemGetAddressRange_v2", 3020, LOCAL, out("pbase", "CUdeviceptr"), out("psize", "size_t"), device_pointer("dptr")),
    refused(
        "cuMemBatchDecompressAsync",
        12060,
        _DECOMPRESS,
        out("paramsArray", "CUmemDecompressParams"),
        value("count", "size_t"),
        value("flags", "unsigned int"),
        out("errorIndex", "size_t"),
        handle("stream", STREAM),
        per_thread="ptsz@12060",
    ),
)
