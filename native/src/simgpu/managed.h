// What programs have advised about managed memory. It needs no moving here, so advice is only remembered, to be asked for again.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <vector>

#include "simgpu/api.h"

namespace simgpu {

struct Advice {
  bool read_mostly = false;
  CUmemLocation preferred{};  // type 0: none
  CUmemLocation last_prefetch{};
  std::set<int> accessed_by;  // ordinals of devices, CU_DEVICE_CPU for the host
};

// Changes the advice for every page of a range.
void change_advice(uint64_t address, uint64_t size, const std::function<void(Advice*)>& change);

// The different pieces of advice for the pages of a range.
std::vector<Advice> advice_for(uint64_t address, uint64_t size);

// The memory has been freed.
void forget_advice(uint64_t address, uint64_t size);

}  // namespace simgpu
