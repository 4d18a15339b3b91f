"""Calls that change a GPU or its driver."""

from __future__ import annotations

from native.spec.nvml_model import SHARED_BOARD, refused

ROWS = refused(
    SHARED_BOARD,
    """
        nvmlDeviceValidateInforom nvmlDeviceSetClockOffsets nvmlDeviceSetPowerMizerMode_v1 nvmlDeviceSetAdaptiveTgpMode_v1
        nvmlDeviceSetMemoryLimits_v1 nvmlDeviceSetDramEncryptionMode nvmlDeviceSetConfComputeUnprotectedMemSize
        nvmlSystemSetConfComputeGpusReadyState nvmlSystemSetConfComputeKeyRotationThresholdInfo nvmlDeviceSetPowerManagementLimit_v2 nvmlDeviceSetHostname_v1 nvmlUnitSetLedState
        nvmlDeviceSetPersistenceMode nvmlDeviceSetComputeMode nvmlDeviceSetEccMode nvmlDeviceClearEccErrorCounts
        nvmlDeviceSetDriverModel nvmlDeviceSetGpuLockedClocks nvmlDeviceResetGpuLockedClocks nvmlDeviceSetMemoryLockedClocks
        nvmlDeviceResetMemoryLockedClocks nvmlDeviceSetApplicationsClocks nvmlDeviceResetApplicationsClocks
        nvmlDeviceSetAutoBoostedClocksEnabled nvmlDeviceSetDefaultAutoBoostedClocksEnabled nvmlDeviceSetDefaultFanSpeed_v2
        nvmlDeviceSetFanControlPolicy nvmlDeviceSetTemperatureThreshold nvmlDeviceSetPowerManagementLimit nvmlDeviceSetGpuOperationMode
        nvmlDeviceSetAPIRestriction nvmlDeviceSetFanSpeed_v2 nvmlDeviceSetGpcClkVfOffset nvmlDeviceSetMemClkVfOffset
        nvmlDeviceSetAccountingMode nvmlDeviceClearAccountingPids nvmlDeviceModifyDrainState nvmlDeviceRemoveGpu_v2
        nvmlDeviceDiscoverGpus nvmlDeviceClearFieldValues nvmlDeviceReadWritePRM_v1 nvmlGpmSetStreamingEnabled
        nvmlDeviceWorkloadPowerProfileSetRequestedProfiles nvmlDeviceWorkloadPowerProfileClearRequestedProfiles
        nvmlDeviceWorkloadPowerProfileUpdateProfiles_v1 nvmlDevicePowerSmoothingActivatePresetProfile
        nvmlDevicePowerSmoothingUpdatePresetProfileParam nvmlDevicePowerSmoothingSetState nvmlDeviceSetRusdSettings_v1
        nvmlDeviceRemoveGpu
    """,
)
