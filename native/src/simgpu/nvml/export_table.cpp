// nvidia-smi's private table, answered by the simulated GPUs.
#include "bitfusion/nvml_private_table.h"
#include "simgpu/nvml/board.h"
#include "simgpu/nvml/gpu.h"

namespace {

namespace nvml = simgpu::nvml;
using bitfusion::nvml_private::ProcessEntry;
using bitfusion::nvml_private::Table;

nvmlReturn_t device_by_index(uint32_t index, nvmlDevice_t* device, uint32_t) { return nvmlDeviceGetHandleByIndex_v2(index, device); }

nvmlReturn_t compute_processes(nvmlDevice_t device, uint32_t* count, ProcessEntry* entries) {
  if (nvmlReturn_t error = nvml::check(device)) return error;
  std::vector<ProcessEntry> all;
  for (const simgpu::ProcessUse& use : simgpu::SharedState::get().processes(nvml::gpu_of(device)->index)) {
    ProcessEntry entry{static_cast<uint32_t>(use.pid), 0, use.bytes, 0xFFFFFFFF, 0xFFFFFFFF, 0, {}};
    nvmlSystemGetProcessName(entry.pid, entry.name, sizeof entry.name);
    all.push_back(entry);
  }
  return nvml::put_list(count, entries, all);
}

nvmlReturn_t no_processes(nvmlDevice_t device, uint32_t* count, ProcessEntry* entries) {
  if (nvmlReturn_t error = nvml::check(device)) return error;
  return nvml::put_list<ProcessEntry>(count, entries, {});
}

nvmlReturn_t host_max_pcie_generation(nvmlDevice_t device, uint32_t* generation) {
  return nvml::put(device, generation, nvml::board::kPcieGeneration);
}

}  // namespace

extern "C" __attribute__((visibility("default"))) nvmlReturn_t nvmlInternalGetExportTable(const void** table, const void* id) {
  if (table == nullptr || id == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  if (!bitfusion::nvml_private::is_table_id(id)) return NVML_ERROR_NOT_FOUND;
  static const auto* const made = new Table(bitfusion::nvml_private::make_table<&simgpu_nvml_refuse>(
      {device_by_index, compute_processes, no_processes, no_processes, host_max_pcie_generation}));
  *table = made->data();
  return NVML_SUCCESS;
}
