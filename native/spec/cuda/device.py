"""Device calls."""

from __future__ import annotations

from native.spec.model import CallClass, Run, Scope, array_out, call, code, inout, opaque, out, refused, struct_in, text_in, value

ASYNC = CallClass.ASYNC
LOCAL = CallClass.LOCAL
SYNC = CallClass.SYNC

_LUID = "such numbers are of another operating system"
_NOTICES = "the driver would call the application when another process wants memory back"

ROWS = (
    call(
        "cuDeviceGetTexture1DLinearMaxWidth",
        11010,
        SYNC,
        out("maxWidthInElements", "size_t"),
        value("format", "CUarray_format"),
        value("numChannels", "unsigned"),
        value("dev", "CUdevice"),
        scope=Scope.INIT,
    ),
    call("cuDeviceGet", 2000, LOCAL, out("device", "CUdevice"), value("ordinal", "int"), scope=Scope.INIT),
    call("cuDeviceGetCount", 2000, LOCAL, out("count", "int"), scope=Scope.INIT),
    call("cuDeviceGetName", 2000, LOCAL, opaque("name", "char *"), value("len", "int"), value("dev", "CUdevice"), scope=Scope.INIT),
    call("cuDeviceGetUuid", 9020, LOCAL, out("uuid", "CUuuid"), value("dev", "CUdevice"), scope=Scope.INIT),
    call("cuDeviceGetUuid_v2", 11040, LOCAL, out("uuid", "CUuuid"), value("dev", "CUdevice"), scope=Scope.INIT),
    refused("cuDeviceGetLuid", 10000, _LUID, opaque("luid", "char *"), out("deviceNodeMask", "unsigned int"), value("dev", "CUdevice")),
    call("cuDeviceTotalMem", 2000, LOCAL, out("bytes", "unsigned int"), value("dev", "CUdevice"), scope=Scope.INIT),
    call("cuDeviceTotalMem_v2", 3020, LOCAL, out("bytes", "size_t"), value("dev", "CUdevice"), scope=Scope.INIT),
    call(
        "cuDeviceGetAttribute",
        2000,
        LOCAL,
        out("pi", "int"),
        value("attrib", "CUdevice_attribute"),
        value("dev", "CUdevice"),
        scope=Scope.INIT,
    ),
    call(
        "cuDeviceGetHostAtomicCapabilities",
        13000,
        LOCAL,
        out("capabilities", "unsigned int"),
        struct_in("operations", "CUatomicOperation"),
        value("count", "unsigned int"),
        value("dev", "CUdevice"),
        scope=Scope.INIT,
    ),
    call(
        "cuDeviceGetExecAffinitySupport",
        11040,
        SYNC,
        out("pi", "int"),
        value("type", "CUexecAffinityType"),
        value("dev", "CUdevice"),
        scope=Scope.INIT,
    ),
    call("cuDeviceGetProperties", 2000, LOCAL, out("prop", "CUdevprop"), value("dev", "CUdevice"), scope=Scope.INIT),
    call("cuDeviceComputeCapability", 2000, LOCAL, out("major", "int"), out("minor", "int"), value("dev", "CUdevice"), scope=Scope.INIT),
    refused(
        "cuDeviceRegisterAsyncNotification",
        12040,
        _NOTICES,
        value("device", "CUdevice"),
        code("callbackFunc", "CUasyncCallback"),
        opaque("userData", "void *"),
        out("callback", "CUasyncCallbackHandle"),
    ),
    refused(
        "cuDeviceUnregisterAsyncNotification", 12040, _NOTICES, value("device", "CUdevice"), value("callback", "CUasyncCallbackHandle")
    ),
    call("cuDeviceGetByPCIBusId", 4010, LOCAL, out("dev", "CUdevice"), text_in("pciBusId"), scope=Scope.INIT),
    call("cuDeviceGetPCIBusId", 4010, LOCAL, opaque("pciBusId", "char *"), value("len", "int"), value("dev", "CUdevice"), scope=Scope.INIT),
    call("cuDeviceGetCliqueCount", 13040, SYNC, out("count", "size_t"), value("dev", "CUdevice"), scope=Scope.INIT),
    call(
        "cuDeviceGetCliqueInfo",
        13040,
        SYNC,
        array_out("cliqueInfo", "CUcliqueInfo", "*count", nullable=True),
        inout("count", "size_t"),
        value("dev", "CUdevice"),
        scope=Scope.INIT,
    ),
    call("cuDeviceGraphMemTrim", 11040, ASYNC, value("device", "CUdevice"), scope=Scope.INIT, run=Run.BLOCKING),
    call(
        "cuDeviceGetGraphMemAttribute",
        11040,
        SYNC,
        value("device", "CUdevice"),
        value("attr", "CUgraphMem_attribute"),
        opaque("value", "void *"),
        scope=Scope.INIT,
        via="GraphMemoryGet",
    ),
    call(
        "cuDeviceSetGraphMemAttribute",
        11040,
        SYNC,
        value("device", "CUdevice"),
        value("attr", "CUgraphMem_attribute"),
        opaque("value", "void *"),
        scope=Scope.INIT,
        via="GraphMemorySet",
    ),
)
