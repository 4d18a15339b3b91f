"""Readings: temperature, fans, power, clocks, utilisation, link."""

from __future__ import annotations

from native.spec.model import out, value
from native.spec.nvml_model import DEVICE, each, fixed, listed, live, rare, versioned, versioned_inout

_CLOCK = value("type", "nvmlClockType_t")
_MHZ = out("clock", "unsigned int")
_LIMIT = out("limit", "unsigned int")
_REASONS = out("reasons", "unsigned long long")
_UTILIZATION = (out("utilization", "unsigned int"), out("samplingPeriodUs", "unsigned int"))

ROWS = (
    live("nvmlDeviceGetTemperature", DEVICE, value("sensorType", "nvmlTemperatureSensors_t"), out("temp", "unsigned int"), ahead=each(0)),
    live("nvmlDeviceGetTemperatureV", DEVICE, versioned_inout("temperature", "nvmlTemperature_t")),
    live("nvmlDeviceGetMarginTemperature", DEVICE, versioned("marginTempInfo", "nvmlMarginTemperature_t")),
    fixed("nvmlDeviceGetTemperatureThreshold", DEVICE, value("thresholdType", "nvmlTemperatureThresholds_t"), out("temp", "unsigned int"),
          ahead=each(0, 1, 2, 3)),
    live("nvmlDeviceGetThermalSettings", DEVICE, value("sensorIndex", "unsigned int"), out("pThermalSettings", "nvmlGpuThermalSettings_t")),
    fixed("nvmlDeviceGetNumFans", DEVICE, out("numFans", "unsigned int")),
    live("nvmlDeviceGetFanSpeed", DEVICE, out("speed", "unsigned int"), ahead=((),)),
    live("nvmlDeviceGetFanSpeed_v2", DEVICE, value("fan", "unsigned int"), out("speed", "unsigned int")),
    live("nvmlDeviceGetFanSpeedRPM", DEVICE, versioned_inout("fanSpeed", "nvmlFanSpeedInfo_t")),
    live("nvmlDeviceGetTargetFanSpeed", DEVICE, value("fan", "unsigned int"), out("targetSpeed", "unsigned int")),
    rare("nvmlDeviceGetMinMaxFanSpeed", DEVICE, out("minSpeed", "unsigned int"), out("maxSpeed", "unsigned int")),
    live("nvmlDeviceGetCoolerInfo", DEVICE, versioned_inout("coolerInfo", "nvmlCoolerInfo_t")),
    live("nvmlDeviceGetPowerUsage", DEVICE, out("power", "unsigned int"), ahead=((),)),
    live("nvmlDeviceGetPowerManagementMode", DEVICE, out("mode", "nvmlEnableState_t"), ahead=((),)),
    live("nvmlDeviceGetPowerManagementLimit", DEVICE, _LIMIT, ahead=((),)),
    live("nvmlDeviceGetEnforcedPowerLimit", DEVICE, _LIMIT, ahead=((),)),
    fixed("nvmlDeviceGetPowerManagementDefaultLimit", DEVICE, out("defaultLimit", "unsigned int")),
    fixed("nvmlDeviceGetPowerManagementLimitConstraints", DEVICE, out("minLimit", "unsigned int"), out("maxLimit", "unsigned int")),
    rare("nvmlDeviceGetTotalEnergyConsumption", DEVICE, out("energy", "unsigned long long")),
    live("nvmlDeviceGetPerformanceState", DEVICE, out("pState", "nvmlPstates_t"), ahead=((),)),
    rare("nvmlDeviceGetPowerState", DEVICE, out("pState", "nvmlPstates_t")),
    rare("nvmlDeviceGetDynamicPstatesInfo", DEVICE, out("pDynamicPstatesInfo", "nvmlGpuDynamicPstatesInfo_t")),
    live("nvmlDeviceGetClockInfo", DEVICE, _CLOCK, _MHZ, ahead=each(0, 1, 2, 3)),
    fixed("nvmlDeviceGetMaxClockInfo", DEVICE, _CLOCK, _MHZ, ahead=each(0, 1, 2, 3)),
    fixed("nvmlDeviceGetMaxCustomerBoostClock", DEVICE, _CLOCK, _MHZ, ahead=each(0)),
    rare("nvmlDeviceGetClock", DEVICE, _CLOCK, value("clockId", "nvmlClockId_t"), _MHZ, ahead=()),
    live("nvmlDeviceGetApplicationsClock", DEVICE, _CLOCK, _MHZ, ahead=each(0, 2)),
    fixed("nvmlDeviceGetDefaultApplicationsClock", DEVICE, _CLOCK, _MHZ, ahead=each(0, 2)),
    rare("nvmlDeviceGetGpcClkVfOffset", DEVICE, out("offset", "int")),
    rare("nvmlDeviceGetMemClkVfOffset", DEVICE, out("offset", "int")),
    fixed("nvmlDeviceGetGpcClkMinMaxVfOffset", DEVICE, out("minOffset", "int"), out("maxOffset", "int"), ahead=()),
    fixed("nvmlDeviceGetMemClkMinMaxVfOffset", DEVICE, out("minOffset", "int"), out("maxOffset", "int"), ahead=()),
    live("nvmlDeviceGetClockOffsets", DEVICE, versioned_inout("info", "nvmlClockOffset_t")),
    live("nvmlDeviceGetPerformanceModes", DEVICE, versioned("perfModes", "nvmlDevicePerfModes_t")),
    live("nvmlDeviceGetCurrentClockFreqs", DEVICE, versioned("currentClockFreqs", "nvmlDeviceCurrentClockFreqs_t")),
    fixed("nvmlDeviceGetMinMaxClockOfPState", DEVICE, _CLOCK, value("pstate", "nvmlPstates_t"), out("minClockMHz", "unsigned int"),
          out("maxClockMHz", "unsigned int"), ahead=()),
    fixed("nvmlDeviceGetSupportedMemoryClocks", DEVICE, *listed("clocksMHz", "unsigned int", "count"), ahead=()),
    fixed("nvmlDeviceGetSupportedGraphicsClocks", DEVICE, value("memoryClockMHz", "unsigned int"),
          *listed("clocksMHz", "unsigned int", "count"), ahead=()),
    rare("nvmlDeviceGetAutoBoostedClocksEnabled", DEVICE, out("isEnabled", "nvmlEnableState_t"), out("defaultIsEnabled", "nvmlEnableState_t")),
    rare("nvmlDeviceGetAdaptiveClockInfoStatus", DEVICE, out("adaptiveClockStatus", "unsigned int")),
    rare("nvmlDeviceGetCurrentClocksEventReasons", DEVICE, _REASONS),
    live("nvmlDeviceGetCurrentClocksThrottleReasons", DEVICE, _REASONS, ahead=((),)),
    fixed("nvmlDeviceGetSupportedClocksEventReasons", DEVICE, _REASONS, ahead=()),
    fixed("nvmlDeviceGetSupportedClocksThrottleReasons", DEVICE, _REASONS),
    live("nvmlDeviceGetUtilizationRates", DEVICE, out("utilization", "nvmlUtilization_t"), ahead=((),)),
    rare("nvmlDeviceGetEncoderUtilization", DEVICE, *_UTILIZATION),
    rare("nvmlDeviceGetDecoderUtilization", DEVICE, *_UTILIZATION),
    rare("nvmlDeviceGetJpgUtilization", DEVICE, *_UTILIZATION),
    rare("nvmlDeviceGetOfaUtilization", DEVICE, *_UTILIZATION),
    live("nvmlDeviceGetEncoderCapacity", DEVICE, value("encoderQueryType", "nvmlEncoderType_t"), out("encoderCapacity", "unsigned int")),
    rare("nvmlDeviceGetEncoderStats", DEVICE, out("sessionCount", "unsigned int"), out("averageFps", "unsigned int"),
         out("averageLatency", "unsigned int")),
    rare("nvmlDeviceGetFBCStats", DEVICE, out("fbcStats", "nvmlFBCStats_t")),
    live("nvmlDeviceGetCurrPcieLinkGeneration", DEVICE, out("currLinkGen", "unsigned int"), ahead=((),)),
    live("nvmlDeviceGetCurrPcieLinkWidth", DEVICE, out("currLinkWidth", "unsigned int"), ahead=((),)),
    rare("nvmlDeviceGetPcieSpeed", DEVICE, out("pcieSpeed", "unsigned int")),
    rare("nvmlDeviceGetPcieReplayCounter", DEVICE, out("value", "unsigned int")),
    # Measured by the driver over 20 ms, so never fetched ahead.
    live("nvmlDeviceGetPcieThroughput", DEVICE, value("counter", "nvmlPcieUtilCounter_t"), out("value", "unsigned int")),
    rare("nvmlDeviceGetGpuUptime_v1", DEVICE, out("uptime", "nvmlGpuUptime_v1_t")),
    rare("nvmlDeviceGetLastBBXFlushTime", DEVICE, out("timestamp", "unsigned long long"), out("durationUs", "unsigned long")),
    live("nvmlDeviceGetViolationStatus", DEVICE, value("perfPolicyType", "nvmlPerfPolicyType_t"), out("violTime", "nvmlViolationTime_t")),
)  # fmt: skip
