// Which addresses are whose: device ranges, pinned ranges of host memory.
//
// Every device range is also reserved in the client's address space, without access, so that no host allocation ever gets the same address
// and a copy can tell its two sides apart.
#pragma once

#include <cstdint>
#include <map>
#include <shared_mutex>
#include <unordered_set>

namespace bitfusion::interposer {

enum class Memory : uint8_t { kDevice, kPool, kGraph, kManaged, kMapped, kReserved, kGlobal, kPinned, kRegistered };

struct Range {
  uint64_t base = 0;
  uint64_t size = 0;
  uint64_t context = 0;
  uint64_t pool = 0;    // handle of the pool it comes from
  uint64_t mapped = 0;  // host memory: its address on the device, once it has one
  uint64_t id = 0;      // CU_POINTER_ATTRIBUTE_BUFFER_ID
  int device = 0;
  unsigned flags = 0;
  Memory memory = Memory::kDevice;

  bool on_device() const { return memory < Memory::kPinned; }
  // Whether the application gives it back by its address.
  bool allocated() const { return memory <= Memory::kManaged; }
};

class Ranges {
 public:
  // Keeps [base, base + size) of the client's address space free of host memory; false: something is there already.
  bool reserve(uint64_t base, uint64_t size);
  void add(Range range);
  // Forgets the range that begins at `base`; false: none does.
  bool remove(uint64_t base, bool on_device, Range* removed = nullptr);
  // The range that contains `address`; of several, the one added for the smallest piece.
  bool find(uint64_t address, Range* range) const;
  bool on_device(uint64_t address) const;
  void forget_context(uint64_t context);

 private:
  static constexpr uint64_t kBlock = 2ull << 20;

  mutable std::shared_mutex mutex_;
  std::map<uint64_t, Range> ranges_;
  std::unordered_set<uint64_t> blocks_;  // reserved blocks of the address space, by number
  uint64_t next_id_ = 1;
};

Ranges& ranges();

}  // namespace bitfusion::interposer
