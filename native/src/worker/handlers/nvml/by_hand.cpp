#include "worker/handlers/nvml/by_hand.h"

#include <algorithm>

namespace bitfusion::worker::nvml::by_hand {

// The partition, and what all workers of the session hold of it.
nvmlReturn_t nvmlDeviceGetMemoryInfo(Asked& asked, nvmlDevice_t device, nvmlMemory_t* memory) {
  Budget& budget = asked.server().budget();
  unsigned long long total = budget.limit();
  if (total == 0) {  // the whole GPU
    nvmlMemory_t physical = {};
    if (nvmlReturn_t error = asked.library().nvmlDeviceGetMemoryInfo(device, &physical)) return error;
    total = physical.total;
  }
  const auto used = std::min<unsigned long long>(budget.used(asked.ordinal()), total);
  *memory = {total, total - used, used};
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(Asked& asked, nvmlDevice_t device, nvmlMemory_v2_t* memory) {
  if (memory->version != nvmlMemory_v2) return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
  nvmlMemory_t plain;
  if (nvmlReturn_t error = nvmlDeviceGetMemoryInfo(asked, device, &plain)) return error;
  *memory = {nvmlMemory_v2, plain.total, 0, plain.free, plain.used};
  return NVML_SUCCESS;
}

// The client's process, once it holds memory; the client fills in its own pid.
nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(Asked& asked, nvmlDevice_t, unsigned* count, nvmlProcessInfo_t* processes) {
  constexpr unsigned kNoInstance = 0xFFFFFFFF;  // of a GPU that is not split by MIG
  const uint64_t bytes = asked.server().budget().used_here(asked.ordinal());
  *count = bytes != 0 ? 1 : 0;
  if (bytes != 0) processes[0] = {0, bytes, kNoInstance, kNoInstance};
  return NVML_SUCCESS;
}

void answer_nvmlDeviceGetFieldValues(Asked& asked) {
  nvmlDevice_t device = asked.device();
  nvmlFieldValue_t field = {};
  field.fieldId = asked.value<unsigned>();
  field.scopeId = asked.value<unsigned>();
  if (asked.call(asked.library().nvmlDeviceGetFieldValues, device, 1, &field)) asked.out(field);
}

}  // namespace bitfusion::worker::nvml::by_hand
