"""How GPUs of the server are connected with each other and with its processors."""

from __future__ import annotations

from native.spec.nvml_model import refused

ROWS = refused(
    "says where GPUs sit in the server, not in this machine",
    """
        nvmlDeviceGetNvLinkState nvmlDeviceGetNvLinkVersion nvmlDeviceGetNvLinkCapability nvmlDeviceGetNvLinkRemotePciInfo_v2
        nvmlDeviceGetNvLinkErrorCounter nvmlDeviceResetNvLinkErrorCounters nvmlDeviceSetNvLinkUtilizationControl
        nvmlDeviceGetNvLinkUtilizationControl nvmlDeviceGetNvLinkUtilizationCounter nvmlDeviceFreezeNvLinkUtilizationCounter
        nvmlDeviceResetNvLinkUtilizationCounter nvmlDeviceGetNvLinkRemoteDeviceType nvmlDeviceSetNvLinkDeviceLowPowerThreshold
        nvmlSystemSetNvlinkBwMode nvmlSystemGetNvlinkBwMode nvmlDeviceGetNvlinkSupportedBwModes nvmlDeviceGetNvlinkBwMode
        nvmlDeviceSetNvlinkBwMode nvmlDeviceSetNvlinkBwModeAsync_v1 nvmlDeviceGetNvLinkInfo nvmlDeviceGetNvLinkInfo_v3
        nvmlDeviceGetNvLinkTelemetrySamples_v1 nvmlDeviceGetNvlinkRemapTableInfo_v1 nvmlDeviceSetNvlinkNvleReady_v1
        nvmlDeviceLockNvlinkRemapTable_v1 nvmlDeviceSetupNvlinkNvleEncryptionKey_v1 nvmlDeviceGetNvlinkNvlePrivateInfo_v1
        nvmlDeviceGetNvLinkRemotePciInfo nvmlSystemGetTopologyGpuSet nvmlDeviceGetMemoryAffinity nvmlDeviceGetCpuAffinityWithinScope
        nvmlDeviceGetCpuAffinity nvmlDeviceSetCpuAffinity nvmlDeviceClearCpuAffinity nvmlDeviceGetTopologyCommonAncestor
        nvmlDeviceGetTopologyNearestGpus nvmlDeviceGetP2PStatus nvmlDeviceOnSameBoard nvmlDeviceGetGpuFabricInfo_v4
    """,
)
