// The blocks of a cluster: they run together on one operating-system thread, see each other's shared memory and have a barrier of their
// own.
#pragma once

#include <cstddef>
#include <cstdint>

namespace simgpu::exec {

class Block;
struct Fiber;

// An address of the cluster's shared memory: an offset in one block's, and above it the block's rank plus one (zero: one's own block).
inline constexpr unsigned kRankShift = 24;

class Cluster {
 public:
  // `count` blocks, one behind the other, of `threads` threads each.
  void begin(Block* first, uint32_t count, uint32_t threads);
  uint32_t size() const { return count_; }

  // The barrier. Whoever has arrived waits for the phase to be over.
  void arrive(Fiber* fiber);
  bool passed(const Fiber& fiber) const;
  void thread_ended(const Fiber& fiber);

  // Host memory behind a window address or generic address in shared memory of the cluster; nullptr: not there.
  uint8_t* in_window(uint64_t address, size_t bytes) const;
  bool contains(uint64_t address, size_t bytes) const;
  // Rank of the block whose shared memory a generic address lies in; size(): none.
  uint32_t rank_of(uint64_t address) const;
  const Block& block(uint32_t rank) const;

 private:
  void release_if_complete();
  const Block* first_ = nullptr;
  uint32_t count_ = 0;
  uint32_t living_ = 0;
  uint32_t arrived_ = 0;  // of the living
  uint32_t phase_ = 0;
};

}  // namespace simgpu::exec
