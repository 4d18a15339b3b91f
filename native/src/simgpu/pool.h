// Stream-ordered allocation: memory pools.
//
// Memory freed in a stream's order is kept by its pool up to a threshold and handed out again without a trip to the arena.
#pragma once

#include <map>
#include <mutex>
#include <vector>

#include "simgpu/api.h"
#include "simgpu/arena.h"
#include "simgpu/handle_table.h"

namespace simgpu {

struct Context;
struct Device;

struct Pool {
  int gpu = 0;
  int location = 0;  // the device's ordinal
  CUmemAllocationHandleType handle_types = CU_MEM_HANDLE_TYPE_NONE;
  uint64_t max_size = 0;
  std::mutex lock;
  uint64_t release_threshold = 0;
  uint64_t used = 0, used_high = 0;
  uint64_t reserved = 0, reserved_high = 0;
  std::map<int, uint64_t> reuse;           // the three reuse policies: kept, reuse is always safe here
  std::multimap<uint64_t, uint64_t> kept;  // size -> address of memory not in use
  std::map<uint64_t, uint64_t> live;       // address -> size of memory in use
  bool destroyed = false;
};

HandleTable<Pool>& pools();
Pool* default_pool(Device* device);
Pool* current_pool(Device* device);

// A live allocation of a pool given back outside any stream (cuMemFree).
CUresult free_pool_memory(Context* context, const Allocation& range);
// First half of a free: the address is no longer the application's. False: it was not.
bool retire(Pool* pool, uint64_t address);
// Second half, when the stream has got there.
void give_back(Pool* pool, uint64_t address, uint64_t size);
// The last context on a GPU has gone, and with it everything in its pools.
void empty_pools(int gpu);
void trim(Pool* pool, uint64_t keep);

}  // namespace simgpu
