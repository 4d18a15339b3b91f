#include "worker/handlers/pools.h"

#include <algorithm>
#include <chrono>

namespace bitfusion::worker {
namespace {

// How long an allocation waits for memory that has been freed in streams. It may not wait for the streams themselves: they may wait for
// the client, which waits for the allocation.
constexpr std::chrono::milliseconds kPatience{200};

}  // namespace

void Pools::open(CUmemoryPool handle, uint32_t device) {
  std::lock_guard lock(mutex_);
  pools_.try_emplace(handle).first->second.device = device;
}

std::optional<CUresult> Pools::allocate(CUmemoryPool handle, uint32_t device, CUdeviceptr* address, uint64_t size, bool wait,
                                        const Allocate& make, const Free& undo) {
  std::unique_lock lock(mutex_);
  auto [at, fresh] = pools_.try_emplace(handle);
  if (fresh) at->second.device = device;
  Pool& pool = at->second;
  device = pool.device;
  settle(handle, pool);
  const bool paid = budget_.reserve(device, size);
  if (paid) pool.charged += size;
  // Unpaid, it may still fit into what the pool keeps.
  if (paid || pool.kept() >= size) {
    const CUresult status = try_allocate(handle, address, size, make, undo);
    if (status != CUDA_ERROR_OUT_OF_MEMORY || paid) return status;
  }
  const Room room = wait ? wait_for_room(lock, device, size) : find_room(device, size);
  if (room == Room::kMayCome) return std::nullopt;
  if (room == Room::kNot) return CUDA_ERROR_OUT_OF_MEMORY;
  at = pools_.find(handle);  // it may have gone while this waited
  if (at == pools_.end()) return budget_.release(device, size), CUDA_ERROR_INVALID_VALUE;
  at->second.charged += size;
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
  std::unique_lock lock(mutex_);
  return wait_for_room(lock, device, size) == Room::kThere;
}

void Pools::free_begins() {
  std::lock_guard lock(mutex_);
  ++freeing_;
}

void Pools::free_ended() {
  std::lock_guard lock(mutex_);
  --freeing_;
  freed_.notify_all();
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

Pools::Room Pools::find_room(uint32_t device, uint64_t size) {
  trim(device);
  if (budget_.reserve(device, size)) return Room::kThere;
  return freeing_ ? Room::kMayCome : Room::kNot;
}

// Others go on meanwhile.
Pools::Room Pools::wait_for_room(std::unique_lock<std::mutex>& lock, uint32_t device, uint64_t size) {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  Room room = find_room(device, size);
  while (room == Room::kMayCome) {
    const bool late = freed_.wait_until(lock, until) == std::cv_status::timeout;
    room = find_room(device, size);
    if (late && room == Room::kMayCome) room = Room::kNot;
  }
  return room;
}

void Pools::trim(uint32_t device) {
  for (auto& [handle, pool] : pools_) {
    if (pool.device != device || pool.closed) continue;
    if (pool.kept() && cuda_.cuMemPoolTrimTo) cuda_.cuMemPoolTrimTo(handle, 0);
    settle(handle, pool);
  }
}

}  // namespace bitfusion::worker
