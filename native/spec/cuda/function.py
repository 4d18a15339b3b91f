"""Function calls."""

from __future__ import annotations

from native.spec.model import FUNCTION, CallClass, Scope, call, handle, opaque, out, value

ASYNC = CallClass.ASYNC
LOCAL = CallClass.LOCAL
SYNC = CallClass.SYNC


ROWS = (
    call(
        "cuFuncGetAttribute",
        2020,
        SYNC,
        out("pi", "int"),
        value("attrib", "CUfunction_attribute"),
        handle("hfunc", FUNCTION),
        scope=Scope.INIT,
        via="FunctionAttributes",
    ),
    call(
        "cuFuncSetAttribute",
        9000,
        ASYNC,
        handle("hfunc", FUNCTION),
        value("attrib", "CUfunction_attribute"),
        value("value", "int"),
        scope=Scope.INIT,
        via="FunctionSetAttribute",
    ),
    call(
        "cuFuncSetCacheConfig",
        3000,
        ASYNC,
        handle("hfunc", FUNCTION),
        value("config", "CUfunc_cache"),
        scope=Scope.INIT,
        via="FunctionSetCacheConfig",
    ),
    call("cuFuncGetModule", 11000, LOCAL, opaque("hmod", "CUmodule *"), handle("hfunc", FUNCTION)),
    call("cuFuncGetName", 12030, LOCAL, opaque("name", "const char **"), handle("hfunc", FUNCTION)),
    call(
        "cuFuncGetParamInfo",
        12040,
        LOCAL,
        handle("func", FUNCTION),
        value("paramIndex", "size_t"),
        out("paramOffset", "size_t"),
        out("paramSize", "size_t"),
    ),
    call("cuFuncGetParamCount", 13020, LOCAL, handle("func", FUNCTION), out("paramCount", "size_t")),
    call("cuFuncIsLoaded", 12040, LOCAL, out("state", "CUfunctionLoadingState"), handle("function", FUNCTION)),
    call("cuFuncLoad", 12040, LOCAL, handle("function", FUNCTION)),
    call("cuFuncSetSharedMemConfig", 4020, LOCAL, handle("hfunc", FUNCTION), value("config", "CUsharedconfig")),
)
