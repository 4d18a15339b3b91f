"""Settings of a device, to be read; changing them is refused."""

from __future__ import annotations

from native.spec.model import out, value
from native.spec.nvml_model import DEVICE, fixed, live, rare, versioned

_MODE = out("mode", "nvmlEnableState_t")
_CURRENT = out("current", "nvmlDriverModel_t", nullable=True)
_PENDING = out("pending", "nvmlDriverModel_t", nullable=True)

ROWS = (
    live("nvmlDeviceGetPersistenceMode", DEVICE, _MODE, ahead=((),)),
    live("nvmlDeviceGetComputeMode", DEVICE, out("mode", "nvmlComputeMode_t"), ahead=((),)),
    live("nvmlDeviceGetDisplayMode", DEVICE, _MODE, ahead=((),)),
    live("nvmlDeviceGetDisplayActive", DEVICE, out("isActive", "nvmlEnableState_t"), ahead=((),)),
    live("nvmlDeviceGetEccMode", DEVICE, out("current", "nvmlEnableState_t"), out("pending", "nvmlEnableState_t"), ahead=((),)),
    fixed("nvmlDeviceGetDefaultEccMode", DEVICE, out("defaultMode", "nvmlEnableState_t"), ahead=()),
    live("nvmlDeviceGetMigMode", DEVICE, out("currentMode", "unsigned int"), out("pendingMode", "unsigned int"), ahead=((),)),
    live("nvmlDeviceGetDriverModel", DEVICE, _CURRENT, _PENDING, ahead=((),)),
    rare("nvmlDeviceGetDriverModel_v2", DEVICE, _CURRENT, _PENDING),
    rare("nvmlDeviceGetGpuOperationMode", DEVICE, out("current", "nvmlGpuOperationMode_t"), out("pending", "nvmlGpuOperationMode_t"),
         ahead=((),)),
    live("nvmlDeviceGetAPIRestriction", DEVICE, value("apiType", "nvmlRestrictedAPI_t"), out("isRestricted", "nvmlEnableState_t")),
    live("nvmlDeviceGetVirtualizationMode", DEVICE, out("pVirtualMode", "nvmlGpuVirtualizationMode_t"), ahead=((),)),
    rare("nvmlDeviceGetAccountingMode", DEVICE, _MODE),
    rare("nvmlDeviceGetAccountingBufferSize", DEVICE, out("bufferSize", "unsigned int")),
    rare("nvmlDeviceGetGspFirmwareMode", DEVICE, out("isEnabled", "unsigned int"), out("defaultMode", "unsigned int")),
    rare("nvmlDeviceGetC2cModeInfoV", DEVICE, out("c2cModeInfo", "nvmlC2cModeInfo_v1_t")),
    rare("nvmlDeviceGetGpuFabricInfo", DEVICE, out("gpuFabricInfo", "nvmlGpuFabricInfo_t")),
    live("nvmlDeviceGetGpuFabricInfoV", DEVICE, versioned("gpuFabricInfo", "nvmlGpuFabricInfoV_t")),
    rare("nvmlDeviceGetConfComputeMemSizeInfo", DEVICE, out("memInfo", "nvmlConfComputeMemSizeInfo_t")),
    live("nvmlSystemGetConfComputeCapabilities", out("capabilities", "nvmlConfComputeSystemCaps_t")),
    live("nvmlSystemGetConfComputeState", out("state", "nvmlConfComputeSystemState_t")),
)  # fmt: skip
