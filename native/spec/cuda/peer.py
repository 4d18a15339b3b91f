"""Peer calls."""

from __future__ import annotations

from native.spec.model import CONTEXT, CallClass, Scope, array_in, array_out, call, handle, out, value

SYNC = CallClass.SYNC


ROWS = (
    call(
        "cuDeviceCanAccessPeer",
        4000,
        SYNC,
        out("canAccessPeer", "int"),
        value("dev", "CUdevice"),
        value("peerDev", "CUdevice"),
        scope=Scope.INIT,
    ),
    call("cuCtxEnablePeerAccess", 4000, SYNC, handle("peerContext", CONTEXT), value("Flags", "unsigned int")),
    call("cuCtxDisablePeerAccess", 4000, SYNC, handle("peerContext", CONTEXT)),
    call(
        "cuDeviceGetP2PAttribute",
        8000,
        SYNC,
        out("value", "int"),
        value("attrib", "CUdevice_P2PAttribute"),
        value("srcDevice", "CUdevice"),
        value("dstDevice", "CUdevice"),
        scope=Scope.INIT,
    ),
    call(
        "cuDeviceGetP2PAtomicCapabilities",
        13000,
        SYNC,
        array_out("capabilities", "unsigned int", "count"),
        array_in("operations", "CUatomicOperation", "count"),
        value("count", "unsigned int"),
        value("srcDevice", "CUdevice"),
        value("dstDevice", "CUdevice"),
        scope=Scope.INIT,
    ),
)
