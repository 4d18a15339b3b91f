"""Start, versions, errors, procedure look-up."""

from __future__ import annotations

from native.spec.model import CallClass, Scope, call, opaque, out, struct_in, text_in, value

LOCAL = CallClass.LOCAL


ROWS = (
    call("cuGetErrorString", 6000, LOCAL, value("error", "CUresult"), opaque("pStr", "const char **"), scope=Scope.ANY),
    call("cuGetErrorName", 6000, LOCAL, value("error", "CUresult"), opaque("pStr", "const char **"), scope=Scope.ANY),
    call("cuInit", 2000, LOCAL, value("Flags", "unsigned int"), scope=Scope.ANY),
    call("cuDriverGetVersion", 2020, LOCAL, out("driverVersion", "int"), scope=Scope.ANY),
    call(
        "cuGetProcAddress",
        11030,
        LOCAL,
        text_in("symbol"),
        opaque("pfn", "void **"),
        value("cudaVersion", "int"),
        value("flags", "cuuint64_t"),
        scope=Scope.ANY,
    ),
    call(
        "cuGetProcAddress_v2",
        12000,
        LOCAL,
        text_in("symbol"),
        opaque("pfn", "void **"),
        value("cudaVersion", "int"),
        value("flags", "cuuint64_t"),
        out("symbolStatus", "CUdriverProcAddressQueryResult"),
        scope=Scope.ANY,
    ),
    call("cuGetExportTable", 3000, LOCAL, opaque("ppExportTable", "const void **"), struct_in("pExportTableId", "CUuuid"), scope=Scope.ANY),
)
