// The memory partition of a session: how much device memory its workers may hold on each GPU, together.
//
// A file shared by the workers of one session has one slot per worker and GPU; a worker writes only its own slot, under a file lock, and
// the dispatcher clears the slot of a worker that has died.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace bitfusion::worker {

class Budget {
 public:
  static constexpr uint32_t kMaxWorkers = 256;
  static constexpr uint32_t kMaxGpus = 32;

  struct Slot {
    uint32_t pid;  // 0: free
    uint32_t reserved;
    uint64_t bytes[kMaxGpus];
  };
  struct File {
    char magic[8];  // "BFBUDGT1"
    uint64_t reserved;
    Slot slots[kMaxWorkers];
  };
  static_assert(sizeof(Slot) == 264 && sizeof(File) == 16 + 256 * 264);

  // Opens or creates the file and claims a slot. `limit` is the partition of each GPU in bytes; 0: no limit (nothing is refused, all is
  // counted). An empty path keeps the account in this process alone. Throws std::runtime_error.
  Budget(const std::string& path, uint64_t limit);
  ~Budget();
  Budget(const Budget&) = delete;
  Budget& operator=(const Budget&) = delete;

  // Takes `bytes` of GPU number `gpu` (the client's ordinal); false when the partition has not that much left.
  bool reserve(uint32_t gpu, uint64_t bytes);
  void release(uint32_t gpu, uint64_t bytes);

  uint64_t limit() const { return limit_; }
  uint64_t used(uint32_t gpu) const;       // by all workers of the session
  uint64_t used_here(uint32_t gpu) const;  // by this worker

 private:
  uint64_t used_locked(uint32_t gpu) const;

  int fd_ = -1;
  File* file_ = nullptr;
  Slot* slot_ = nullptr;
  uint64_t limit_;
};

}  // namespace bitfusion::worker
