#include "worker/handlers/pools.h"

#include <algorithm>
#include <chrono>
#include <thread>

namespace bitfusion::worker {
namespace {

// How long an allocation waits for memory that has been freed in streams. It may not wait for the streams themselves: they may wait for
// the client, which waits for the allocation.
constexpr std::chrono::milliseconds kPatience{200};
constexpr std::chrono::microseconds kPause{100};

}  // namespace

void Pools::open(CUmemoryPool handle, uint32_t device) {
  std::lock_guard lock(mutex_);
  pools_.try_emplace(handle).first->second.device = device;
}

CUresult Pools::allocate(CUmemoryPool handle, uint32_t device, CUdeviceptr* address, uint64_t size, const Allocate& make,
                         const Free& undo) {
  std::lock_guard lock(mutex_);
  auto [at, fresh] = pools_.try_emplace(handle);
  if (fresh) at->second.device = device;
  Pool& pool = at->second;
  settle(handle, pool);
  const bool paid = budget_.reserve(pool.device, size);
  if (paid) pool.charged += size;
  // Unpaid, it may still fit into what the pool keeps.
  if (paid || pool.kept() >= size) {
    const CUresult status = try_allocate(handle, address, size, make, undo);
    if (status != CUDA_ERROR_OUT_OF_MEMORY || paid) return status;
  }
  if (!collect(pool.device, size)) return CUDA_ERROR_OUT_OF_MEMORY;
  pool.charged += size;
  return try_allocate(handle, address, size, make, undo);
}

CUresult Pools::try_allocate(CUmemoryPool handle, CUdeviceptr* address, uint64_t size, const Allocate& make, const Free& undo) {
  Pool& pool = pools_.at(handle);
  const CUresult status = make(address);
  if (status == CUDA_SUCCESS) pool.live += size;
  const bool fits = settle(handle, pool);
  if (status != CUDA_SUCCESS) return status;
  if (fits) {
    ranges_[*address] = {handle, size};
    return CUDA_SUCCESS;
  }
  // The pool has grown by more than the partition has left.
  pool.live -= size;
  undo(*address);
  *address = 0;
  return CUDA_ERROR_OUT_OF_MEMORY;
}

bool Pools::remove(CUdeviceptr address) {
  std::lock_guard lock(mutex_);
  auto range = ranges_.find(address);
  if (range == ranges_.end()) return false;
  auto pool = pools_.find(range->second.pool);
  pool->second.live -= std::min(pool->second.live, range->second.size);
  ranges_.erase(range);
  settle(pool->first, pool->second);
  if (pool->second.closed && !pool->second.live) pools_.erase(pool);
  return true;
}

// The driver may give the handle of a pool that has gone to a new one, so what is left of it moves to a name of its own.
void Pools::close(CUmemoryPool handle) {
  std::lock_guard lock(mutex_);
  auto node = pools_.extract(handle);
  if (!node) return;
  node.mapped().closed = true;
  settle(handle, node.mapped());
  if (!node.mapped().live) return;
  auto gone = reinterpret_cast<CUmemoryPool>(++closed_);
  for (auto& [address, range] : ranges_) {
    if (range.pool == handle) range.pool = gone;
  }
  node.key() = gone;
  pools_.insert(std::move(node));
}

void Pools::settle() {
  std::lock_guard lock(mutex_);
  for (auto& [handle, pool] : pools_) settle(handle, pool);
}

bool Pools::make_room(uint32_t device, uint64_t size) {
  std::lock_guard lock(mutex_);
  return collect(device, size);
}

// False: it holds more than the partition has left, and is charged what it was.
bool Pools::settle(CUmemoryPool handle, Pool& pool) {
  const uint64_t now = reserved(handle, pool);
  if (!now) pool.live = 0;  // gone with its device's last context
  if (now > pool.charged && !budget_.reserve(pool.device, now - pool.charged)) return false;
  if (now < pool.charged) budget_.release(pool.device, pool.charged - now);
  pool.charged = now;
  return true;
}

uint64_t Pools::reserved(CUmemoryPool handle, const Pool& pool) const {
  cuuint64_t bytes = 0;
  if (pool.closed || !cuda_.cuMemPoolGetAttribute ||
      cuda_.cuMemPoolGetAttribute(handle, CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT, &bytes) != CUDA_SUCCESS) {
    return pool.live;
  }
  return bytes;
}

bool Pools::collect(uint32_t device, uint64_t size) {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  for (;;) {
    const bool more = trim(device);
    if (budget_.reserve(device, size)) return true;
    if (!more || std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(kPause);
  }
}

// True: streams have yet to give memory back.
bool Pools::trim(uint32_t device) {
  bool pending = false;
  for (auto& [handle, pool] : pools_) {
    if (pool.device != device || pool.closed) continue;
    if (pool.kept() && cuda_.cuMemPoolTrimTo) cuda_.cuMemPoolTrimTo(handle, 0);
    settle(handle, pool);
    pending |= pool.kept() > 0;
  }
  return pending;
}

}  // namespace bitfusion::worker
