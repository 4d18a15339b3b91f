// nvidia-smi's private table, answered from what the server says of the lease's devices.
#include <algorithm>
#include <new>
#include <vector>

#include "bitfusion/nvml_private_table.h"
#include "calls/rows.h"
#include "interposer/log.h"
#include "interposer/nvml/library.h"
#include "interposer/nvml/processes.h"
#include "interposer/nvml/question.h"
#include "interposer/nvml/server.h"

namespace bitfusion::interposer::nvml {
namespace {

using nvml_private::ProcessEntry;
using nvml_private::Table;

int refuse(const char* name) {
  log_refusal(name, "its meaning is not known");
  return NVML_ERROR_NOT_SUPPORTED;
}

nvmlReturn_t device_by_index(uint32_t index, nvmlDevice_t* device, uint32_t) {
  if (!initialised()) return NVML_ERROR_UNINITIALIZED;
  if (index >= device_count() || device == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  *device = handle_of(index);
  return NVML_SUCCESS;
}

nvmlReturn_t compute_processes(nvmlDevice_t device, uint32_t* count, ProcessEntry* entries) {
  std::vector<nvmlProcessInfo_t> found;
  if (nvmlReturn_t error = list_processes(device, &found)) return error;
  if (count == nullptr || (*count != 0 && entries == nullptr)) return NVML_ERROR_INVALID_ARGUMENT;
  const size_t room = *count;
  *count = static_cast<uint32_t>(found.size());
  if (room < found.size()) return NVML_ERROR_INSUFFICIENT_SIZE;
  std::transform(found.begin(), found.end(), entries, [](const nvmlProcessInfo_t& process) {
    ProcessEntry entry{process.pid, 0, process.usedGpuMemory, process.gpuInstanceId, process.computeInstanceId, 0, {}};
    process_name(process.pid, entry.name, sizeof entry.name);
    return entry;
  });
  return NVML_SUCCESS;
}

nvmlReturn_t no_processes(nvmlDevice_t device, uint32_t* count, ProcessEntry*) {
  unsigned ordinal = 0;
  if (nvmlReturn_t error = ordinal_of(device, &ordinal)) return error;
  if (count == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  *count = 0;
  return NVML_SUCCESS;
}

nvmlReturn_t host_max_pcie_generation(nvmlDevice_t device, uint32_t* generation) {
  return Question(knvmlDeviceGetMaxPcieLinkGeneration, Life::kFixed, device).ask(Out{generation});
}

const Table& table() {
  alignas(Table) static std::byte storage[sizeof(Table)];
  static const Table* const made = new (storage)
      Table(nvml_private::make_table<&refuse>({device_by_index, compute_processes, no_processes, no_processes, host_max_pcie_generation}));
  return *made;
}

}  // namespace
}  // namespace bitfusion::interposer::nvml

extern "C" __attribute__((visibility("default"))) nvmlReturn_t nvmlInternalGetExportTable(const void** out, const void* id) {
  if (out == nullptr || id == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  if (!bitfusion::nvml_private::is_table_id(id)) return NVML_ERROR_NOT_FOUND;
  *out = bitfusion::interposer::nvml::table().data();
  return NVML_SUCCESS;
}
