"""Module calls."""

from __future__ import annotations

from native.spec.model import MODULE, CallClass, Scope, call, handle, opaque, out, path, refused, text_in, value

ASYNC = CallClass.ASYNC
LOCAL = CallClass.LOCAL
SYNC = CallClass.SYNC

_OLD = "32-bit device addresses cannot name this memory"
_OTHER = "not remoted yet"

ROWS = (
    call("cuModuleLoad", 2000, SYNC, opaque("module", "CUmodule *"), path("fname"), via="ModuleLoad"),
    call("cuModuleLoadData", 2000, SYNC, opaque("module", "CUmodule *"), opaque("image", "const void *"), via="ModuleLoad"),
    call(
        "cuModuleLoadDataEx",
        2010,
        SYNC,
        opaque("module", "CUmodule *"),
        opaque("image", "const void *"),
        value("numOptions", "unsigned int"),
        out("options", "CUjit_option"),
        opaque("optionValues", "void **"),
        via="ModuleLoad",
    ),
    call("cuModuleLoadFatBinary", 2000, SYNC, opaque("module", "CUmodule *"), opaque("fatCubin", "const void *"), via="ModuleLoad"),
    call("cuModuleUnload", 2000, ASYNC, handle("hmod", MODULE), via="ModuleUnload"),
    call("cuModuleGetLoadingMode", 11070, LOCAL, out("mode", "CUmoduleLoadingMode"), scope=Scope.ANY),
    call("cuModuleGetFunction", 2000, LOCAL, opaque("hfunc", "CUfunction *"), handle("hmod", MODULE), text_in("name")),
    call("cuModuleGetFunctionCount", 12040, LOCAL, out("count", "unsigned int"), handle("mod", MODULE)),
    call(
        "cuModuleEnumerateFunctions",
        12040,
        LOCAL,
        opaque("functions", "CUfunction *"),
        value("numFunctions", "unsigned int"),
        handle("mod", MODULE),
    ),
    refused(
        "cuModuleGetGlobal",
        2000,
        _OLD,
        out("dptr", "CUdeviceptr_v1"),
        out("bytes", "unsigned int"),
        handle("hmod", MODULE),
        text_in("name"),
    ),
    call(
        "cuModuleGetGlobal_v2",
        3020,
        SYNC,
        out("dptr", "CUdeviceptr"),
        out("bytes", "size_t"),
        handle("hmod", MODULE),
        text_in("name"),
        via="ModuleGlobal",
    ),
)
