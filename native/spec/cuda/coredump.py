"""Coredump calls."""

from __future__ import annotations

from native.spec.model import code, opaque, out, refused, value

_COREDUMP = "core dumps would be written on the server"

ROWS = (
    refused(
        "cuCoredumpGetAttribute", 12010, _COREDUMP, value("attrib", "CUcoredumpSettings"), opaque("value", "void *"), out("size", "size_t")
    ),
    refused(
        "cuCoredumpGetAttributeGlobal",
        12010,
        _COREDUMP,
        value("attrib", "CUcoredumpSettings"),
        opaque("value", "void *"),
        out("size", "size_t"),
    ),
    refused(
        "cuCoredumpSetAttribute", 12010, _COREDUMP, value("attrib", "CUcoredumpSettings"), opaque("value", "void *"), out("size", "size_t")
    ),
    refused(
        "cuCoredumpSetAttributeGlobal",
        12010,
        _COREDUMP,
        value("attrib", "CUcoredumpSettings"),
        opaque("value", "void *"),
        out("size", "size_t"),
    ),
    refused(
        "cuCoredumpRegisterStartCallback",
        13020,
        _COREDUMP,
        code("callback", "CUcoredumpStatusCallback"),
        opaque("userData", "void *"),
        out("callbackOut", "CUcoredumpCallbackHandle"),
    ),
    refused(
        "cuCoredumpRegisterCompleteCallback",
        13020,
        _COREDUMP,
        code("callback", "CUcoredumpStatusCallback"),
        opaque("userData", "void *"),
        out("callbackOut", "CUcoredumpCallbackHandle"),
    ),
    refused("cuCoredumpDeregisterStartCallback", 13020, _COREDUMP, value("callback", "CUcoredumpCallbackHandle")),
    refused("cuCoredumpDeregisterCompleteCallback", 13020, _COREDUMP, value("callback", "CUcoredumpCallbackHandle")),
)
