// What the driver knows about an address, and whether a copy or fill may touch a range.
#pragma once

#include <cstddef>
#include <cstdint>

#include "simgpu/api.h"

namespace simgpu {

CUresult pointer_attribute(CUpointer_attribute attribute, uint64_t address, void* data);
// 0: no such attribute.
size_t pointer_attribute_size(CUpointer_attribute attribute);

enum class Side {
  kDevice,   // must be the driver's memory
  kHost,     // any address of the process
  kUnified,  // either; a range that begins in the driver's memory must end there
};
bool range_allowed(uint64_t address, uint64_t size, Side side);

// Pinned or registered, or device memory: a copy may read or write it after the call has returned.
bool stays_valid(uint64_t address, uint64_t size);

}  // namespace simgpu
