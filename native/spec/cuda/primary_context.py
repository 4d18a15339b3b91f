"""Primary context calls."""

from __future__ import annotations

from native.spec.model import CallClass, Hand, Scope, call, opaque, out, value

ASYNC = CallClass.ASYNC
LOCAL = CallClass.LOCAL


ROWS = (
    call(
        "cuDevicePrimaryCtxRetain",
        7000,
        ASYNC,
        opaque("pctx", "CUcontext *"),
        value("dev", "CUdevice"),
        scope=Scope.INIT,
        via="ContextRetain",
    ),
    call("cuDevicePrimaryCtxRelease", 7000, ASYNC, value("dev", "CUdevice"), scope=Scope.INIT, via="ContextRelease"),
    call("cuDevicePrimaryCtxRelease_v2", 11000, ASYNC, value("dev", "CUdevice"), scope=Scope.INIT, via="ContextRelease"),
    call(
        "cuDevicePrimaryCtxSetFlags",
        7000,
        ASYNC,
        value("dev", "CUdevice"),
        value("flags", "unsigned int"),
        scope=Scope.INIT,
        via="cuDevicePrimaryCtxSetFlags_v2",
    ),
    call(
        "cuDevicePrimaryCtxSetFlags_v2",
        11000,
        ASYNC,
        value("dev", "CUdevice"),
        value("flags", "unsigned int"),
        scope=Scope.INIT,
        hand=Hand.CLIENT,
    ),
    call(
        "cuDevicePrimaryCtxGetState",
        7000,
        LOCAL,
        value("dev", "CUdevice"),
        out("flags", "unsigned int"),
        out("active", "int"),
        scope=Scope.INIT,
    ),
    call("cuDevicePrimaryCtxReset", 7000, ASYNC, value("dev", "CUdevice"), scope=Scope.INIT, via="ContextRelease"),
    call("cuDevicePrimaryCtxReset_v2", 11000, ASYNC, value("dev", "CUdevice"), scope=Scope.INIT, via="ContextRelease"),
)
