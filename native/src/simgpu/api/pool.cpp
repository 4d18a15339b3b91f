#include "simgpu/pool.h"

#include <algorithm>
#include <cstring>

#include "simgpu/capture.h"
#include "simgpu/context.h"
#include "simgpu/graph_memory.h"

using namespace simgpu;

namespace simgpu {

HandleTable<Pool>& pools() {
  static auto* table = new HandleTable<Pool>(4096);
  return *table;
}

namespace {

Pool* make_pool(Device* device) {
  Pool* pool = pools().make();
  if (pool == nullptr) return nullptr;
  pool->gpu = device->info->index;
  pool->location = device->ordinal;
  pool->reuse = {{CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES, 1},
                 {CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC, 1},
                 {CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES, 1}};
  return pool;
}

}  // namespace

Pool* default_pool(Device* device) {
  std::lock_guard<std::mutex> guard(device->lock);
  if (device->default_pool == nullptr) device->default_pool = make_pool(device);
  return device->default_pool;
}

Pool* current_pool(Device* device) {
  Pool* fallback = default_pool(device);
  std::lock_guard<std::mutex> guard(device->lock);
  return device->current_pool != nullptr ? device->current_pool : fallback;
}

void trim(Pool* pool, uint64_t keep) {
  std::lock_guard<std::mutex> guard(pool->lock);
  while (pool->reserved > keep && !pool->kept.empty()) {
    const auto largest = std::prev(pool->kept.end());
    pool->reserved -= largest->first;
    Arena::get().release(largest->second);
    pool->kept.erase(largest);
  }
}

void give_back(Pool* pool, uint64_t address, uint64_t size) {
  const uint64_t rounded = round_up(size, kGranule);
  {
    std::lock_guard<std::mutex> guard(pool->lock);
    pool->used -= rounded;
    pool->kept.insert({rounded, address});
  }
  trim(pool, pool->destroyed ? 0 : std::max(pool->release_threshold, pool->used));
  if (pool->destroyed && pool->used == 0) pools().destroy(pool);
}

bool retire(Pool* pool, uint64_t address) {
  std::lock_guard<std::mutex> guard(pool->lock);
  return pool->live.erase(address) != 0;
}

CUresult free_pool_memory(Context* context, const Allocation& range) {
  auto* pool = static_cast<Pool*>(range.owner);
  REQUIRE(retire(pool, range.address), CUDA_ERROR_INVALID_VALUE);
  context->synchronize();
  give_back(pool, range.address, range.size);
  return CUDA_SUCCESS;
}

void empty_pools(int gpu) {
  for (Pool* pool : pools().all()) {
    if (pool->gpu != gpu) continue;
    std::lock_guard<std::mutex> guard(pool->lock);
    for (const auto& [address, size] : pool->live) Arena::get().release(address);
    for (const auto& [size, address] : pool->kept) Arena::get().release(address);
    pool->live.clear();
    pool->kept.clear();
    pool->used = pool->reserved = 0;
  }
}

}  // namespace simgpu

