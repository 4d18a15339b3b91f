// The allocation file: what a client process must know to reach its lease. Format: docs/develop/architecture.md.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace bitfusion::transport {

struct Allocation {
  static constexpr size_t kMaxAddresses = 8;

  char session[37] = {};  // lease id, UUID as text
  std::array<uint8_t, 16> session_id = {};
  std::array<uint8_t, 32> key = {};
  char addresses[kMaxAddresses][64] = {};  // ip:port of the dispatcher, best first
  uint32_t address_count = 0;
  bool tls = true;
  char server[64] = {};   // manager address
  char version[32] = {};  // server version
  uint32_t gpus = 0;
  uint64_t memory_mib = 0;  // of each GPU
};

// Fills `allocation` from the file at `path`; on failure returns false and says why in `error`.
bool read_allocation(const char* path, Allocation* allocation, char* error, size_t error_size);

}  // namespace bitfusion::transport
