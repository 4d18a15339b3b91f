// Virtual memory management: address ranges are kept free in the client too, what is mapped into them is device memory.
#include "calls/api.h"
#include "calls/remote.h"
#include "interposer/check.h"
#include "interposer/memory.h"

namespace bitfusion::interposer::api {

CUresult cuMemCreate(CUmemGenericAllocationHandle* out, size_t size, const CUmemAllocationProp* property, unsigned long long flags) {
  Caller at;
  if (CUresult error = enter(Scope::kInit, true, &at)) return error;
  if (!out || !property || !size) return CUDA_ERROR_INVALID_VALUE;
  if (property->location.type != CU_MEM_LOCATION_TYPE_DEVICE || property->requestedHandleTypes != CU_MEM_HANDLE_TYPE_NONE) {
    log_refusal("cuMemCreate of shared or host memory", "only unshared device memory is remoted yet");
    return CUDA_ERROR_NOT_SUPPORTED;
  }
  const uint64_t name = handles().mint(Handle::kMemory, 0, static_cast<uint64_t>(property->location.id));
  const CUresult status = remote::cuMemCreate(at, name, size, property, flags);
  keep_or_drop(status, name, out);
  return status;
}

CUresult cuMemAddressReserve(CUdeviceptr* out, size_t size, size_t alignment, CUdeviceptr wanted, unsigned long long flags) {
  Caller at;
  if (CUresult error = enter(Scope::kInit, true, &at)) return error;
  if (!out || !size || flags) return CUDA_ERROR_INVALID_VALUE;
  uint64_t address = 0;
  const CUresult status = allocate_visible(
      size,
      [&](uint64_t* made) {
        CUdeviceptr pointer = 0;
        const CUresult answer = remote::cuMemAddressReserve(at, &pointer, size, alignment, wanted, flags);
        *made = pointer;
        return answer;
      },
      [&](uint64_t unwanted) { remote::cuMemAddressFree(at, unwanted, size); }, &address);
  if (status == CUDA_SUCCESS) *out = address;
  return status;
}

CUresult cuMemAddressFree(CUdeviceptr address, size_t size) {
  Caller at;
  if (CUresult error = enter(Scope::kInit, false, &at)) return error;
  if (!address || !size) return CUDA_ERROR_INVALID_VALUE;
  return remote::cuMemAddressFree(at, address, size);
}

CUresult cuMemMap(CUdeviceptr address, size_t size, size_t offset, CUmemGenericAllocationHandle memory, unsigned long long flags) {
  Caller at;
  if (CUresult error = enter(Scope::kInit, false, &at)) return error;
  Slot* slot = handles().find(memory, Handle::kMemory);
  if (!slot || !address || !size || flags) return CUDA_ERROR_INVALID_VALUE;
  const int device = static_cast<int>(slot->info);
  if (CUresult error = remote::cuMemMap(at, address, size, offset, memory, flags)) return error;
  Range range;
  range.base = address;
  range.size = size;
  range.context = to_name(primary_handle(device));
  range.device = device;
  range.memory = Memory::kMapped;
  ranges().add(range);
  return CUDA_SUCCESS;
}

CUresult cuMemUnmap(CUdeviceptr address, size_t size) {
  Caller at;
  if (CUresult error = enter(Scope::kInit, false, &at)) return error;
  // One call may take away several neighbouring mappings.
  for (uint64_t base = address; base < address + size;) {
    Range range;
    if (!ranges().find(base, &range) || range.memory != Memory::kMapped) return CUDA_ERROR_INVALID_VALUE;
    ranges().remove(range.base, true);
    base = range.base + range.size;
  }
  return remote::cuMemUnmap(at, address, size);
}

CUresult cuMemRetainAllocationHandle(CUmemGenericAllocationHandle* out, void* address) {
  Caller at;
  if (CUresult error = enter(Scope::kInit, true, &at)) return error;
  Range range;
  if (!out || !ranges().find(to_name(address), &range) || range.memory != Memory::kMapped) return CUDA_ERROR_INVALID_VALUE;
  const uint64_t name = handles().mint(Handle::kMemory, 0, static_cast<uint64_t>(range.device));
  const CUresult status = remote::MemoryRetain(at, name, to_name(address));
  keep_or_drop(status, name, out);
  return status;
}

}  // namespace bitfusion::interposer::api
