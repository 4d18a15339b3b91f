#include "worker/staging.h"

#include <sys/mman.h>

#include <new>

namespace bitfusion::worker {

Staging::Staging() {
  void* memory = mmap(nullptr, size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  memory_ = static_cast<std::byte*>(memory);
  for (size_t i = kChunks; i-- > 0;) free_.push_back(memory_ + i * wire::kMaxChunk);
}

Staging::~Staging() { munmap(memory_, size()); }

std::byte* Staging::try_acquire(size_t keep) {
  std::lock_guard guard(lock_);
  if (free_.size() <= keep) return nullptr;
  std::byte* chunk = free_.back();
  free_.pop_back();
  return chunk;
}

void Staging::release(std::byte* chunk) {
  std::lock_guard guard(lock_);
  free_.push_back(chunk);
}

}  // namespace bitfusion::worker
