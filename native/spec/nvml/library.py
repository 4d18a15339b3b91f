"""The library: its start and end, versions, and the way from a name to a device."""

from __future__ import annotations

from native.spec.model import Hand, opaque, out, text_in, value
from native.spec.nvml_model import DEVICE, fixed, local, text, versioned

_HANDLE = out("device", "nvmlDevice_t")

ROWS = (
    local("nvmlInit"),
    local("nvmlInit_v2"),
    local("nvmlInitWithFlags", value("flags", "unsigned int")),
    local("nvmlShutdown"),
    local("nvmlErrorString", value("result", "nvmlReturn_t"), result="const char*"),
    local("nvmlInternalGetExportTable", opaque("table", "const void **"), opaque("id", "const void *")),
    fixed("nvmlSystemGetDriverVersion", *text("version")),
    fixed("nvmlSystemGetDriverBranch", versioned("branchInfo", "nvmlSystemDriverBranchInfo_t"), value("length", "unsigned int"), ahead=()),
    fixed("nvmlSystemGetNVMLVersion", *text("version")),
    # Both versions: the lower of the server's and what this library supports.
    fixed("nvmlSystemGetCudaDriverVersion_v2", out("cudaDriverVersion", "int"), hand=Hand.CLIENT),
    local("nvmlSystemGetCudaDriverVersion", out("cudaDriverVersion", "int")),
    local("nvmlSystemGetProcessName", value("pid", "unsigned int"), *text("name")),
    local("nvmlDeviceGetCount", out("deviceCount", "unsigned int")),
    local("nvmlDeviceGetCount_v2", out("deviceCount", "unsigned int")),
    local("nvmlDeviceGetHandleByIndex", value("index", "unsigned int"), _HANDLE),
    local("nvmlDeviceGetHandleByIndex_v2", value("index", "unsigned int"), _HANDLE),
    local("nvmlDeviceGetHandleBySerial", text_in("serial"), _HANDLE),
    local("nvmlDeviceGetHandleByUUID", text_in("uuid"), _HANDLE),
    local("nvmlDeviceGetHandleByPciBusId", text_in("pciBusId"), _HANDLE),
    local("nvmlDeviceGetHandleByPciBusId_v2", text_in("pciBusId"), _HANDLE),
    local("nvmlDeviceGetIndex", DEVICE, out("index", "unsigned int")),
    local("nvmlUnitGetCount", out("unitCount", "unsigned int")),
    local("nvmlGetExcludedDeviceCount", out("deviceCount", "unsigned int")),
    local("nvmlGetBlacklistDeviceCount", out("deviceCount", "unsigned int")),
)
