// Device memory: allocation and release.
#include "interposer/memory.h"

#include "calls/api.h"
#include "calls/remote.h"
#include "interposer/check.h"
#include "interposer/coherent.h"

namespace bitfusion::interposer::api {
namespace {

void keep(const Caller& at, uint64_t address, uint64_t size) {
  Range range;
  range.base = address;
  range.size = size;
  range.context = at.context;
  range.device = current()->device;
  ranges().add(range);
}

}  // namespace

CUresult cuMemAlloc_v2(CUdeviceptr* out, size_t size) {
  Caller at;
  if (CUresult error = enter(Scope::kContext, true, &at)) return error;
  if (!out || !size) return CUDA_ERROR_INVALID_VALUE;
  uint64_t address = 0;
  const CUresult status = allocate_visible(
      size,
      [&](uint64_t* made) {
        CUdeviceptr pointer = 0;
        const CUresult answer = remote::cuMemAlloc_v2(at, &pointer, size);
        *made = pointer;
        return answer;
      },
      [&](uint64_t unwanted) { remote::cuMemFree_v2(at, unwanted); }, &address);
  if (status != CUDA_SUCCESS) return status;
  keep(at, address, size);
  *out = address;
  return CUDA_SUCCESS;
}

CUresult cuMemAllocPitch_v2(CUdeviceptr* out, size_t* pitch, size_t width, size_t height, unsigned element) {
  Caller at;
  if (CUresult error = enter(Scope::kContext, true, &at)) return error;
  if (!out || !pitch || !width || !height || (element != 4 && element != 8 && element != 16)) return CUDA_ERROR_INVALID_VALUE;
  constexpr size_t kAlignment = 512;
  const size_t row = (width + kAlignment - 1) & ~(kAlignment - 1);
  uint64_t total;
  if (__builtin_mul_overflow(row, height, &total)) return CUDA_ERROR_OUT_OF_MEMORY;
  if (CUresult error = cuMemAlloc_v2(out, total)) return error;
  *pitch = row;
  return CUDA_SUCCESS;
}

CUresult cuMemFree_v2(CUdeviceptr address) {
  Caller at;
  if (CUresult error = enter(Scope::kInit, false, &at)) return error;
  if (!address) return CUDA_SUCCESS;
  Range range;
  if (!ranges().find(address, &range) || range.base != address || !range.allocated()) return CUDA_ERROR_INVALID_VALUE;
  if (range.memory == Memory::kManaged) {
    coherent().remove(address);
    close_memory(address, range.size);
  }
  if (range.memory != Memory::kGraph) ranges().remove(address, true);  // a graph brings its memory back
  at.context = range.context;                                          // as the driver does, whatever context is current
  return remote::cuMemFree_v2(at, address);
}

CUresult cuMemGetAddressRange_v2(CUdeviceptr* base, size_t* size, CUdeviceptr address) {
  Caller at;
  if (CUresult error = enter(Scope::kContext, false, &at)) return error;
  Range range;
  if (!ranges().find(address, &range) || !range.on_device()) return CUDA_ERROR_NOT_FOUND;
  if (base) *base = range.base;
  if (size) *size = range.size;
  return CUDA_SUCCESS;
}

}  // namespace bitfusion::interposer::api
