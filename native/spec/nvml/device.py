"""What a device is: names, identifiers, bus, board, capabilities. Nothing here changes."""

from __future__ import annotations

from native.spec.model import out, value
from native.spec.nvml_model import DEVICE, fixed, local, text, versioned

ROWS = (
    fixed("nvmlDeviceGetName", DEVICE, *text("name")),
    fixed("nvmlDeviceGetUUID", DEVICE, *text("uuid")),
    fixed("nvmlDeviceGetSerial", DEVICE, *text("serial")),
    fixed("nvmlDeviceGetBoardPartNumber", DEVICE, *text("partNumber")),
    fixed("nvmlDeviceGetVbiosVersion", DEVICE, *text("version")),
    fixed("nvmlDeviceGetInforomImageVersion", DEVICE, *text("version")),
    fixed("nvmlDeviceGetInforomVersion", DEVICE, value("object", "nvmlInforomObject_t"), *text("version"), ahead=((0,), (1,), (2,))),
    fixed("nvmlDeviceGetInforomConfigurationChecksum", DEVICE, out("checksum", "unsigned int"), ahead=()),
    fixed("nvmlDeviceGetBrand", DEVICE, out("type", "nvmlBrandType_t")),
    fixed("nvmlDeviceGetArchitecture", DEVICE, out("arch", "nvmlDeviceArchitecture_t")),
    fixed("nvmlDeviceGetCudaComputeCapability", DEVICE, out("major", "int"), out("minor", "int")),
    fixed("nvmlDeviceGetNumGpuCores", DEVICE, out("numCores", "unsigned int")),
    fixed("nvmlDeviceGetModuleId", DEVICE, out("moduleId", "unsigned int")),
    fixed("nvmlDeviceGetMinorNumber", DEVICE, out("minorNumber", "unsigned int")),
    fixed("nvmlDeviceGetBoardId", DEVICE, out("boardId", "unsigned int")),
    fixed("nvmlDeviceGetMultiGpuBoard", DEVICE, out("multiGpuBool", "unsigned int")),
    fixed("nvmlDeviceGetPciInfo_v3", DEVICE, out("pci", "nvmlPciInfo_t")),
    fixed("nvmlDeviceGetPciInfoExt", DEVICE, versioned("pci", "nvmlPciInfoExt_t"), ahead=()),
    local("nvmlDeviceGetPciInfo", DEVICE, out("pci", "nvmlPciInfo_t")),
    local("nvmlDeviceGetPciInfo_v2", DEVICE, out("pci", "nvmlPciInfo_t")),
    fixed("nvmlDeviceGetBusType", DEVICE, out("type", "nvmlBusType_t")),
    fixed("nvmlDeviceGetMaxPcieLinkGeneration", DEVICE, out("maxLinkGen", "unsigned int")),
    fixed("nvmlDeviceGetGpuMaxPcieLinkGeneration", DEVICE, out("maxLinkGenDevice", "unsigned int")),
    fixed("nvmlDeviceGetMaxPcieLinkWidth", DEVICE, out("maxLinkWidth", "unsigned int")),
    fixed("nvmlDeviceGetPcieLinkMaxSpeed", DEVICE, out("maxSpeed", "unsigned int"), ahead=()),
    fixed("nvmlDeviceGetMemoryBusWidth", DEVICE, out("busWidth", "unsigned int")),
    fixed("nvmlDeviceGetIrqNum", DEVICE, out("irqNum", "unsigned int"), ahead=()),
    fixed("nvmlDeviceGetPowerSource", DEVICE, out("powerSource", "nvmlPowerSource_t"), ahead=()),
    fixed("nvmlDeviceGetBridgeChipInfo", DEVICE, out("bridgeHierarchy", "nvmlBridgeChipHierarchy_t")),
    fixed("nvmlDeviceGetAttributes_v2", DEVICE, out("attributes", "nvmlDeviceAttributes_t"), ahead=()),
    local("nvmlDeviceGetAttributes", DEVICE, out("attributes", "nvmlDeviceAttributes_t")),
    fixed("nvmlDeviceGetCapabilities", DEVICE, versioned("caps", "nvmlDeviceCapabilities_t"), ahead=()),
    fixed("nvmlDeviceGetPlatformInfo", DEVICE, versioned("platformInfo", "nvmlPlatformInfo_t"), ahead=()),
    fixed("nvmlDeviceGetPdi", DEVICE, versioned("pdi", "nvmlPdi_t"), ahead=()),
    local("nvmlDeviceIsMigDeviceHandle", DEVICE, out("isMigDevice", "unsigned int")),
)
