"""Context calls."""

from __future__ import annotations

from native.spec.model import CONTEXT, EVENT, CallClass, Hand, Run, Scope, call, handle, opaque, out, value

ASYNC = CallClass.ASYNC
LOCAL = CallClass.LOCAL
SYNC = CallClass.SYNC

_OTHER = "not remoted yet"

ROWS = (
    call(
        "cuCtxCreate",
        2000,
        SYNC,
        opaque("pctx", "CUcontext *"),
        value("flags", "unsigned int"),
        value("dev", "CUdevice"),
        scope=Scope.INIT,
        via="ContextCreate",
    ),
    call(
        "cuCtxCreate_v2",
        3020,
        SYNC,
        opaque("pctx", "CUcontext *"),
        value("flags", "unsigned int"),
        value("dev", "CUdevice"),
        scope=Scope.INIT,
        via="ContextCreate",
    ),
    call(
        "cuCtxCreate_v3",
        11040,
        SYNC,
        opaque("pctx", "CUcontext *"),
        out("paramsArray", "CUexecAffinityParam"),
        value("numParams", "int"),
        value("flags", "unsigned int"),
        value("dev", "CUdevice"),
        scope=Scope.INIT,
        via="ContextCreate",
    ),
    call(
        "cuCtxCreate_v4",
        12050,
        SYNC,
        opaque("pctx", "CUcontext *"),
        out("ctxCreateParams", "CUctxCreateParams"),
        value("flags", "unsigned int"),
        value("dev", "CUdevice"),
        scope=Scope.INIT,
        via="ContextCreate",
    ),
    call("cuCtxDestroy", 2000, ASYNC, handle("ctx", CONTEXT), scope=Scope.INIT, via="ContextDestroy"),
    call("cuCtxDestroy_v2", 4000, ASYNC, handle("ctx", CONTEXT), scope=Scope.INIT, via="ContextDestroy"),
    call("cuCtxPushCurrent", 2000, LOCAL, handle("ctx", CONTEXT), scope=Scope.INIT),
    call("cuCtxPushCurrent_v2", 4000, LOCAL, handle("ctx", CONTEXT), scope=Scope.INIT),
    call("cuCtxPopCurrent", 2000, LOCAL, opaque("pctx", "CUcontext *"), scope=Scope.INIT),
    call("cuCtxPopCurrent_v2", 4000, LOCAL, opaque("pctx", "CUcontext *"), scope=Scope.INIT),
    call("cuCtxSetCurrent", 4000, LOCAL, handle("ctx", CONTEXT), scope=Scope.INIT),
    call("cuCtxGetCurrent", 4000, LOCAL, opaque("pctx", "CUcontext *"), scope=Scope.INIT),
    call("cuCtxGetDevice", 2000, LOCAL, out("device", "CUdevice")),
    call("cuCtxGetDevice_v2", 13000, LOCAL, out("device", "CUdevice"), handle("ctx", CONTEXT), scope=Scope.INIT),
    call("cuCtxGetFlags", 7000, LOCAL, out("flags", "unsigned int")),
    call("cuCtxSetFlags", 12010, LOCAL, value("flags", "unsigned int")),
    call("cuCtxGetId", 12000, LOCAL, handle("ctx", CONTEXT), out("ctxId", "unsigned long long"), scope=Scope.INIT),
    call("cuCtxSynchronize", 2000, SYNC, run=Run.WAIT_CONTEXT),
    call("cuCtxSynchronize_v2", 13000, SYNC, handle("ctx", CONTEXT), scope=Scope.INIT, via="cuCtxSynchronize"),
    call("cuCtxSetLimit", 3010, SYNC, value("limit", "CUlimit"), value("value", "size_t"), hand=Hand.WORKER),
    call("cuCtxGetLimit", 3010, SYNC, out("pvalue", "size_t"), value("limit", "CUlimit")),
    call("cuCtxGetCacheConfig", 3020, SYNC, out("pconfig", "CUfunc_cache")),
    call("cuCtxSetCacheConfig", 3020, ASYNC, value("config", "CUfunc_cache")),
    call("cuCtxGetApiVersion", 3020, LOCAL, handle("ctx", CONTEXT), out("version", "unsigned int"), scope=Scope.INIT),
    call(
        "cuCtxGetStreamPriorityRange", 5050, SYNC, out("leastPriority", "int", nullable=True), out("greatestPriority", "int", nullable=True)
    ),
    call("cuCtxResetPersistingL2Cache", 11000, ASYNC),
    call("cuCtxGetExecAffinity", 11040, SYNC, out("pExecAffinity", "CUexecAffinityParam"), value("type", "CUexecAffinityType")),
    call("cuCtxRecordEvent", 12050, SYNC, handle("hCtx", CONTEXT), handle("hEvent", EVENT), scope=Scope.INIT, everything=True),
    call("cuCtxWaitEvent", 12050, SYNC, handle("hCtx", CONTEXT), handle("hEvent", EVENT), scope=Scope.INIT, everything=True),
    call("cuCtxAttach", 2000, LOCAL, opaque("pctx", "CUcontext *"), value("flags", "unsigned int"), scope=Scope.INIT),
    call("cuCtxDetach", 2000, LOCAL, handle("ctx", CONTEXT), scope=Scope.INIT),
    call("cuCtxGetSharedMemConfig", 4020, SYNC, out("pConfig", "CUsharedconfig")),
    call("cuCtxSetSharedMemConfig", 4020, ASYNC, value("config", "CUsharedconfig")),
)
