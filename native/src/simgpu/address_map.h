// Which addresses a kernel may touch. The driver keeps the map, the execution engine checks every access against it.
//
// All memory the driver hands out lies in one arena, reserved at a fixed place that other mappings do not use. The arena is divided into granules; one
// byte a granule says whether it belongs to a live allocation. Client memory made known by cuMemHostRegister lies outside: a short list.
#pragma once

#include <cstddef>
#include <cstdint>

namespace simgpu {

constexpr int kGranuleShift = 9;  // 512 bytes: the alignment of every allocation
constexpr uint64_t kGranuleSize = 1ull << kGranuleShift;

enum GranuleState : uint8_t {
  kInvalid = 0,
  kReadWrite = 1,
  kReadOnly = 2,  // VMM mappings with CU_MEM_ACCESS_FLAGS_PROT_READ
};

// Read by compiled kernels without a lock: base, size and granules never change once the first context exists.
struct AddressMap {
  uint64_t base = 0;
  uint64_t size = 0;
  const uint8_t* granules = nullptr;  // GranuleState of granules[(address - base) >> kGranuleShift]

  // True if [address, address + size) may be read (or written). Fast path above, registered host memory behind it.
  bool valid(uint64_t address, uint64_t size, bool write) const;
};

const AddressMap& address_map();

// The slow path of AddressMap::valid: memory outside the arena that the client registered.
bool registered_host_range(uint64_t address, uint64_t size);

inline bool AddressMap::valid(uint64_t address, uint64_t length, bool write) const {
  const uint64_t offset = address - base;
  if (offset >= size || length > size - offset) return registered_host_range(address, length);
  if (length == 0) return true;
  const uint8_t bad = write ? kReadOnly : kInvalid;
  const uint64_t last = (offset + length - 1) >> kGranuleShift;
  for (uint64_t i = offset >> kGranuleShift; i <= last; i++) {
    if (granules[i] == kInvalid || granules[i] == bad) return false;
  }
  return true;
}

}  // namespace simgpu
