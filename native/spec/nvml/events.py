"""Events of devices. None travels yet, so a set can be made and waited on, and registering for an event is refused."""

from __future__ import annotations

from native.spec.model import out, value
from native.spec.nvml_model import DEVICE, local, refused

_SET = value("set", "nvmlEventSet_t")
_DATA = out("data", "nvmlEventData_t")

ROWS = (
    local("nvmlEventSetCreate", out("set", "nvmlEventSet_t")),
    local("nvmlEventSetFree", _SET),
    local("nvmlDeviceGetSupportedEventTypes", DEVICE, out("eventTypes", "unsigned long long")),
    local("nvmlDeviceRegisterEvents", DEVICE, value("eventTypes", "unsigned long long"), _SET),
    local("nvmlEventSetWait", _SET, _DATA, value("timeoutms", "unsigned int")),
    local("nvmlEventSetWait_v2", _SET, _DATA, value("timeoutms", "unsigned int")),
    *refused(
        "events of the server's devices do not travel",
        """
        nvmlEventSetRegisterGpuOperationalEvents_v1 nvmlEventSetWait_v3 nvmlEventSetGetContextCount_v1 nvmlEventSetGetContextInfo_v1
        nvmlEventSetGetContextData_v1 nvmlEventSetGetGpuOperationalEventContextLegacyXid_v1 nvmlSystemEventSetCreate nvmlSystemEventSetFree
        nvmlSystemRegisterEvents nvmlSystemEventSetWait
        """,
    ),
)
