"""Log calls."""

from __future__ import annotations

from native.spec.model import code, opaque, out, path, refused, value

_LOG = "the driver's log stays on the server"

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
    refused("cuLogsCurrent", 12090, _LOG, out("iterator_out", "CUlogIterator"), value("flags", "unsigned int")),
    refused("cuLogsDumpToFile", 12090, _LOG, out("iterator", "CUlogIterator"), path("pathToFile"), value("flags", "unsigned int")),
    refused(
        "cuLogsDumpToMemory",
        12090,
        _LOG,
        out("iterator", "CUlogIterator"),
        opaque("buffer", "char *"),
        out("size", "size_t"),
        value("flags", "unsigned int"),
    ),
)
