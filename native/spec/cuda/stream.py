"""Stream calls."""

from __future__ import annotations

from native.spec.model import EVENT, STREAM, CallClass, Hand, Run, call, code, drop, handle, mint, opaque, out, struct_in, value

ASYNC = CallClass.ASYNC
LOCAL = CallClass.LOCAL
SYNC = CallClass.SYNC


ROWS = (
    call("cuStreamCreate", 2000, ASYNC, mint("phStream", STREAM), value("Flags", "unsigned int"), hand=Hand.CLIENT),
    call(
        "cuStreamCreateWithPriority",
        5050,
        ASYNC,
        mint("phStream", STREAM),
        value("flags", "unsigned int"),
        value("priority", "int"),
        hand=Hand.CLIENT,
    ),
    call("cuStreamGetPriority", 5050, LOCAL, handle("hStream", STREAM), out("priority", "int"), per_thread="ptsz@7000"),
    call("cuStreamGetDevice", 12080, LOCAL, handle("hStream", STREAM), out("device", "CUdevice"), per_thread="ptsz@12080"),
    call("cuStreamGetFlags", 5050, LOCAL, handle("hStream", STREAM), out("flags", "unsigned int"), per_thread="ptsz@7000"),
    call("cuStreamGetId", 12000, LOCAL, handle("hStream", STREAM), out("streamId", "unsigned long long"), per_thread="ptsz@12000"),
    call("cuStreamGetCtx", 9020, LOCAL, handle("hStream", STREAM), opaque("pctx", "CUcontext *"), per_thread="ptsz@9020"),
    call(
        "cuStreamGetCtx_v2",
        12050,
        LOCAL,
        handle("hStream", STREAM),
        opaque("pCtx", "CUcontext *"),
        opaque("pGreenCtx", "CUgreenCtx *"),
        per_thread="ptsz@12050",
    ),
    call(
        "cuStreamWaitEvent",
        3020,
        ASYNC,
        handle("hStream", STREAM),
        handle("hEvent", EVENT),
        value("Flags", "unsigned int"),
        run=Run.WORK,
        per_thread="ptsz@7000",
    ),
    call(
        "cuStreamAddCallback",
        5000,
        ASYNC,
        handle("hStream", STREAM),
        code("callback", "CUstreamCallback"),
        opaque("userData", "void *"),
        value("flags", "unsigned int"),
        via="HostFunction",
        per_thread="ptsz@7000",
    ),
    call(
        "cuStreamIsCapturing",
        10000,
        SYNC,
        handle("hStream", STREAM),
        out("captureStatus", "CUstreamCaptureStatus"),
        hand=Hand.CLIENT,
        per_thread="ptsz@10000",
    ),
    call("cuStreamQuery", 2000, SYNC, handle("hStream", STREAM), run=Run.QUERY, per_thread="ptsz@7000"),
    call("cuStreamSynchronize", 2000, SYNC, handle("hStream", STREAM), run=Run.WAIT_STREAM, per_thread="ptsz@7000"),
    call("cuStreamDestroy", 2000, ASYNC, handle("hStream", STREAM), via="cuStreamDestroy_v2"),
    call("cuStreamDestroy_v2", 4000, ASYNC, drop("hStream", STREAM), hand=Hand.WORKER),
    call("cuStreamCopyAttributes", 11000, ASYNC, handle("dstStream", STREAM), handle("srcStream", STREAM), per_thread="ptsz@11000"),
    call(
        "cuStreamGetAttribute",
        11000,
        SYNC,
        handle("hStream", STREAM),
        value("attr", "CUstreamAttrID"),
        out("value", "CUstreamAttrValue"),
        per_thread="ptsz@11000",
    ),
    call(
        "cuStreamSetAttribute",
        11000,
        SYNC,
        handle("hStream", STREAM),
        value("attr", "CUstreamAttrID"),
        struct_in("param", "CUstreamAttrValue"),
        per_thread="ptsz@11000",
    ),
)
