"""Memory in use and who uses it (the worker answers with the partition and the session's own use), and memory errors."""

from __future__ import annotations

from native.spec.model import Hand, opaque, out, value
from native.spec.nvml_model import DEVICE, each, fixed, listed, live, local, rare, versioned

_ERROR = value("errorType", "nvmlMemoryErrorType_t")
_COUNTER = value("counterType", "nvmlEccCounterType_t")
_LOCATIONS = range(8)

ROWS = (
    live("nvmlDeviceGetMemoryInfo", DEVICE, out("memory", "nvmlMemory_t"), hand=Hand.WORKER, ahead=((),)),
    live("nvmlDeviceGetMemoryInfo_v2", DEVICE, versioned("memory", "nvmlMemory_v2_t"), hand=Hand.WORKER, ahead=(("nvmlMemory_v2",),)),
    live("nvmlDeviceGetBAR1MemoryInfo", DEVICE, out("bar1Memory", "nvmlBAR1Memory_t"), ahead=((),)),
    rare("nvmlDeviceGetConfComputeProtectedMemoryUsage", DEVICE, out("memory", "nvmlMemory_t")),
    # Process ids mean nothing on another machine: the client lists itself, with the memory that its worker holds.
    local("nvmlDeviceGetComputeRunningProcesses", DEVICE, *listed("infos", "nvmlProcessInfo_v1_t", "infoCount")),
    local("nvmlDeviceGetComputeRunningProcesses_v2", DEVICE, *listed("infos", "nvmlProcessInfo_v2_t", "infoCount")),
    live("nvmlDeviceGetComputeRunningProcesses_v3", DEVICE, *listed("infos", "nvmlProcessInfo_t", "infoCount"), hand=Hand.BOTH, ahead=((),)),
    local("nvmlDeviceGetGraphicsRunningProcesses", DEVICE, *listed("infos", "nvmlProcessInfo_v1_t", "infoCount")),
    local("nvmlDeviceGetGraphicsRunningProcesses_v2", DEVICE, *listed("infos", "nvmlProcessInfo_v2_t", "infoCount")),
    local("nvmlDeviceGetGraphicsRunningProcesses_v3", DEVICE, *listed("infos", "nvmlProcessInfo_t", "infoCount")),
    local("nvmlDeviceGetMPSComputeRunningProcesses", DEVICE, *listed("infos", "nvmlProcessInfo_v1_t", "infoCount")),
    local("nvmlDeviceGetMPSComputeRunningProcesses_v2", DEVICE, *listed("infos", "nvmlProcessInfo_v2_t", "infoCount")),
    local("nvmlDeviceGetMPSComputeRunningProcesses_v3", DEVICE, *listed("infos", "nvmlProcessInfo_t", "infoCount")),
    live("nvmlDeviceGetFieldValues", DEVICE, value("valuesCount", "int"), opaque("values", "nvmlFieldValue_t *"), hand=Hand.BOTH),
    live("nvmlDeviceGetTotalEccErrors", DEVICE, _ERROR, _COUNTER, out("eccCounts", "unsigned long long"), ahead=((0, 0), (1, 0), (0, 1), (1, 1))),
    rare("nvmlDeviceGetMemoryErrorCounter", DEVICE, _ERROR, _COUNTER, value("locationType", "nvmlMemoryLocation_t"),
         out("count", "unsigned long long"),
         ahead=tuple((error, counter, place) for error in (0, 1) for counter in (0, 1) for place in _LOCATIONS)),
    live("nvmlDeviceGetDetailedEccErrors", DEVICE, _ERROR, _COUNTER, out("eccCounts", "nvmlEccErrorCounts_t")),
    rare("nvmlDeviceGetSramEccErrorStatus", DEVICE, versioned("status", "nvmlEccSramErrorStatus_t"), ahead=(("nvmlEccSramErrorStatus_v1",),)),
    rare("nvmlDeviceGetRetiredPages", DEVICE, value("cause", "nvmlPageRetirementCause_t"),
         *listed("addresses", "unsigned long long", "pageCount"), ahead=each(0, 1)),
    rare("nvmlDeviceGetRetiredPagesPendingStatus", DEVICE, out("isPending", "nvmlEnableState_t")),
    rare("nvmlDeviceGetRemappedRows", DEVICE, out("corrRows", "unsigned int"), out("uncRows", "unsigned int"),
         out("isPending", "unsigned int"), out("failureOccurred", "unsigned int")),
    rare("nvmlDeviceGetRowRemapperHistogram", DEVICE, out("values", "nvmlRowRemapperHistogramValues_t")),
    rare("nvmlDeviceGetUnrepairableMemoryFlag_v1", DEVICE, out("unrepairableMemoryStatus", "nvmlUnrepairableMemoryStatus_v1_t")),
    live("nvmlDeviceGetRepairStatus", DEVICE, versioned("repairStatus", "nvmlRepairStatus_t")),
    fixed("nvmlDeviceGetNumaNodeId", DEVICE, out("node", "unsigned int"), ahead=()),
    fixed("nvmlDeviceGetAddressingMode", DEVICE, versioned("mode", "nvmlDeviceAddressingMode_t"), ahead=()),
)  # fmt: skip
