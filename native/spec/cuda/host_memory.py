"""Host memory calls."""

from __future__ import annotations

from native.spec.model import CallClass, call, opaque, out, refused, value

LOCAL = CallClass.LOCAL

_OLD = "32-bit device addresses cannot name this memory"

ROWS = (
    call("cuMemAllocHost", 2000, LOCAL, opaque("pp", "void **"), value("bytesize", "unsigned int")),
    call("cuMemAllocHost_v2", 3020, LOCAL, opaque("pp", "void **"), value("bytesize", "size_t")),
    call("cuMemFreeHost", 2000, LOCAL, opaque("p", "void *")),
    call("cuMemHostAlloc", 2020, LOCAL, opaque("pp", "void **"), value("bytesize", "size_t"), value("Flags", "unsigned int")),
    refused("cuMemHostGetDevicePointer", 2020, _OLD, out("pdptr", "CUdeviceptr_v1"), opaque("p", "void *"), value("Flags", "unsigned int")),
    call("cuMemHostGetDevicePointer_v2", 3020, LOCAL, out("pdptr", "CUdeviceptr"), opaque("p", "void *"), value("Flags", "unsigned int")),
    call("cuMemHostGetFlags", 2030, LOCAL, out("pFlags", "unsigned int"), opaque("p", "void *")),
    call("cuMemHostRegister", 4000, LOCAL, opaque("p", "void *"), value("bytesize", "size_t"), value("Flags", "unsigned int")),
    call("cuMemHostRegister_v2", 6050, LOCAL, opaque("p", "void *"), value("bytesize", "size_t"), value("Flags", "unsigned int")),
    call("cuMemHostUnregister", 4000, LOCAL, opaque("p", "void *")),
)
