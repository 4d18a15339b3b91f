"""The driver's log: the server's, read from here."""

from __future__ import annotations

from native.spec.model import CallClass, Scope, call, code, inout, opaque, out, path, refused, value

SYNC = CallClass.SYNC

_LOG = "the server's driver would call the application for every line"

ROWS = (
    refused(
        "cuLogsRegisterCallback",
        12090,
        _LOG,
        code("callbackFunc", "CUlogsCallback"),
        opaque("userData", "void *"),
        out("callback_out", "CUlogsCallbackHandle"),
    ),
    refused("cuLogsUnregisterCallback", 12090, _LOG, value("callback", "CUlogsCallbackHandle")),
    call("cuLogsCurrent", 12090, SYNC, out("iterator_out", "CUlogIterator"), value("flags", "unsigned int"), scope=Scope.INIT),
    call(
        "cuLogsDumpToFile",
        12090,
        SYNC,
        inout("iterator", "CUlogIterator"),
        path("pathToFile"),
        value("flags", "unsigned int"),
        scope=Scope.INIT,
        via="LogsDump",
    ),
    call(
        "cuLogsDumpToMemory",
        12090,
        SYNC,
        inout("iterator", "CUlogIterator"),
        opaque("buffer", "char *"),
        inout("size", "size_t"),
        value("flags", "unsigned int"),
        scope=Scope.INIT,
        via="LogsDump",
    ),
)
