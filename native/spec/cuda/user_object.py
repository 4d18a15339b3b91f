"""User objects: memory of the application that graphs keep alive."""

from __future__ import annotations

from native.spec.model import GRAPH, USER_OBJECT, CallClass, Scope, call, code, handle, opaque, value

SYNC = CallClass.SYNC

_OBJECT = handle("object", USER_OBJECT)
_GRAPH = handle("graph", GRAPH)
_COUNT = value("count", "unsigned int")

ROWS = (
    call(
        "cuUserObjectCreate",
        11030,
        SYNC,
        opaque("object_out", "CUuserObject *"),
        opaque("ptr", "void *"),
        code("destroy", "CUhostFn"),
        value("initialRefcount", "unsigned int"),
        value("flags", "unsigned int"),
        scope=Scope.INIT,
        via="UserObjectCreate",
    ),
    call("cuUserObjectRetain", 11030, SYNC, _OBJECT, _COUNT, scope=Scope.INIT),
    call("cuUserObjectRelease", 11030, SYNC, _OBJECT, _COUNT, scope=Scope.INIT),
    call("cuGraphRetainUserObject", 11030, SYNC, _GRAPH, _OBJECT, _COUNT, value("flags", "unsigned int"), scope=Scope.INIT),
    call("cuGraphReleaseUserObject", 11030, SYNC, _GRAPH, _OBJECT, _COUNT, scope=Scope.INIT),
)