namespace {

std::optional<uint64_t> take_kept(Pool* pool, uint64_t size) {
  std::lock_guard<std::mutex> guard(pool->lock);
  const auto found = pool->kept.find(size);
  if (found == pool->kept.end()) return std::nullopt;
  const uint64_t address = found->second;
  pool->kept.erase(found);
  return address;
}

std::optional<uint64_t> take_new(Pool* pool, uint64_t size) {
  if (pool->max_size != 0 && pool->reserved + size > pool->max_size) return std::nullopt;
  Allocation wanted;
  wanted.size = size;
  wanted.kind = MemoryKind::kPool;
  wanted.gpu = pool->gpu;
  wanted.owner = pool;
  const auto address = Arena::get().allocate(wanted);
  if (!address) return std::nullopt;
  std::lock_guard<std::mutex> guard(pool->lock);
  pool->reserved += size;
  pool->reserved_high = std::max(pool->reserved_high, pool->reserved);
  return address;
}

// Inside a capture an allocation becomes a node, and the memory the graph's.
CUresult capture_allocation(StreamCore* stream, const Pool& pool, CUdeviceptr* out, size_t bytes) {
  CUmemPoolProps properties{};
  properties.allocType = CU_MEM_ALLOCATION_TYPE_PINNED;
  properties.location = {CU_MEM_LOCATION_TYPE_DEVICE, {pool.location}};
  auto memory = make_graph_memory(properties, bytes, pool.gpu, stream->capture->graph);
  REQUIRE(memory != nullptr, CUDA_ERROR_OUT_OF_MEMORY);
  *out = memory->address;
  return capture_work(stream, AllocWork{std::move(memory)}, false);
}

// A free of a graph's memory: a node of the graph being captured, or now.
CUresult free_from_graph(Context* context, uint64_t address, CUstream stream) {
  StreamCore* core = nullptr;
  if (const CUresult bad = resolve_stream(context, stream, &core); bad != CUDA_SUCCESS) return bad;
  auto memory = find_graph_memory(address);
  REQUIRE(memory != nullptr, CUDA_ERROR_INVALID_VALUE);
  if (core->capturing.load()) {
    REQUIRE(memory->freed_by == nullptr, CUDA_ERROR_INVALID_VALUE);
    memory->freed_by = core->capture->graph;
  } else if (const CUresult bad = free_graph_memory(memory); bad != CUDA_SUCCESS) {
    return bad;
  }
  return enqueue(context, stream, FreeWork{std::move(memory)}, Urgency::kHere);
}

// Memory is handed out at once: whoever uses it in stream order finds it there. What is freed in a stream comes back only when that stream
// has got there, so nothing is handed out twice.
CUresult allocate_from(Pool* pool, CUdeviceptr* out, size_t bytes, CUstream stream) {
  ENTER(context);
  REQUIRE(out != nullptr && bytes != 0, CUDA_ERROR_INVALID_VALUE);
  StreamCore* core = nullptr;
  if (const CUresult bad = resolve_stream(context, stream, &core); bad != CUDA_SUCCESS) return bad;
  if (core->capturing.load()) return capture_allocation(core, *pool, out, bytes);
  const uint64_t size = round_up(bytes, kGranule);
  REQUIRE(size >= bytes, CUDA_ERROR_OUT_OF_MEMORY);
  auto address = take_kept(pool, size);
  if (!address) address = take_new(pool, size);
  if (!address) {  // what streams still hold may be enough
    context->synchronize();
    trim(pool, 0);
    address = take_new(pool, size);
  }
  REQUIRE(address.has_value(), CUDA_ERROR_OUT_OF_MEMORY);
  std::lock_guard<std::mutex> guard(pool->lock);
  pool->live[*address] = size;
  pool->used += size;
  pool->used_high = std::max(pool->used_high, pool->used);
  *out = *address;
  return CUDA_SUCCESS;
}

CUresult location_pool(const CUmemLocation* location, Device** device) {
  REQUIRE_INITIALIZED();
  REQUIRE(location != nullptr, CUDA_ERROR_INVALID_VALUE);
  REQUIRE(location->type == CU_MEM_LOCATION_TYPE_DEVICE, CUDA_ERROR_NOT_SUPPORTED);
  *device = device_at(location->id);
  return *device != nullptr ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

uint64_t* wide_attribute(Pool* pool, CUmemPool_attribute attribute) {
  switch (attribute) {
    case CU_MEMPOOL_ATTR_RELEASE_THRESHOLD:
      return &pool->release_threshold;
    case CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT:
      return &pool->reserved;
    case CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH:
      return &pool->reserved_high;
    case CU_MEMPOOL_ATTR_USED_MEM_CURRENT:
      return &pool->used;
    case CU_MEMPOOL_ATTR_USED_MEM_HIGH:
      return &pool->used_high;
    case CU_MEMPOOL_ATTR_MAX_POOL_SIZE:
      return &pool->max_size;
    default:
      return nullptr;
  }
}

}  // namespace

extern "C" {

CUresult cuDeviceGetDefaultMemPool(CUmemoryPool* out, CUdevice ordinal) {
  REQUIRE_INITIALIZED();
  Device* device = device_at(ordinal);
  REQUIRE(device != nullptr, CUDA_ERROR_INVALID_DEVICE);
  REQUIRE(out != nullptr, CUDA_ERROR_INVALID_VALUE);
  *out = reinterpret_cast<CUmemoryPool>(default_pool(device));
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetMemPool(CUmemoryPool* out, CUdevice ordinal) {
  REQUIRE_INITIALIZED();
  Device* device = device_at(ordinal);
  REQUIRE(device != nullptr, CUDA_ERROR_INVALID_DEVICE);
  REQUIRE(out != nullptr, CUDA_ERROR_INVALID_VALUE);
  *out = reinterpret_cast<CUmemoryPool>(current_pool(device));
  return CUDA_SUCCESS;
}

CUresult cuDeviceSetMemPool(CUdevice ordinal, CUmemoryPool handle) {
  REQUIRE_INITIALIZED();
  Device* device = device_at(ordinal);
  REQUIRE(device != nullptr, CUDA_ERROR_INVALID_DEVICE);
  Pool* pool = pools().get(handle);
  REQUIRE(pool != nullptr && pool->location == ordinal, CUDA_ERROR_INVALID_VALUE);
  std::lock_guard<std::mutex> guard(device->lock);
  device->current_pool = pool;
  return CUDA_SUCCESS;
}

CUresult cuMemGetDefaultMemPool(CUmemoryPool* out, CUmemLocation* location, CUmemAllocationType) {
  Device* device = nullptr;
  if (const CUresult bad = location_pool(location, &device); bad != CUDA_SUCCESS) return bad;
  return cuDeviceGetDefaultMemPool(out, device->ordinal);
}

CUresult cuMemGetMemPool(CUmemoryPool* out, CUmemLocation* location, CUmemAllocationType) {
  Device* device = nullptr;
  if (const CUresult bad = location_pool(location, &device); bad != CUDA_SUCCESS) return bad;
  return cuDeviceGetMemPool(out, device->ordinal);
}

CUresult cuMemSetMemPool(CUmemLocation* location, CUmemAllocationType, CUmemoryPool pool) {
  Device* device = nullptr;
  if (const CUresult bad = location_pool(location, &device); bad != CUDA_SUCCESS) return bad;
  return cuDeviceSetMemPool(device->ordinal, pool);
}

CUresult cuMemPoolCreate(CUmemoryPool* out, const CUmemPoolProps* properties) {
  REQUIRE_INITIALIZED();
  REQUIRE(out != nullptr && properties != nullptr && properties->allocType == CU_MEM_ALLOCATION_TYPE_PINNED, CUDA_ERROR_INVALID_VALUE);
  REQUIRE(properties->handleTypes == CU_MEM_HANDLE_TYPE_NONE, CUDA_ERROR_NOT_SUPPORTED);
  Device* device = nullptr;
  if (const CUresult bad = location_pool(&properties->location, &device); bad != CUDA_SUCCESS) return bad;
  Pool* pool = make_pool(device);
  REQUIRE(pool != nullptr, CUDA_ERROR_OUT_OF_MEMORY);
  pool->max_size = properties->maxSize;
  *out = reinterpret_cast<CUmemoryPool>(pool);
  return CUDA_SUCCESS;
}

CUresult cuMemPoolDestroy(CUmemoryPool handle) {
  REQUIRE_INITIALIZED();
  Pool* pool = pools().get(handle);
  REQUIRE(pool != nullptr && pool != default_pool(device_at(pool->location)), CUDA_ERROR_INVALID_VALUE);
  Device* device = device_at(pool->location);
  {
    std::lock_guard<std::mutex> guard(device->lock);
    if (device->current_pool == pool) device->current_pool = nullptr;
  }
  trim(pool, 0);
  pool->destroyed = true;  // ends with its last allocation
  if (pool->used == 0) pools().destroy(pool);
  return CUDA_SUCCESS;
}

CUresult cuMemPoolTrimTo(CUmemoryPool handle, size_t keep) {
  REQUIRE_INITIALIZED();
  Pool* pool = pools().get(handle);
  REQUIRE(pool != nullptr, CUDA_ERROR_INVALID_VALUE);
  trim(pool, keep);
  return CUDA_SUCCESS;
}

CUresult cuMemPoolSetAttribute(CUmemoryPool handle, CUmemPool_attribute attribute, void* value) {
  REQUIRE_INITIALIZED();
  Pool* pool = pools().get(handle);
  REQUIRE(pool != nullptr && value != nullptr, CUDA_ERROR_INVALID_VALUE);
  std::lock_guard<std::mutex> guard(pool->lock);
  if (const auto policy = pool->reuse.find(attribute); policy != pool->reuse.end()) {
    policy->second = static_cast<uint64_t>(*static_cast<const int*>(value));
    return CUDA_SUCCESS;
  }
  if (attribute == CU_MEMPOOL_ATTR_RELEASE_THRESHOLD) {
    pool->release_threshold = *static_cast<const uint64_t*>(value);
    return CUDA_SUCCESS;
  }
  const bool high = attribute == CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH || attribute == CU_MEMPOOL_ATTR_USED_MEM_HIGH;
  REQUIRE(high && *static_cast<const uint64_t*>(value) == 0, CUDA_ERROR_INVALID_VALUE);
  if (attribute == CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH) pool->reserved_high = pool->reserved;
  if (attribute == CU_MEMPOOL_ATTR_USED_MEM_HIGH) pool->used_high = pool->used;
  return CUDA_SUCCESS;
}

CUresult cuMemPoolGetAttribute(CUmemoryPool handle, CUmemPool_attribute attribute, void* value) {
  REQUIRE_INITIALIZED();
  Pool* pool = pools().get(handle);
  REQUIRE(pool != nullptr && value != nullptr, CUDA_ERROR_INVALID_VALUE);
  std::lock_guard<std::mutex> guard(pool->lock);
  if (const auto policy = pool->reuse.find(attribute); policy != pool->reuse.end()) {
    *static_cast<int*>(value) = static_cast<int>(policy->second);
    return CUDA_SUCCESS;
  }
  const uint64_t* wide = wide_attribute(pool, attribute);
  REQUIRE(wide != nullptr, CUDA_ERROR_INVALID_VALUE);
  memcpy(value, wide, sizeof *wide);
  return CUDA_SUCCESS;
}

// Every GPU can reach every other's memory, so access is always there.
CUresult cuMemPoolSetAccess(CUmemoryPool handle, const CUmemAccessDesc* map, size_t count) {
  REQUIRE_INITIALIZED();
  REQUIRE(pools().get(handle) != nullptr && map != nullptr && count != 0, CUDA_ERROR_INVALID_VALUE);
  for (size_t i = 0; i < count; i++) {
    REQUIRE(map[i].location.type == CU_MEM_LOCATION_TYPE_DEVICE && device_at(map[i].location.id) != nullptr, CUDA_ERROR_INVALID_VALUE);
  }
  return CUDA_SUCCESS;
}

CUresult cuMemPoolGetAccess(CUmemAccess_flags* flags, CUmemoryPool handle, CUmemLocation* location) {
  REQUIRE_INITIALIZED();
  REQUIRE(flags != nullptr && pools().get(handle) != nullptr && location != nullptr, CUDA_ERROR_INVALID_VALUE);
  *flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
  return CUDA_SUCCESS;
}

CUresult cuMemAllocFromPoolAsync(CUdeviceptr* out, size_t bytes, CUmemoryPool handle, CUstream stream) {
  REQUIRE_INITIALIZED();
  Pool* pool = pools().get(handle);
  REQUIRE(pool != nullptr, CUDA_ERROR_INVALID_VALUE);
  return allocate_from(pool, out, bytes, stream);
}

CUresult cuMemAllocAsync(CUdeviceptr* out, size_t bytes, CUstream stream) {
  ENTER(context);
  return allocate_from(current_pool(context->device), out, bytes, stream);
}

CUresult cuMemFreeAsync(CUdeviceptr address, CUstream stream) {
  ENTER(context);
  if (address == 0) return CUDA_SUCCESS;
  const auto range = Arena::get().find(address);
  REQUIRE(range && range->address == address, CUDA_ERROR_INVALID_VALUE);
  if (range->kind == MemoryKind::kPool) {
    auto* pool = static_cast<Pool*>(range->owner);
    REQUIRE(retire(pool, address), CUDA_ERROR_INVALID_VALUE);
    return enqueue(context, stream, ActionWork{[pool, address, size = range->size] { give_back(pool, address, size); }}, Urgency::kHere);
  }
  if (range->kind == MemoryKind::kGraph) return free_from_graph(context, address, stream);
  REQUIRE(range->kind == MemoryKind::kDevice || range->kind == MemoryKind::kManaged, CUDA_ERROR_INVALID_VALUE);
  return enqueue(context, stream, ActionWork{[address] { Arena::get().release(address); }}, Urgency::kHere);
}

}  // extern "C"
