// Host memory through which large copies pass, in chunks. Bounded: who finds it empty waits, which is what slows the network down to the
// speed of the GPU.
#pragma once

#include <cstddef>
#include <mutex>
#include <vector>

#include "wire/frame.h"

namespace bitfusion::worker {

class Staging {
 public:
  static constexpr size_t kChunks = 32;

  Staging();
  ~Staging();
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  // Null when no more than `keep` chunks are free.
  std::byte* try_acquire(size_t keep = 0);
  void release(std::byte* chunk);

  void* memory() const { return memory_; }
  static constexpr size_t size() { return kChunks * size_t{wire::kMaxChunk}; }

 private:
  std::byte* memory_;
  std::mutex lock_;
  std::vector<std::byte*> free_;
};

}  // namespace bitfusion::worker
