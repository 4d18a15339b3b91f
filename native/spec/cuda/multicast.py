"""Multicast calls."""

from __future__ import annotations

from native.spec.model import MEMORY, device_pointer, handle, opaque, out, refused, value

_MULTICAST = "multicast objects are not remoted yet"

ROWS = (
    refused(
        "cuMulticastCreate",
        12010,
        _MULTICAST,
        opaque("mcHandle", "CUmemGenericAllocationHandle *"),
        opaque("prop", "const CUmulticastObjectProp *"),
    ),
    refused("cuMulticastAddDevice", 12010, _MULTICAST, handle("mcHandle", MEMORY), value("dev", "CUdevice")),
    refused(
        "cuMulticastBindMem",
        12010,
        _MULTICAST,
        handle("mcHandle", MEMORY),
        value("mcOffset", "size_t"),
        handle("memHandle", MEMORY),
        value("memOffset", "size_t"),
        value("size", "size_t"),
        value("flags", "unsigned long long"),
    ),
    refused(
        "cuMulticastBindMem_v2",
        13010,
        _MULTICAST,
        handle("mcHandle", MEMORY),
        value("dev", "CUdevice"),
        value("mcOffset", "size_t"),
        handle("memHandle", MEMORY),
        value("memOffset", "size_t"),
        value("size", "size_t"),
        value("flags", "unsigned long long"),
    ),
    refused(
        "cuMulticastBindAddr",
        12010,
        _MULTICAST,
        handle("mcHandle", MEMORY),
        value("mcOffset", "size_t"),
        device_pointer("memptr"),
        value("size", "size_t"),
        value("flags", "unsigned long long"),
    ),
    refused(
        "cuMulticastBindAddr_v2",
        13010,
        _MULTICAST,
        handle("mcHandle", MEMORY),
        value("dev", "CUdevice"),
        value("mcOffset", "size_t"),
        device_pointer("memptr"),
        value("size", "size_t"),
        value("flags", "unsigned long long"),
    ),
    refused(
        "cuMulticastUnbind",
        12010,
        _MULTICAST,
        handle("mcHandle", MEMORY),
        value("dev", "CUdevice"),
        value("mcOffset", "size_t"),
        value("size", "size_t"),
    ),
    refused(
        "cuMulticastGetGranularity",
        12010,
        _MULTICAST,
        out("granularity", "size_t"),
        opaque("prop", "const CUmulticastObjectProp *"),
        value("option", "CUmulticastGranularity_flags"),
    ),
)
