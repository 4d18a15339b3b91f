// The private table that nvidia-smi asks of NVML. Known is only what nvidia-smi does with it; every other slot refuses.
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <utility>

#include "simgpu/nvml/board.h"
#include "simgpu/nvml/gpu.h"

extern "C" __attribute__((visibility("hidden"))) int simgpu_nvml_refuse(const char* name);

namespace {

namespace nvml = simgpu::nvml;

constexpr unsigned char kTableId[16] = {0xc4, 0xfe, 0x3e, 0x6c, 0xc9, 0x8f, 0x6c, 0x4e, 0xa3, 0x27, 0xee, 0x69, 0x6e, 0x12, 0xf7, 0xc4};

constexpr size_t kSlots = 400;
using Table = std::array<const void*, kSlots>;

/// One process in the lists of slots 213 to 215.
struct ProcessEntry {
  uint32_t pid;
  uint32_t reserved;
  uint64_t used_bytes;
  uint32_t gpu_instance;
  uint32_t compute_instance;
  uint64_t reserved2;
  char name[4096];
};
static_assert(sizeof(ProcessEntry) == 4128);

template <size_t Slot>
int refuse() {
  char name[40];
  snprintf(name, sizeof name, "private function %zu", Slot);
  return simgpu_nvml_refuse(name);
}

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

template <size_t... Slots>
Table refusing_table(std::index_sequence<Slots...>) {
  return {reinterpret_cast<const void*>(&refuse<Slots>)...};
}

Table make_table() {
  Table table = refusing_table(std::make_index_sequence<kSlots>());
  table[0] = reinterpret_cast<const void*>(sizeof table);
  table[81] = reinterpret_cast<const void*>(&device_by_index);
  table[213] = reinterpret_cast<const void*>(&compute_processes);
  table[214] = reinterpret_cast<const void*>(&no_processes);
  table[215] = reinterpret_cast<const void*>(&no_processes);
  table[230] = reinterpret_cast<const void*>(&host_max_pcie_generation);
  return table;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) nvmlReturn_t nvmlInternalGetExportTable(const void** table, const void* id) {
  if (table == nullptr || id == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  if (memcmp(id, kTableId, sizeof kTableId) != 0) return NVML_ERROR_NOT_FOUND;
  static const auto* const all = new Table(make_table());
  *table = all->data();
  return NVML_SUCCESS;
}
