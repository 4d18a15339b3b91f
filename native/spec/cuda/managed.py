"""Managed memory."""

from __future__ import annotations

from native.spec.model import (
    STREAM,
    CallClass,
    Hand,
    Run,
    array_in,
    call,
    device_pointer,
    handle,
    opaque,
    out,
    refused,
    value,
)

ASYNC = CallClass.ASYNC
SYNC = CallClass.SYNC

_LOCATIONS = "where managed memory lies is asked range by range with cuMemRangeGetAttribute"

_POINTER = device_pointer("devPtr")
_COUNT = value("count", "size_t")
_STREAM = handle("hStream", STREAM)
_POINTERS = (
    array_in("dptrs", "CUdeviceptr", "count", ctype="CUdeviceptr *"),
    array_in("sizes", "size_t", "count", ctype="size_t *"),
    _COUNT,
)
_PLACES = (
    array_in("prefetchLocs", "CUmemLocation", "numPrefetchLocs", ctype="CUmemLocation *"),
    array_in("prefetchLocIdxs", "size_t", "numPrefetchLocs", ctype="size_t *"),
    value("numPrefetchLocs", "size_t"),
)
_FLAGS = value("flags", "unsigned long long")

ROWS = (
    refused(
        "cuMemGetLocationInfo",
        13040,
        _LOCATIONS,
        device_pointer("ptr"),
        value("size", "size_t"),
        value("summaryGranularity", "size_t"),
        value("samplingGranularity", "size_t"),
        out("location_out", "CUmemLocation"),
    ),
    call(
        "cuMemAllocManaged",
        6000,
        SYNC,
        out("dptr", "CUdeviceptr"),
        value("bytesize", "size_t"),
        value("flags", "unsigned int"),
        hand=Hand.BOTH,
        run=Run.BLOCKING,
    ),
    call(
        "cuMemPrefetchAsync",
        8000,
        ASYNC,
        _POINTER,
        _COUNT,
        value("dstDevice", "CUdevice"),
        _STREAM,
        via="cuMemPrefetchAsync_v2",
        per_thread="ptsz@8000",
    ),
    call(
        "cuMemPrefetchAsync_v2",
        12020,
        ASYNC,
        _POINTER,
        _COUNT,
        value("location", "CUmemLocation"),
        value("flags", "unsigned int"),
        _STREAM,
        hand=Hand.CLIENT,
        run=Run.WORK,
        per_thread="ptsz@12020",
    ),
    call("cuMemAdvise", 8000, SYNC, _POINTER, _COUNT, value("advice", "CUmem_advise"), value("device", "CUdevice"), via="cuMemAdvise_v2"),
    call(
        "cuMemAdvise_v2",
        12020,
        SYNC,
        _POINTER,
        _COUNT,
        value("advice", "CUmem_advise"),
        value("location", "CUmemLocation"),
        hand=Hand.CLIENT,
    ),
    call("cuMemPrefetchBatchAsync", 13000, SYNC, *_POINTERS, *_PLACES, _FLAGS, _STREAM, run=Run.WORK, per_thread="ptsz@13000"),
    call("cuMemDiscardBatchAsync", 13000, SYNC, *_POINTERS, _FLAGS, _STREAM, run=Run.WORK, per_thread="ptsz@13000"),
    call("cuMemDiscardAndPrefetchBatchAsync", 13000, SYNC, *_POINTERS, *_PLACES, _FLAGS, _STREAM, run=Run.WORK, per_thread="ptsz@13000"),
    call(
        "cuMemRangeGetAttribute",
        8000,
        SYNC,
        opaque("data", "void *"),
        value("dataSize", "size_t"),
        value("attribute", "CUmem_range_attribute"),
        _POINTER,
        _COUNT,
        via="RangeAttribute",
    ),
    call(
        "cuMemRangeGetAttributes",
        8000,
        SYNC,
        opaque("data", "void **"),
        opaque("dataSizes", "size_t *"),
        opaque("attributes", "CUmem_range_attribute *"),
        value("numAttributes", "size_t"),
        _POINTER,
        _COUNT,
        via="RangeAttribute",
    ),
    call(
        "cuStreamAttachMemAsync",
        6000,
        ASYNC,
        _STREAM,
        device_pointer("dptr"),
        value("length", "size_t"),
        value("flags", "unsigned int"),
        hand=Hand.CLIENT,
        run=Run.WORK,
        per_thread="ptsz@7000",
    ),
)
