#include "simgpu/memory_check.h"

#include <cstring>

#include "simgpu/arena.h"
#include "simgpu/context.h"

namespace simgpu {

namespace {

template <typename Value>
CUresult store(void* data, Value value) {
  memcpy(data, &value, sizeof value);
  return CUDA_SUCCESS;
}

int ordinal_of(const Allocation& range) {
  const auto* context = static_cast<const Context*>(range.context);
  if (context != nullptr) return context->device->ordinal;
  for (const auto& device : visible_devices()) {
    if (device->info->index == range.gpu) return device->ordinal;
  }
  return 0;
}

CUresult attribute_of(const Allocation& range, CUpointer_attribute attribute, uint64_t address, void* data) {
  const bool managed = range.kind == MemoryKind::kManaged;
  switch (attribute) {
    case CU_POINTER_ATTRIBUTE_CONTEXT:
      return store(data, range.context);
    case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
      return store(data, static_cast<unsigned>(range.is_host() ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_DEVICE));
    case CU_POINTER_ATTRIBUTE_DEVICE_POINTER:
      return store(data, address);
    case CU_POINTER_ATTRIBUTE_HOST_POINTER:
      return range.is_host() || managed ? store(data, address) : CUDA_ERROR_INVALID_VALUE;
    case CU_POINTER_ATTRIBUTE_SYNC_MEMOPS:
      return store(data, static_cast<unsigned>(range.sync_memops));
    case CU_POINTER_ATTRIBUTE_BUFFER_ID:
    case CU_POINTER_ATTRIBUTE_MEMORY_BLOCK_ID:
      return store(data, range.id);
    case CU_POINTER_ATTRIBUTE_IS_MANAGED:
      return store(data, static_cast<unsigned>(managed));
    case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
      return store(data, ordinal_of(range));
    case CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE:
    case CU_POINTER_ATTRIBUTE_IS_GPU_DIRECT_RDMA_CAPABLE:
      return store(data, 0u);
    case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR:
    case CU_POINTER_ATTRIBUTE_MAPPING_BASE_ADDR:
      return store(data, range.address);
    case CU_POINTER_ATTRIBUTE_RANGE_SIZE:
    case CU_POINTER_ATTRIBUTE_MAPPING_SIZE:
      return store(data, range.size);
    case CU_POINTER_ATTRIBUTE_MAPPED:
      return store(data, 1u);
    case CU_POINTER_ATTRIBUTE_ALLOWED_HANDLE_TYPES:
      return store(data, 0ull);
    case CU_POINTER_ATTRIBUTE_ACCESS_FLAGS:
      return store(data, static_cast<unsigned>(CU_MEM_ACCESS_FLAGS_PROT_READWRITE));
    case CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE:
      return store(data, range.kind == MemoryKind::kPool ? range.owner : nullptr);
    default:
      return CUDA_ERROR_INVALID_VALUE;
  }
}

}  // namespace

size_t pointer_attribute_size(CUpointer_attribute attribute) {
  switch (attribute) {
    case CU_POINTER_ATTRIBUTE_CONTEXT:
    case CU_POINTER_ATTRIBUTE_DEVICE_POINTER:
    case CU_POINTER_ATTRIBUTE_HOST_POINTER:
    case CU_POINTER_ATTRIBUTE_BUFFER_ID:
    case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR:
    case CU_POINTER_ATTRIBUTE_RANGE_SIZE:
    case CU_POINTER_ATTRIBUTE_ALLOWED_HANDLE_TYPES:
    case CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE:
    case CU_POINTER_ATTRIBUTE_MAPPING_SIZE:
    case CU_POINTER_ATTRIBUTE_MAPPING_BASE_ADDR:
    case CU_POINTER_ATTRIBUTE_MEMORY_BLOCK_ID:
      return 8;
    case CU_POINTER_ATTRIBUTE_IS_MANAGED:
    case CU_POINTER_ATTRIBUTE_MAPPED:
    case CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE:
    case CU_POINTER_ATTRIBUTE_IS_GPU_DIRECT_RDMA_CAPABLE:
      return 1;  // the header says boolean; callers pass a bool
    case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
    case CU_POINTER_ATTRIBUTE_SYNC_MEMOPS:
    case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
    case CU_POINTER_ATTRIBUTE_ACCESS_FLAGS:
      return 4;
    default:
      return 0;
  }
}

CUresult pointer_attribute(CUpointer_attribute attribute, uint64_t address, void* data) {
  const auto range = Arena::get().find(address);
  REQUIRE(range.has_value(), CUDA_ERROR_INVALID_VALUE);
  uint64_t value = 0;
  const size_t size = pointer_attribute_size(attribute);
  REQUIRE(size != 0, CUDA_ERROR_INVALID_VALUE);
  const CUresult result = attribute_of(*range, attribute, address, &value);
  if (result == CUDA_SUCCESS) memcpy(data, &value, size);
  return result;
}

bool range_allowed(uint64_t address, uint64_t size, Side side) {
  if (side == Side::kHost || size == 0) return true;
  const Arena& arena = Arena::get();
  if (side == Side::kDevice) return arena.covers(address, size);
  const bool ours = address - arena.base() < arena.size();
  return !ours || arena.covers(address, size);
}

bool stays_valid(uint64_t address, uint64_t size) { return Arena::get().covers(address, size); }

}  // namespace simgpu
