"""Multicast objects. A server whose GPUs cannot do it says so."""

from __future__ import annotations

from native.spec.model import MEMORY, CallClass, Run, Scope, call, device_pointer, handle, mint, out, struct_in, value

SYNC = CallClass.SYNC

_OBJECT = handle("mcHandle", MEMORY)
_OFFSET = value("mcOffset", "size_t")
_DEVICE = value("dev", "CUdevice")
_PIECE = (value("size", "size_t"), value("flags", "unsigned long long"))
_MEMORY = (handle("memHandle", MEMORY), value("memOffset", "size_t"), *_PIECE)
_ADDRESS = (device_pointer("memptr"), *_PIECE)

ROWS = (
    call("cuMulticastCreate", 12010, SYNC, mint("mcHandle", MEMORY), struct_in("prop", "CUmulticastObjectProp"), scope=Scope.INIT),
    call("cuMulticastAddDevice", 12010, SYNC, _OBJECT, _DEVICE, scope=Scope.INIT),
    call("cuMulticastBindMem", 12010, SYNC, _OBJECT, _OFFSET, *_MEMORY, scope=Scope.INIT, run=Run.BLOCKING),
    call("cuMulticastBindMem_v2", 13010, SYNC, _OBJECT, _DEVICE, _OFFSET, *_MEMORY, scope=Scope.INIT, run=Run.BLOCKING),
    call("cuMulticastBindAddr", 12010, SYNC, _OBJECT, _OFFSET, *_ADDRESS, scope=Scope.INIT, run=Run.BLOCKING),
    call("cuMulticastBindAddr_v2", 13010, SYNC, _OBJECT, _DEVICE, _OFFSET, *_ADDRESS, scope=Scope.INIT, run=Run.BLOCKING),
    call("cuMulticastUnbind", 12010, SYNC, _OBJECT, _DEVICE, _OFFSET, value("size", "size_t"), scope=Scope.INIT, run=Run.BLOCKING),
    call(
        "cuMulticastGetGranularity",
        12010,
        SYNC,
        out("granularity", "size_t"),
        struct_in("prop", "CUmulticastObjectProp"),
        value("option", "CUmulticastGranularity_flags"),
        scope=Scope.INIT,
    ),
)
