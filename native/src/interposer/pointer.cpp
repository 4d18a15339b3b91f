// What an address is, answered from the client's books.
#include <cstring>

#include "calls/api.h"
#include "interposer/check.h"
#include "interposer/ranges.h"

namespace bitfusion::interposer::api {
namespace {

template <typename T>
CUresult put(void* out, T value) {
  std::memcpy(out, &value, sizeof value);
  return CUDA_SUCCESS;
}

CUresult describe(void* out, CUpointer_attribute attribute, uint64_t address, const Range& range) {
  switch (attribute) {
    case CU_POINTER_ATTRIBUTE_CONTEXT:
      return put(out, range.memory == Memory::kPool ? 0 : range.context);
    case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
      return put<unsigned>(out, range.on_device() ? CU_MEMORYTYPE_DEVICE : CU_MEMORYTYPE_HOST);
    case CU_POINTER_ATTRIBUTE_DEVICE_POINTER:
      if (range.on_device()) return put(out, address);
      return range.mapped ? put(out, range.mapped + (address - range.base)) : CUDA_ERROR_INVALID_VALUE;
    case CU_POINTER_ATTRIBUTE_HOST_POINTER:
      return range.on_device() && range.memory != Memory::kManaged ? CUDA_ERROR_INVALID_VALUE : put(out, address);
    case CU_POINTER_ATTRIBUTE_SYNC_MEMOPS:
      return put<unsigned>(out, 0);
    case CU_POINTER_ATTRIBUTE_BUFFER_ID:
      return put<unsigned long long>(out, range.id);
    case CU_POINTER_ATTRIBUTE_IS_MANAGED:
      return put<unsigned>(out, range.memory == Memory::kManaged);
    case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
      return put<int>(out, range.device);
    case CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE:
      return put<unsigned>(out, 0);
    case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR:
      return put(out, range.base);
    case CU_POINTER_ATTRIBUTE_RANGE_SIZE:
      return put<size_t>(out, range.size);
    case CU_POINTER_ATTRIBUTE_MAPPED:
      return put<unsigned>(out, 1);
    case CU_POINTER_ATTRIBUTE_ALLOWED_HANDLE_TYPES:
      return put<unsigned long long>(out, 0);
    case CU_POINTER_ATTRIBUTE_IS_GPU_DIRECT_RDMA_CAPABLE:
      return put<unsigned>(out, 0);
    case CU_POINTER_ATTRIBUTE_ACCESS_FLAGS:
      return put<unsigned>(out, CU_POINTER_ATTRIBUTE_ACCESS_FLAG_READWRITE);
    case CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE:
      return put(out, range.pool);
    case CU_POINTER_ATTRIBUTE_MAPPING_SIZE:
      return put<size_t>(out, range.size);
    case CU_POINTER_ATTRIBUTE_MAPPING_BASE_ADDR:
      return put(out, range.base);
    case CU_POINTER_ATTRIBUTE_MEMORY_BLOCK_ID:
      return put<unsigned long long>(out, range.id);
    default:
      return CUDA_ERROR_INVALID_VALUE;
  }
}

// For an address that nobody allocated here, cuPointerGetAttributes answers zeroes; each attribute is at most eight bytes.
void clear(void* out, CUpointer_attribute attribute) {
  switch (attribute) {
    case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
      put<int>(out, -2);
      break;
    case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
    case CU_POINTER_ATTRIBUTE_SYNC_MEMOPS:
    case CU_POINTER_ATTRIBUTE_IS_MANAGED:
    case CU_POINTER_ATTRIBUTE_MAPPED:
    case CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE:
    case CU_POINTER_ATTRIBUTE_IS_GPU_DIRECT_RDMA_CAPABLE:
    case CU_POINTER_ATTRIBUTE_ACCESS_FLAGS:
      put<unsigned>(out, 0);
      break;
    default:
      put<uint64_t>(out, 0);
  }
}

}  // namespace

CUresult cuPointerGetAttribute(void* out, CUpointer_attribute attribute, CUdeviceptr address) {
  if (!process().ready()) return CUDA_ERROR_NOT_INITIALIZED;
  Range range;
  if (!out || !ranges().find(address, &range)) return CUDA_ERROR_INVALID_VALUE;
  return describe(out, attribute, address, range);
}

CUresult cuPointerGetAttributes(unsigned count, CUpointer_attribute* attributes, void** out, CUdeviceptr address) {
  if (!process().ready()) return CUDA_ERROR_NOT_INITIALIZED;
  if (!count || !attributes || !out) return CUDA_ERROR_INVALID_VALUE;
  Range range;
  const bool known = ranges().find(address, &range);
  for (unsigned i = 0; i < count; ++i) {
    if (!out[i]) return CUDA_ERROR_INVALID_VALUE;
    if (!known || describe(out[i], attributes[i], address, range) != CUDA_SUCCESS) clear(out[i], attributes[i]);
  }
  return CUDA_SUCCESS;
}

CUresult cuPointerSetAttribute(const void* value, CUpointer_attribute attribute, CUdeviceptr address) {
  if (!process().ready()) return CUDA_ERROR_NOT_INITIALIZED;
  if (!value || attribute != CU_POINTER_ATTRIBUTE_SYNC_MEMOPS || !ranges().on_device(address)) return CUDA_ERROR_INVALID_VALUE;
  return CUDA_SUCCESS;  // copies that return before they are done are never a peer's business here
}

}  // namespace bitfusion::interposer::api
