// Readings that change with the load: temperature, fan, power, clocks, utilisation. A simulated sensor follows the busy time of its GPU.
#include <chrono>
#include <cstdlib>

#include "simgpu/nvml/activity.h"
#include "simgpu/nvml/board.h"
#include "simgpu/nvml/gpu.h"

namespace nvml = simgpu::nvml;
namespace board = simgpu::nvml::board;

namespace {

using nvml::ask;
using nvml::put;
using nvml::put_pair;
using simgpu::DeviceInfo;

unsigned temperature(const DeviceInfo& gpu) { return nvml::reading(gpu, board::kTemperatureIdle, board::kTemperatureBusy); }
unsigned power(const DeviceInfo& gpu) { return nvml::reading(gpu, board::kPowerIdleMilliwatts, board::kPowerBusyMilliwatts); }
unsigned fan(const DeviceInfo& gpu) { return nvml::reading(gpu, board::kFanPercentIdle, board::kFanPercentBusy); }
nvmlPstates_t pstate(const DeviceInfo& gpu) { return nvml::in_use(gpu) ? NVML_PSTATE_0 : NVML_PSTATE_8; }

/// Clocks in MHz of one domain.
struct ClockRange {
  unsigned idle;
  unsigned max;
};

/// Indexed by nvmlClockType_t.
constexpr ClockRange kClocks[NVML_CLOCK_COUNT] = {{board::kGraphicsClockIdle, board::kGraphicsClockMax},
                                                  {board::kGraphicsClockIdle, board::kGraphicsClockMax},
                                                  {board::kMemoryClockIdle, board::kMemoryClockMax},
                                                  {board::kVideoClockIdle, board::kVideoClockMax}};

nvmlReturn_t put_max_clock(nvmlDevice_t device, nvmlClockType_t type, unsigned* mhz) {
  if (type >= NVML_CLOCK_COUNT) return NVML_ERROR_INVALID_ARGUMENT;
  return put(device, mhz, kClocks[type].max);
}

nvmlReturn_t put_current_clock(nvmlDevice_t device, nvmlClockType_t type, unsigned* mhz) {
  if (type >= NVML_CLOCK_COUNT) return NVML_ERROR_INVALID_ARGUMENT;
  return ask(device, mhz, [&](const DeviceInfo& gpu) { return nvml::in_use(gpu) ? kClocks[type].max : kClocks[type].idle; });
}

/// The encoder, the decoder and their kind are there and never busy.
nvmlReturn_t put_idle_engine(nvmlDevice_t device, unsigned* percent, unsigned* period_us) {
  return put_pair(device, percent, period_us, 0u, 167'000u);
}

nvmlReturn_t read_field(nvmlDevice_t device, nvmlFieldValue_t* field) {
  field->valueType = NVML_VALUE_TYPE_UNSIGNED_INT;
  switch (field->fieldId) {
    case NVML_FI_DEV_POWER_AVERAGE:
    case NVML_FI_DEV_POWER_INSTANT:
      return ask(device, &field->value.uiVal, power);
    case NVML_FI_DEV_POWER_MIN_LIMIT:
      return put(device, &field->value.uiVal, board::kPowerLimitMinMilliwatts);
    case NVML_FI_DEV_POWER_MAX_LIMIT:
    case NVML_FI_DEV_POWER_DEFAULT_LIMIT:
    case NVML_FI_DEV_POWER_CURRENT_LIMIT:
    case NVML_FI_DEV_POWER_REQUESTED_LIMIT:
      return put(device, &field->value.uiVal, board::kPowerLimitMilliwatts);
    default:
      return NVML_ERROR_NOT_SUPPORTED;
  }
}

}  // namespace

extern "C" {

nvmlReturn_t nvmlDeviceGetTemperature(nvmlDevice_t device, nvmlTemperatureSensors_t sensor, unsigned int* celsius) {
  if (sensor != NVML_TEMPERATURE_GPU) return NVML_ERROR_INVALID_ARGUMENT;
  return ask(device, celsius, temperature);
}

nvmlReturn_t nvmlDeviceGetTemperatureV(nvmlDevice_t device, nvmlTemperature_t* reading) {
  if (reading == nullptr || reading->sensorType != NVML_TEMPERATURE_GPU) return NVML_ERROR_INVALID_ARGUMENT;
  if (reading->version != nvmlTemperature_v1) return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
  return ask(device, &reading->temperature, temperature);
}

nvmlReturn_t nvmlDeviceGetTemperatureThreshold(nvmlDevice_t device, nvmlTemperatureThresholds_t threshold, unsigned int* celsius) {
  switch (threshold) {
    case NVML_TEMPERATURE_THRESHOLD_SHUTDOWN:
      return put(device, celsius, board::kTemperatureShutdown);
    case NVML_TEMPERATURE_THRESHOLD_SLOWDOWN:
      return put(device, celsius, board::kTemperatureSlowdown);
    case NVML_TEMPERATURE_THRESHOLD_GPU_MAX:
      return put(device, celsius, board::kTemperatureMax);
    default:
      return NVML_ERROR_NOT_SUPPORTED;
  }
}

nvmlReturn_t nvmlDeviceGetMarginTemperature(nvmlDevice_t device, nvmlMarginTemperature_t* margin) {
  if (margin == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  if (margin->version != nvmlMarginTemperature_v1) return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
  return ask(device, &margin->marginTemperature, [](const DeviceInfo& gpu) { return board::kTemperatureMax - temperature(gpu); });
}

nvmlReturn_t nvmlDeviceGetNumFans(nvmlDevice_t device, unsigned int* fans) { return put(device, fans, board::kFans); }
nvmlReturn_t nvmlDeviceGetFanSpeed(nvmlDevice_t device, unsigned int* percent) { return ask(device, percent, fan); }
nvmlReturn_t nvmlDeviceGetFanSpeed_v2(nvmlDevice_t device, unsigned int index, unsigned int* percent) {
  return index < board::kFans ? ask(device, percent, fan) : NVML_ERROR_INVALID_ARGUMENT;
}

nvmlReturn_t nvmlDeviceGetPowerUsage(nvmlDevice_t device, unsigned int* milliwatts) { return ask(device, milliwatts, power); }
nvmlReturn_t nvmlDeviceGetPowerManagementMode(nvmlDevice_t device, nvmlEnableState_t* mode) {
  return put(device, mode, NVML_FEATURE_ENABLED);
}
nvmlReturn_t nvmlDeviceGetPowerManagementLimit(nvmlDevice_t device, unsigned int* milliwatts) {
  return put(device, milliwatts, board::kPowerLimitMilliwatts);
}
nvmlReturn_t nvmlDeviceGetPowerManagementDefaultLimit(nvmlDevice_t device, unsigned int* milliwatts) {
  return put(device, milliwatts, board::kPowerLimitMilliwatts);
}
nvmlReturn_t nvmlDeviceGetEnforcedPowerLimit(nvmlDevice_t device, unsigned int* milliwatts) {
  return put(device, milliwatts, board::kPowerLimitMilliwatts);
}
nvmlReturn_t nvmlDeviceGetPowerManagementLimitConstraints(nvmlDevice_t device, unsigned int* least, unsigned int* most) {
  return put_pair(device, least, most, board::kPowerLimitMinMilliwatts, board::kPowerLimitMilliwatts);
}

nvmlReturn_t nvmlDeviceGetPerformanceState(nvmlDevice_t device, nvmlPstates_t* state) { return ask(device, state, pstate); }
nvmlReturn_t nvmlDeviceGetPowerState(nvmlDevice_t device, nvmlPstates_t* state) { return ask(device, state, pstate); }

nvmlReturn_t nvmlDeviceGetClockInfo(nvmlDevice_t device, nvmlClockType_t type, unsigned int* mhz) {
  return put_current_clock(device, type, mhz);
}
nvmlReturn_t nvmlDeviceGetMaxClockInfo(nvmlDevice_t device, nvmlClockType_t type, unsigned int* mhz) {
  return put_max_clock(device, type, mhz);
}
nvmlReturn_t nvmlDeviceGetMaxCustomerBoostClock(nvmlDevice_t device, nvmlClockType_t type, unsigned int* mhz) {
  return put_max_clock(device, type, mhz);
}
nvmlReturn_t nvmlDeviceGetClock(nvmlDevice_t device, nvmlClockType_t type, nvmlClockId_t id, unsigned int* mhz) {
  if (id == NVML_CLOCK_ID_CURRENT) return put_current_clock(device, type, mhz);
  return id == NVML_CLOCK_ID_CUSTOMER_BOOST_MAX ? put_max_clock(device, type, mhz) : NVML_ERROR_NOT_SUPPORTED;
}

nvmlReturn_t nvmlDeviceGetSupportedMemoryClocks(nvmlDevice_t device, unsigned int* count, unsigned int* mhz) {
  if (nvmlReturn_t error = nvml::check(device)) return error;
  return nvml::put_list<unsigned>(count, mhz, {board::kMemoryClockMax, board::kMemoryClockIdle});
}

nvmlReturn_t nvmlDeviceGetSupportedGraphicsClocks(nvmlDevice_t device, unsigned int memory_mhz, unsigned int* count, unsigned int* mhz) {
  if (nvmlReturn_t error = nvml::check(device)) return error;
  if (memory_mhz == board::kMemoryClockIdle) return nvml::put_list<unsigned>(count, mhz, {board::kGraphicsClockIdle});
  if (memory_mhz != board::kMemoryClockMax) return NVML_ERROR_NOT_FOUND;
  return nvml::put_list<unsigned>(count, mhz, {board::kGraphicsClockMax, board::kGraphicsClockIdle});
}

nvmlReturn_t nvmlDeviceGetCurrentClocksEventReasons(nvmlDevice_t device, unsigned long long* reasons) {
  return ask(device, reasons,
             [](const DeviceInfo& gpu) { return nvml::in_use(gpu) ? nvmlClocksEventReasonNone : nvmlClocksEventReasonGpuIdle; });
}
nvmlReturn_t nvmlDeviceGetCurrentClocksThrottleReasons(nvmlDevice_t device, unsigned long long* reasons) {
  return nvmlDeviceGetCurrentClocksEventReasons(device, reasons);
}
nvmlReturn_t nvmlDeviceGetSupportedClocksEventReasons(nvmlDevice_t device, unsigned long long* reasons) {
  return put(device, reasons, nvmlClocksEventReasonGpuIdle);
}
nvmlReturn_t nvmlDeviceGetSupportedClocksThrottleReasons(nvmlDevice_t device, unsigned long long* reasons) {
  return nvmlDeviceGetSupportedClocksEventReasons(device, reasons);
}

nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t device, nvmlUtilization_t* rates) {
  return ask(device, rates, [](const DeviceInfo& gpu) {
    const unsigned percent = nvml::utilisation_percent(gpu);
    return nvmlUtilization_t{percent, percent};
  });
}

nvmlReturn_t nvmlDeviceGetEncoderUtilization(nvmlDevice_t device, unsigned int* percent, unsigned int* period_us) {
  return put_idle_engine(device, percent, period_us);
}
nvmlReturn_t nvmlDeviceGetDecoderUtilization(nvmlDevice_t device, unsigned int* percent, unsigned int* period_us) {
  return put_idle_engine(device, percent, period_us);
}
nvmlReturn_t nvmlDeviceGetJpgUtilization(nvmlDevice_t device, unsigned int* percent, unsigned int* period_us) {
  return put_idle_engine(device, percent, period_us);
}
nvmlReturn_t nvmlDeviceGetOfaUtilization(nvmlDevice_t device, unsigned int* percent, unsigned int* period_us) {
  return put_idle_engine(device, percent, period_us);
}

nvmlReturn_t nvmlDeviceGetFieldValues(nvmlDevice_t device, int count, nvmlFieldValue_t* fields) {
  if (nvmlReturn_t error = nvml::check(device)) return error;
  if (count < 0 || fields == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  for (int i = 0; i < count; i++) {
    fields[i].timestamp = std::chrono::duration_cast<std::chrono::microseconds>(now).count();
    fields[i].latencyUsec = 0;
    fields[i].nvmlReturn = read_field(device, &fields[i]);
  }
  return NVML_SUCCESS;
}

}  // extern "C"
