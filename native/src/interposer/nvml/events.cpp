// Event sets. No event travels yet: a set can be made and waited on, which nvidia-smi and monitors do at their start, and stays empty.
#include <time.h>

#include "bitfusion/nvml_api.h"
#include "interposer/log.h"
#include "interposer/nvml/library.h"

namespace {

using namespace bitfusion::interposer::nvml;

char empty_set;  // all sets are alike; the handle is its address

nvmlReturn_t check(nvmlEventSet_t set) {
  if (!initialised()) return NVML_ERROR_UNINITIALIZED;
  return reinterpret_cast<char*>(set) == &empty_set ? NVML_SUCCESS : NVML_ERROR_INVALID_ARGUMENT;
}

nvmlReturn_t wait(nvmlEventSet_t set, unsigned timeout_ms) {
  if (nvmlReturn_t error = check(set)) return error;
  timespec rest{timeout_ms / 1000, static_cast<long>(timeout_ms % 1000) * 1'000'000};
  while (nanosleep(&rest, &rest) != 0) {
  }
  return NVML_ERROR_TIMEOUT;
}

}  // namespace

extern "C" {

nvmlReturn_t nvmlEventSetCreate(nvmlEventSet_t* set) {
  if (!initialised()) return NVML_ERROR_UNINITIALIZED;
  if (set == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  *set = reinterpret_cast<nvmlEventSet_t>(&empty_set);
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlEventSetFree(nvmlEventSet_t set) { return check(set); }

nvmlReturn_t nvmlDeviceGetSupportedEventTypes(nvmlDevice_t device, unsigned long long* types) {
  unsigned ordinal = 0;
  if (nvmlReturn_t error = ordinal_of(device, &ordinal)) return error;
  if (types == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  *types = 0;
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceRegisterEvents(nvmlDevice_t device, unsigned long long types, nvmlEventSet_t set) {
  unsigned ordinal = 0;
  if (nvmlReturn_t error = ordinal_of(device, &ordinal)) return error;
  if (nvmlReturn_t error = check(set)) return error;
  if (types == 0) return NVML_SUCCESS;
  bitfusion::interposer::log_refusal("nvmlDeviceRegisterEvents", "events of the server's devices do not travel");
  return NVML_ERROR_NOT_SUPPORTED;
}

nvmlReturn_t nvmlEventSetWait_v2(nvmlEventSet_t set, nvmlEventData_t*, unsigned int timeout_ms) { return wait(set, timeout_ms); }
nvmlReturn_t nvmlEventSetWait(nvmlEventSet_t set, nvmlEventData_t*, unsigned int timeout_ms) { return wait(set, timeout_ms); }

}  // extern "C"
