// The private table that nvidia-smi asks of NVML (nvmlInternalGetExportTable). Known is only what nvidia-smi, releases 535 to 550, does
// with it; every other slot refuses.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <utility>

#include "bitfusion/nvml_api.h"

namespace bitfusion::nvml_private {

// One process in the lists.
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

using ListProcesses = nvmlReturn_t (*)(nvmlDevice_t device, uint32_t* count, ProcessEntry* entries);

// The slots with a known meaning.
struct Functions {
  nvmlReturn_t (*device_by_index)(uint32_t index, nvmlDevice_t* device, uint32_t flags);
  ListProcesses compute_processes;
  ListProcesses graphics_processes;
  ListProcesses mps_processes;
  nvmlReturn_t (*host_max_pcie_generation)(nvmlDevice_t device, uint32_t* generation);
};

constexpr size_t kSlots = 400;
using Table = std::array<const void*, kSlots>;  // the first word is the size in bytes

constexpr std::array<char, 21> slot_name(size_t slot) {
  std::array<char, 21> name = std::to_array("private function 000");
  for (size_t i = 20; slot != 0; slot /= 10) name[--i] = static_cast<char>('0' + slot % 10);
  return name;
}

template <int (*Refuse)(const char* name), size_t Slot>
int refuse_slot() {
  static constexpr auto kName = slot_name(Slot);
  return Refuse(kName.data());
}

template <int (*Refuse)(const char* name), size_t... Slots>
Table refusing_table(std::index_sequence<Slots...>) {
  return {reinterpret_cast<const void*>(&refuse_slot<Refuse, Slots>)...};
}

template <int (*Refuse)(const char* name)>
Table make_table(const Functions& functions) {
  Table table = refusing_table<Refuse>(std::make_index_sequence<kSlots>());
  table[0] = reinterpret_cast<const void*>(sizeof table);
  table[81] = reinterpret_cast<const void*>(functions.device_by_index);
  table[213] = reinterpret_cast<const void*>(functions.compute_processes);
  table[214] = reinterpret_cast<const void*>(functions.graphics_processes);
  table[215] = reinterpret_cast<const void*>(functions.mps_processes);
  table[230] = reinterpret_cast<const void*>(functions.host_max_pcie_generation);
  return table;
}

inline bool is_table_id(const void* id) {
  constexpr unsigned char kId[16] = {0xc4, 0xfe, 0x3e, 0x6c, 0xc9, 0x8f, 0x6c, 0x4e, 0xa3, 0x27, 0xee, 0x69, 0x6e, 0x12, 0xf7, 0xc4};
  return memcmp(id, kId, sizeof kId) == 0;
}

}  // namespace bitfusion::nvml_private
