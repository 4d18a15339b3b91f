// Device memory within the partition.
#include <algorithm>

#include "calls/calls.h"
#include "worker/handlers/decode.h"

namespace bitfusion::worker::calls {
namespace {

// Takes `size` from the partition, allocates, and puts either the range or the size back into the books.
template <typename Allocate>
CUresult allocate(Call& call, uint32_t device, size_t size, CUdeviceptr* address, Allocate make) {
  State& state = state_of(call);
  if (!state.reserve(device, size)) return CUDA_ERROR_OUT_OF_MEMORY;
  const CUresult status = make();
  if (status == CUDA_SUCCESS)
    state.accounts.add(*address, size, device, state.account_of(call.header));
  else
    state.accounts.give_back(device, size);
  return status;
}

}  // namespace

CUresult cuMemAlloc_v2(Call& call, CUdeviceptr* out, size_t size) {
  State& state = state_of(call);
  return allocate(call, state.device_of(call.header), size, out, [&] { return state.cuda.cuMemAlloc_v2(out, size); });
}

CUresult cuMemFree_v2(Call& call, CUdeviceptr address) {
  State& state = state_of(call);
  void* none;
  uint64_t no_size;
  state.coherence.remove(address, &none, &no_size);
  const CUresult status = state.cuda.cuMemFree_v2(address);
  if (status == CUDA_SUCCESS && !state.accounts.remove(address)) state.pools.remove(address);
  return status;
}

CUresult cuMemGetInfo_v2(Call& call, size_t* free, size_t* total) {
  State& state = state_of(call);
  if (CUresult error = state.cuda.cuMemGetInfo_v2(free, total)) return error;
  const Budget& budget = state.executor.budget();
  if (!budget.limit()) return CUDA_SUCCESS;
  state.pools.settle();
  *total = std::min<size_t>(*total, budget.limit());
  const uint64_t used = std::min<uint64_t>(budget.used(state.device_of(call.header)), *total);
  *free = std::min<size_t>(*free, *total - used);
  return CUDA_SUCCESS;
}

CUresult cuMemAllocFromPoolAsync(Call& call, CUdeviceptr* out, size_t size, CUmemoryPool pool, CUstream stream) {
  State& state = state_of(call);
  if (!state.cuda.cuMemAllocFromPoolAsync) return CUDA_ERROR_NOT_SUPPORTED;
  // Memory of a graph is charged to its executable form.
  if (state.graphs.is_capturing(stream)) return state.cuda.cuMemAllocFromPoolAsync(out, size, pool, stream);
  const std::optional<CUresult> status = state.pools.allocate(
      pool, state.device_of(call.header), out, size, call.may_block,
      [&](CUdeviceptr* made) { return state.cuda.cuMemAllocFromPoolAsync(made, size, pool, stream); },
      [&](CUdeviceptr unwanted) { state.cuda.cuMemFreeAsync(unwanted, stream); });
  call.would_block = !status;
  return status.value_or(CUDA_ERROR_NOT_READY);
}

CUresult cuMemPoolCreate(Call& call, uint64_t name, const CUmemPoolProps* properties) {
  State& state = state_of(call);
  if (!state.cuda.cuMemPoolCreate) return CUDA_ERROR_NOT_SUPPORTED;
  if (!properties || properties->location.type != CU_MEM_LOCATION_TYPE_DEVICE || properties->handleTypes) return CUDA_ERROR_INVALID_VALUE;
  CUmemPoolProps plain = *properties;
  plain.win32SecurityAttributes = nullptr;
  CUmemoryPool pool = nullptr;
  if (CUresult error = state.cuda.cuMemPoolCreate(&pool, &plain)) return error;
  state.objects.add(name, Handle::kPool, pool);
  state.pools.open(pool, static_cast<uint32_t>(plain.location.id));
  return CUDA_SUCCESS;
}

CUresult cuMemPoolDestroy(Call& call, uint64_t name) {
  State& state = state_of(call);
  CUmemoryPool pool;
  if (!state.objects.find(name, Handle::kPool, &pool)) return CUDA_ERROR_INVALID_VALUE;
  const CUresult status = state.cuda.cuMemPoolDestroy(pool);
  if (status != CUDA_SUCCESS) return status;
  state.objects.remove(name, Handle::kPool);
  state.pools.close(pool);
  return CUDA_SUCCESS;
}

CUresult cuMemPoolTrimTo(Call& call, CUmemoryPool pool, size_t keep) {
  State& state = state_of(call);
  if (!state.cuda.cuMemPoolTrimTo) return CUDA_ERROR_NOT_SUPPORTED;
  const CUresult status = state.cuda.cuMemPoolTrimTo(pool, keep);
  state.pools.settle();
  return status;
}

CUresult cuMemFreeAsync(Call& call, CUdeviceptr address, CUstream stream) {
  State& state = state_of(call);
  const CUresult status = state.cuda.cuMemFreeAsync(address, stream);
  if (status != CUDA_SUCCESS) return status;
  std::optional<Accounts::Charge> charge;
  if (!state.pools.remove(address)) charge = state.accounts.take(address);
  state.pools.free_begins();  // until the stream is there, the memory is still in use
  const auto ended = [&state, charge] {
    if (charge) state.accounts.give_back(*charge);
    state.pools.free_ended();
  };
  if (state.executor.when_done(stream, ended) != CUDA_SUCCESS) ended();
  return CUDA_SUCCESS;
}

CUresult cuMemCreate(Call& call, uint64_t name, size_t size, const CUmemAllocationProp* property, unsigned long long flags) {
  State& state = state_of(call);
  if (!property || property->location.type != CU_MEM_LOCATION_TYPE_DEVICE || property->requestedHandleTypes)
    return CUDA_ERROR_INVALID_VALUE;
  const auto device = static_cast<uint32_t>(property->location.id);
  if (device >= Budget::kMaxGpus) return CUDA_ERROR_INVALID_DEVICE;
  if (!state.reserve(device, size)) return CUDA_ERROR_OUT_OF_MEMORY;
  CUmemAllocationProp plain = *property;
  plain.win32HandleMetaData = nullptr;
  CUmemGenericAllocationHandle memory = 0;
  const CUresult status = state.cuda.cuMemCreate(&memory, size, &plain, flags);
  if (status != CUDA_SUCCESS) {
    state.accounts.give_back(device, size);
    return status;
  }
  state.objects.add(name, Handle::kMemory, memory);
  state.accounts.add_named(name, size, device);
  return CUDA_SUCCESS;
}

CUresult cuMemRelease(Call& call, uint64_t name) {
  State& state = state_of(call);
  CUmemGenericAllocationHandle memory;
  if (!state.objects.find(name, Handle::kMemory, &memory)) return CUDA_ERROR_INVALID_VALUE;
  if (CUresult error = state.cuda.cuMemRelease(memory)) return error;
  state.objects.remove(name, Handle::kMemory);
  state.accounts.release_named(name);
  return CUDA_SUCCESS;
}

CUresult cuMemMap(Call& call, CUdeviceptr address, size_t size, size_t offset, uint64_t name, unsigned long long flags) {
  State& state = state_of(call);
  CUmemGenericAllocationHandle memory;
  if (!state.objects.find(name, Handle::kMemory, &memory)) return CUDA_ERROR_INVALID_VALUE;
  const CUresult status = state.cuda.cuMemMap(address, size, offset, memory, flags);
  if (status == CUDA_SUCCESS) state.accounts.map(address, name);
  return status;
}

CUresult cuMemUnmap(Call& call, CUdeviceptr address, size_t size) {
  State& state = state_of(call);
  const CUresult status = state.cuda.cuMemUnmap(address, size);
  if (status == CUDA_SUCCESS) state.accounts.unmap(address, size);
  return status;
}

CUresult Copy3D(Call& call, CUstream stream, CopyBox box) {
  State& state = state_of(call);
  if (!box.width || !box.height || !box.depth) return CUDA_SUCCESS;
  if ((box.height > 1 || box.depth > 1) && std::min(box.source_pitch, box.destination_pitch) < box.width) return CUDA_ERROR_INVALID_VALUE;
  const auto covers = [&](uint64_t pitch, uint64_t height) {
    return covered(covered(std::max(height, box.height), pitch), covered(pitch, box.width, box.height), box.depth);
  };
  if (!state.owns(box.source, covers(box.source_pitch, box.source_height)) ||
      !state.owns(box.destination, covers(box.destination_pitch, box.destination_height))) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  CUDA_MEMCPY3D copy = {};
  copy.srcMemoryType = CU_MEMORYTYPE_DEVICE;
  copy.srcDevice = box.source;
  copy.srcPitch = box.source_pitch;
  copy.srcHeight = std::max(box.source_height, box.height);
  copy.dstMemoryType = CU_MEMORYTYPE_DEVICE;
  copy.dstDevice = box.destination;
  copy.dstPitch = box.destination_pitch;
  copy.dstHeight = std::max(box.destination_height, box.height);
  copy.WidthInBytes = box.width;
  copy.Height = box.height;
  copy.Depth = box.depth;
  return state.cuda.cuMemcpy3DAsync_v2(&copy, stream);
}

CUresult PoolDefault(Call& call, uint64_t name, int device) {
  State& state = state_of(call);
  if (!state.cuda.cuDeviceGetDefaultMemPool) return CUDA_ERROR_NOT_SUPPORTED;
  CUmemoryPool pool = nullptr;
  const CUresult status = state.cuda.cuDeviceGetDefaultMemPool(&pool, device);
  if (status != CUDA_SUCCESS) return status;
  state.objects.add(name, Handle::kPool, pool);
  state.pools.open(pool, static_cast<uint32_t>(device));
  return status;
}

CUresult PoolGet(Call& call, CUmemoryPool pool, int attribute, uint64_t* result) {
  *result = 0;
  return state_of(call).cuda.cuMemPoolGetAttribute(pool, static_cast<CUmemPool_attribute>(attribute), result);
}

CUresult PoolSet(Call& call, CUmemoryPool pool, int attribute, uint64_t setting) {
  return state_of(call).cuda.cuMemPoolSetAttribute(pool, static_cast<CUmemPool_attribute>(attribute), &setting);
}

}  // namespace bitfusion::worker::calls
