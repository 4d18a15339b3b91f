"""Stream value calls."""

from __future__ import annotations

from native.spec.model import STREAM, Call, CallClass, Run, array_in, call, device_pointer, handle, out, value

ASYNC = CallClass.ASYNC

_STREAM = handle("stream", STREAM)


def _value(what: str, bits: int, since: int) -> tuple[Call, Call]:
    """A call on one word of memory: the variant of CUDA 8 or 9, which is the present one under its old name, and the present one."""
    args = (_STREAM, device_pointer("addr"), value("value", f"cuuint{bits}_t"), value("flags", "unsigned int"))
    name = f"cuStream{what}Value{bits}"
    return (
        call(name, since, ASYNC, *args, via=f"{name}_v2", per_thread=f"ptsz@{since}"),
        call(f"{name}_v2", 11070, ASYNC, *args, run=Run.WORK, per_thread="ptsz@11070"),
    )


ROWS = (
    *_value("Wait", 32, 8000),
    *_value("Wait", 64, 9000),
    *_value("Write", 32, 8000),
    *_value("Write", 64, 9000),
    call(
        "cuStreamBatchMemOp",
        8000,
        ASYNC,
        _STREAM,
        value("count", "unsigned int"),
        out("paramArray", "CUstreamBatchMemOpParams"),
        value("flags", "unsigned int"),
        via="cuStreamBatchMemOp_v2",
        per_thread="ptsz@8000",
    ),
    call(
        "cuStreamBatchMemOp_v2",
        11070,
        ASYNC,
        _STREAM,
        value("count", "unsigned int"),
        array_in("paramArray", "CUstreamBatchMemOpParams", "count", ctype="CUstreamBatchMemOpParams *"),
        value("flags", "unsigned int"),
        run=Run.WORK,
        per_thread="ptsz@11070",
    ),
)
