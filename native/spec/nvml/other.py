"""Calls that are refused, one group a reason."""

from __future__ import annotations

from native.spec.nvml_model import refused

ROWS = (
    *refused(
        "the server's chassis is not shown",
        """
        nvmlSystemGetHicVersion nvmlUnitGetHandleByIndex nvmlUnitGetUnitInfo nvmlUnitGetLedState nvmlUnitGetPsuInfo
        nvmlUnitGetTemperature nvmlUnitGetFanSpeedInfo nvmlUnitGetDevices nvmlGetExcludedDeviceInfoByIndex
        nvmlGetBlacklistDeviceInfoByIndex
        """,
    ),
    *refused(
        "confidential computing is between a server and its GPUs",
        """
        nvmlSystemGetConfComputeGpusReadyState nvmlDeviceGetConfComputeGpuCertificate nvmlDeviceGetConfComputeGpuAttestationReport
        nvmlSystemGetConfComputeKeyRotationThresholdInfo nvmlSystemGetConfComputeSettings nvmlSystemGetConfComputeSettings_v2
        """,
    ),
    *refused(
        "would show what other sessions do",
        """
        nvmlDeviceGetEncoderSessions nvmlDeviceGetFBCSessions nvmlDeviceGetRunningProcessDetailList nvmlDeviceGetAccountingStats
        nvmlDeviceGetAccountingPids nvmlDeviceGetAccountingStats_v2 nvmlDeviceGetProcessUtilization
        nvmlDeviceGetProcessesUtilizationInfo nvmlDeviceGetHostname_v1 nvmlDeviceQueryDrainState
        """,
    ),
    *refused(
        "sampling is not remoted yet",
        """
        nvmlDeviceGetSamples nvmlDevicePerfMetricsGetSamples_v1 nvmlGpmMetricsGet nvmlGpmSampleFree nvmlGpmSampleAlloc nvmlGpmSampleGet
        nvmlGpmQueryDeviceSupport nvmlGpmQueryIfStreamingEnabled
        """,
    ),
    *refused(
        "not remoted yet",
        """
        nvmlSystemGetCPER_v1 nvmlDeviceGetHandleByUUIDV
        nvmlDeviceGetBBXTimeData_v1 nvmlDeviceGetFanControlPolicy_v2
        nvmlDeviceGetSupportedPerformanceStates
        nvmlDeviceGetPowerMizerMode_v1 nvmlDeviceGetAdaptiveTgpModeInfo_v1 nvmlDeviceGetMemoryLimits_v1 nvmlDeviceGetDramEncryptionMode
        nvmlDeviceGetGspFirmwareVersion nvmlDeviceGetRetiredPages_v2 nvmlDeviceGetClkMonStatus nvmlDeviceReadPRMCounters_v1
        nvmlDeviceWorkloadPowerProfileGetProfilesInfo nvmlDeviceWorkloadPowerProfileGetCurrentProfiles
        nvmlDeviceGetSramUniqueUncorrectedEccErrorCounts nvmlDeviceGetRemappedRows_v2 nvmlDeviceGetBankRemapperStatus_v1
        """,
    ),
)
