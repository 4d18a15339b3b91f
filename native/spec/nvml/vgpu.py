"""Virtual GPUs of hypervisors and their licences."""

from __future__ import annotations

from native.spec.nvml_model import refused

ROWS = refused(
    "virtual GPUs are not lent",
    """
        nvmlDeviceGetHostVgpuMode nvmlDeviceSetVirtualizationMode nvmlDeviceGetVgpuHeterogeneousMode nvmlDeviceSetVgpuHeterogeneousMode
        nvmlVgpuInstanceGetPlacementId nvmlDeviceGetVgpuTypeSupportedPlacements nvmlDeviceGetVgpuTypeCreatablePlacements
        nvmlVgpuTypeGetGspHeapSize nvmlVgpuTypeGetFbReservation nvmlVgpuInstanceGetRuntimeStateSize nvmlDeviceSetVgpuCapabilities
        nvmlDeviceVgpuForceGspUnload nvmlDeviceGetGridLicensableFeatures_v4 nvmlGetVgpuDriverCapabilities nvmlDeviceGetVgpuCapabilities
        nvmlDeviceGetSupportedVgpus nvmlDeviceGetCreatableVgpus nvmlVgpuTypeGetClass nvmlVgpuTypeGetName
        nvmlVgpuTypeGetGpuInstanceProfileId nvmlVgpuTypeGetDeviceID nvmlVgpuTypeGetFramebufferSize nvmlVgpuTypeGetNumDisplayHeads
        nvmlVgpuTypeGetResolution nvmlVgpuTypeGetLicense nvmlVgpuTypeGetFrameRateLimit nvmlVgpuTypeGetMaxInstances
        nvmlVgpuTypeGetMaxInstancesPerVm nvmlVgpuTypeGetBAR1Info nvmlDeviceGetActiveVgpus nvmlVgpuInstanceGetVmID
        nvmlVgpuInstanceGetUUID nvmlVgpuInstanceGetVmDriverVersion nvmlVgpuInstanceGetFbUsage nvmlVgpuInstanceGetLicenseStatus
        nvmlVgpuInstanceGetType nvmlVgpuInstanceGetFrameRateLimit nvmlVgpuInstanceGetEccMode nvmlVgpuInstanceGetEncoderCapacity
        nvmlVgpuInstanceSetEncoderCapacity nvmlVgpuInstanceGetEncoderStats nvmlVgpuInstanceGetEncoderSessions
        nvmlVgpuInstanceGetFBCStats nvmlVgpuInstanceGetFBCSessions nvmlVgpuInstanceGetGpuInstanceId nvmlVgpuInstanceGetGpuPciId
        nvmlVgpuTypeGetCapabilities nvmlVgpuInstanceGetMdevUUID nvmlGpuInstanceGetCreatableVgpus
        nvmlVgpuTypeGetMaxInstancesPerGpuInstance nvmlGpuInstanceGetActiveVgpus nvmlGpuInstanceSetVgpuSchedulerState
        nvmlGpuInstanceGetVgpuSchedulerState nvmlGpuInstanceGetVgpuSchedulerLog nvmlGpuInstanceGetVgpuTypeCreatablePlacements
        nvmlGpuInstanceGetVgpuHeterogeneousMode nvmlGpuInstanceSetVgpuHeterogeneousMode nvmlDeviceGetVgpuSchedulerState_v2
        nvmlGpuInstanceGetVgpuSchedulerState_v2 nvmlDeviceGetVgpuSchedulerLog_v2 nvmlGpuInstanceGetVgpuSchedulerLog_v2
        nvmlDeviceSetVgpuSchedulerState_v2 nvmlGpuInstanceSetVgpuSchedulerState_v2 nvmlVgpuInstanceGetMetadata nvmlDeviceGetVgpuMetadata
        nvmlGetVgpuCompatibility nvmlDeviceGetPgpuMetadataString nvmlDeviceGetVgpuSchedulerLog nvmlDeviceGetVgpuSchedulerState
        nvmlDeviceSetVgpuSchedulerState nvmlDeviceGetVgpuSchedulerCapabilities nvmlGetVgpuVersion nvmlSetVgpuVersion
        nvmlDeviceGetVgpuUtilization nvmlDeviceGetVgpuInstancesUtilizationInfo nvmlDeviceGetVgpuProcessUtilization
        nvmlDeviceGetVgpuProcessesUtilizationInfo nvmlVgpuInstanceGetAccountingMode nvmlVgpuInstanceGetAccountingPids
        nvmlVgpuInstanceGetAccountingStats nvmlVgpuInstanceClearAccountingPids nvmlVgpuInstanceGetLicenseInfo_v2
        nvmlDeviceGetGridLicensableFeatures nvmlDeviceGetGridLicensableFeatures_v2 nvmlDeviceGetGridLicensableFeatures_v3
        nvmlVgpuInstanceGetLicenseInfo
    """,
)
