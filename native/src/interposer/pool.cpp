// Memory pools and stream-ordered allocation.
#include <array>
#include <cstring>
#include <mutex>

#include "calls/api.h"
#include "calls/remote.h"
#include "interposer/capture.h"
#include "interposer/check.h"
#include "interposer/memory.h"

namespace bitfusion::interposer::api {
namespace {

constexpr size_t kMaxDevices = 64;

// Names of each device's default pool and of the one in use there; made when first asked for.
struct DevicePools {
  uint64_t standard = 0;
  uint64_t current = 0;
};
std::mutex mutex;
std::array<DevicePools, kMaxDevices> device_pools = {};

CUresult pools_of(const Caller& at, CUdevice device, DevicePools** out) {
  if (!process().device(device) || static_cast<size_t>(device) >= kMaxDevices) return CUDA_ERROR_INVALID_DEVICE;
  DevicePools& pools = device_pools[device];
  if (!pools.standard) {
    pools.standard = handles().mint(Handle::kPool, 0);
    pools.current = pools.standard;
    if (CUresult error = remote::PoolDefault(at, pools.standard, device)) return error;
  }
  *out = &pools;
  return CUDA_SUCCESS;
}

CUresult pool_of(CUmemoryPool* out, CUdevice device, uint64_t DevicePools::* which) {
  Caller at;
  if (CUresult error = enter(Scope::kInit, false, &at)) return error;
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  std::lock_guard lock(mutex);
  DevicePools* pools;
  if (CUresult error = pools_of(at, device, &pools)) return error;
  *out = (CUmemoryPool)(pools->*which);
  return CUDA_SUCCESS;
}

// All attributes are either an int or a cuuint64_t.
bool is_int(CUmemPool_attribute attribute) {
  return attribute == CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES || attribute == CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC ||
         attribute == CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES;
}

CUresult allocate(CUdeviceptr* out, size_t size, uint64_t pool, CUstream stream) {
  Caller at;
  if (CUresult error = enter(Scope::kContext, true, &at)) return error;
  uint64_t name;
  if (!name_stream(at, stream, &name)) return CUDA_ERROR_INVALID_HANDLE;
  if (!out || !size) return CUDA_ERROR_INVALID_VALUE;
  uint64_t address = 0;
  const CUresult status = allocate_visible(
      size,
      [&](uint64_t* made) {
        CUdeviceptr pointer = 0;
        const CUresult answer = remote::cuMemAllocFromPoolAsync(at, &pointer, size, pool, name);
        *made = pointer;
        return answer;
      },
      [&](uint64_t unwanted) { remote::cuMemFreeAsync(at, unwanted, name); }, &address);
  if (status != CUDA_SUCCESS) return status;
  Range range;
  range.base = address;
  range.size = size;
  range.context = at.context;
  range.device = current()->device;
  range.memory = capturing(at, name) ? Memory::kGraph : Memory::kPool;
  range.pool = pool;
  ranges().add(range);
  *out = address;
  return CUDA_SUCCESS;
}

}  // namespace

CUresult cuDeviceGetDefaultMemPool(CUmemoryPool* out, CUdevice device) { return pool_of(out, device, &DevicePools::standard); }
CUresult cuDeviceGetMemPool(CUmemoryPool* out, CUdevice device) { return pool_of(out, device, &DevicePools::current); }

CUresult cuDeviceSetMemPool(CUdevice device, CUmemoryPool pool) {
  Caller at;
  if (CUresult error = enter(Scope::kInit, false, &at)) return error;
  if (!handles().valid(to_name(pool), Handle::kPool)) return CUDA_ERROR_INVALID_VALUE;
  std::lock_guard lock(mutex);
  DevicePools* pools;
  if (CUresult error = pools_of(at, device, &pools)) return error;
  pools->current = to_name(pool);
  return remote::cuDeviceSetMemPool(at, device, to_name(pool));
}

namespace {

// A device of a location; host memory has no pool of ours.
CUresult device_of(const CUmemLocation* location, CUdevice* device) {
  if (!location) return CUDA_ERROR_INVALID_VALUE;
  if (location->type != CU_MEM_LOCATION_TYPE_DEVICE) {
    log_refusal("a memory pool of the host", "only device pools are remoted");
    return CUDA_ERROR_NOT_SUPPORTED;
  }
  *device = location->id;
  return CUDA_SUCCESS;
}

template <typename Call>
CUresult at_location(const CUmemLocation* location, Call call) {
  CUdevice device;
  if (!process().ready()) return CUDA_ERROR_NOT_INITIALIZED;
  const CUresult error = device_of(location, &device);
  return error == CUDA_SUCCESS ? call(device) : error;
}

}  // namespace

CUresult cuMemGetDefaultMemPool(CUmemoryPool* out, CUmemLocation* location, CUmemAllocationType) {
  return at_location(location, [=](CUdevice device) { return api::cuDeviceGetDefaultMemPool(out, device); });
}
CUresult cuMemGetMemPool(CUmemoryPool* out, CUmemLocation* location, CUmemAllocationType) {
  return at_location(location, [=](CUdevice device) { return api::cuDeviceGetMemPool(out, device); });
}
CUresult cuMemSetMemPool(CUmemLocation* location, CUmemAllocationType, CUmemoryPool pool) {
  return at_location(location, [=](CUdevice device) { return api::cuDeviceSetMemPool(device, pool); });
}

CUresult cuMemPoolCreate(CUmemoryPool* out, const CUmemPoolProps* properties) {
  Caller at;
  if (CUresult error = enter(Scope::kInit, true, &at)) return error;
  if (!out || !properties) return CUDA_ERROR_INVALID_VALUE;
  if (properties->handleTypes != CU_MEM_HANDLE_TYPE_NONE || properties->location.type != CU_MEM_LOCATION_TYPE_DEVICE) {
    log_refusal("cuMemPoolCreate with shared or host memory", "only unshared device pools are remoted yet");
    return CUDA_ERROR_NOT_SUPPORTED;
  }
  const uint64_t name = handles().mint(Handle::kPool, 0);
  const CUresult status = remote::cuMemPoolCreate(at, name, properties);
  keep_or_drop(status, name, out);
  return status;
}

CUresult cuMemPoolGetAttribute(CUmemoryPool pool, CUmemPool_attribute attribute, void* out) {
  Caller at;
  if (CUresult error = enter(Scope::kInit, true, &at)) return error;
  if (!out || !handles().valid(to_name(pool), Handle::kPool)) return CUDA_ERROR_INVALID_VALUE;
  uint64_t value = 0;
  const CUresult status = remote::PoolGet(at, to_name(pool), attribute, &value);
  if (status == CUDA_SUCCESS) std::memcpy(out, &value, is_int(attribute) ? sizeof(int) : sizeof(cuuint64_t));
  return status;
}

CUresult cuMemPoolSetAttribute(CUmemoryPool pool, CUmemPool_attribute attribute, void* in) {
  Caller at;
  if (CUresult error = enter(Scope::kInit, true, &at)) return error;
  if (!in || !handles().valid(to_name(pool), Handle::kPool)) return CUDA_ERROR_INVALID_VALUE;
  uint64_t value = 0;
  std::memcpy(&value, in, is_int(attribute) ? sizeof(int) : sizeof(cuuint64_t));
  return remote::PoolSet(at, to_name(pool), attribute, value);
}

CUresult cuMemAllocFromPoolAsync(CUdeviceptr* out, size_t size, CUmemoryPool pool, CUstream stream) {
  if (!handles().valid(to_name(pool), Handle::kPool)) return CUDA_ERROR_INVALID_VALUE;
  return allocate(out, size, to_name(pool), stream);
}

CUresult cuMemAllocAsync(CUdeviceptr* out, size_t size, CUstream stream) {
  Context* context = current();
  if (!context) return process().ready() ? CUDA_ERROR_INVALID_CONTEXT : CUDA_ERROR_NOT_INITIALIZED;
  CUmemoryPool pool;
  if (CUresult error = api::cuDeviceGetMemPool(&pool, context->device)) return error;
  return allocate(out, size, to_name(pool), stream);
}

CUresult cuMemFreeAsync(CUdeviceptr address, CUstream stream) {
  Caller at;
  if (CUresult error = enter(Scope::kContext, false, &at)) return error;
  uint64_t name;
  if (!name_stream(at, stream, &name)) return CUDA_ERROR_INVALID_HANDLE;
  Range range;
  if (!ranges().find(address, &range) || range.base != address || !range.allocated() || range.memory == Memory::kManaged) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (range.memory != Memory::kGraph) ranges().remove(address, true);  // a graph brings its memory back
  return remote::cuMemFreeAsync(at, address, name);
}

}  // namespace bitfusion::interposer::api
