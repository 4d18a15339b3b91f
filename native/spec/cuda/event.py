"""Event calls."""

from __future__ import annotations

from native.spec.model import EVENT, STREAM, CallClass, Run, Scope, call, drop, handle, mint, out, value

ASYNC = CallClass.ASYNC
SYNC = CallClass.SYNC


ROWS = (
    call("cuEventSynchronize", 2000, SYNC, handle("hEvent", EVENT), scope=Scope.INIT, run=Run.WAIT_EVENT),
    call("cuEventCreate", 2000, ASYNC, mint("phEvent", EVENT), value("Flags", "unsigned int")),
    call("cuEventRecord", 2000, ASYNC, handle("hEvent", EVENT), handle("hStream", STREAM), run=Run.WORK, per_thread="ptsz@7000"),
    call(
        "cuEventRecordWithFlags",
        11010,
        ASYNC,
        handle("hEvent", EVENT),
        handle("hStream", STREAM),
        value("flags", "unsigned int"),
        run=Run.WORK,
        per_thread="ptsz@11010",
    ),
    call("cuEventQuery", 2000, SYNC, handle("hEvent", EVENT), scope=Scope.INIT, run=Run.QUERY),
    call("cuEventDestroy", 2000, ASYNC, handle("hEvent", EVENT), scope=Scope.INIT, via="cuEventDestroy_v2"),
    call("cuEventDestroy_v2", 4000, ASYNC, drop("hEvent", EVENT), scope=Scope.INIT),
    call(
        "cuEventElapsedTime",
        2000,
        SYNC,
        out("pMilliseconds", "float"),
        handle("hStart", EVENT),
        handle("hEnd", EVENT),
        scope=Scope.INIT,
        via="cuEventElapsedTime_v2",
    ),
    call(
        "cuEventElapsedTime_v2",
        12080,
        SYNC,
        out("pMilliseconds", "float"),
        handle("hStart", EVENT),
        handle("hEnd", EVENT),
        scope=Scope.INIT,
    ),
)
