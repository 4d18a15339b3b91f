"""Library calls."""

from __future__ import annotations

from native.spec.model import KERNEL, LIBRARY, CallClass, Scope, call, handle, opaque, out, path, refused, text_in, value

ASYNC = CallClass.ASYNC
LOCAL = CallClass.LOCAL
SYNC = CallClass.SYNC

_CODE = "a function of this process would run on the server's GPU"

ROWS = (
    call(
        "cuLibraryLoadData",
        12000,
        SYNC,
        opaque("library", "CUlibrary *"),
        opaque("code", "const void *"),
        out("jitOptions", "CUjit_option"),
        opaque("jitOptionsValues", "void **"),
        value("numJitOptions", "unsigned int"),
        out("libraryOptions", "CUlibraryOption"),
        opaque("libraryOptionValues", "void **"),
        value("numLibraryOptions", "unsigned int"),
        scope=Scope.INIT,
        via="ModuleLoad",
    ),
    call(
        "cuLibraryLoadFromFile",
        12000,
        SYNC,
        opaque("library", "CUlibrary *"),
        path("fileName"),
        out("jitOptions", "CUjit_option"),
        opaque("jitOptionsValues", "void **"),
        value("numJitOptions", "unsigned int"),
        out("libraryOptions", "CUlibraryOption"),
        opaque("libraryOptionValues", "void **"),
        value("numLibraryOptions", "unsigned int"),
        scope=Scope.INIT,
        via="ModuleLoad",
    ),
    call("cuLibraryUnload", 12000, ASYNC, handle("library", LIBRARY), scope=Scope.INIT, via="ModuleUnload"),
    call(
        "cuLibraryGetKernel", 12000, LOCAL, opaque("pKernel", "CUkernel *"), handle("library", LIBRARY), text_in("name"), scope=Scope.INIT
    ),
    call("cuLibraryGetKernelCount", 12040, LOCAL, out("count", "unsigned int"), handle("lib", LIBRARY), scope=Scope.INIT),
    call(
        "cuLibraryEnumerateKernels",
        12040,
        LOCAL,
        opaque("kernels", "CUkernel *"),
        value("numKernels", "unsigned int"),
        handle("lib", LIBRARY),
        scope=Scope.INIT,
    ),
    call("cuLibraryGetModule", 12000, LOCAL, opaque("pMod", "CUmodule *"), handle("library", LIBRARY)),
    call("cuKernelGetFunction", 12000, LOCAL, opaque("pFunc", "CUfunction *"), handle("kernel", KERNEL)),
    call("cuKernelGetLibrary", 12050, LOCAL, opaque("pLib", "CUlibrary *"), handle("kernel", KERNEL), scope=Scope.INIT),
    call(
        "cuLibraryGetGlobal",
        12000,
        SYNC,
        out("dptr", "CUdeviceptr"),
        out("bytes", "size_t"),
        handle("library", LIBRARY),
        text_in("name"),
        via="ModuleGlobal",
    ),
    call(
        "cuLibraryGetManaged",
        12000,
        SYNC,
        out("dptr", "CUdeviceptr"),
        out("bytes", "size_t"),
        handle("library", LIBRARY),
        text_in("name"),
        via="ModuleManaged",
    ),
    refused("cuLibraryGetUnifiedFunction", 12000, _CODE, opaque("fptr", "void **"), handle("library", LIBRARY), text_in("symbol")),
    call(
        "cuKernelGetAttribute",
        12000,
        SYNC,
        out("pi", "int"),
        value("attrib", "CUfunction_attribute"),
        handle("kernel", KERNEL),
        value("dev", "CUdevice"),
        scope=Scope.INIT,
        via="FunctionAttributes",
    ),
    call(
        "cuKernelSetAttribute",
        12000,
        ASYNC,
        value("attrib", "CUfunction_attribute"),
        value("val", "int"),
        handle("kernel", KERNEL),
        value("dev", "CUdevice"),
        scope=Scope.INIT,
        via="FunctionSetAttribute",
    ),
    call(
        "cuKernelSetCacheConfig",
        12000,
        ASYNC,
        handle("kernel", KERNEL),
        value("config", "CUfunc_cache"),
        value("dev", "CUdevice"),
        scope=Scope.INIT,
        via="FunctionSetCacheConfig",
    ),
    call("cuKernelGetName", 12030, LOCAL, opaque("name", "const char **"), handle("hfunc", KERNEL), scope=Scope.INIT),
    call(
        "cuKernelGetParamInfo",
        12040,
        LOCAL,
        handle("kernel", KERNEL),
        value("paramIndex", "size_t"),
        out("paramOffset", "size_t"),
        out("paramSize", "size_t"),
        scope=Scope.INIT,
    ),
    call("cuKernelGetParamCount", 13020, LOCAL, handle("kernel", KERNEL), out("paramCount", "size_t"), scope=Scope.INIT),
)
