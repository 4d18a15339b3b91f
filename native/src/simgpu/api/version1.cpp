// The interface before CUDA 3.2, whose sizes and device addresses are 32 bits wide.
#include "simgpu/api.h"
// after cuda.h as the driver sees it
#include "bitfusion/cuda_v1.h"
#include "simgpu/context.h"

using bitfusion::v1::narrow;
using bitfusion::v1::wide;

namespace {

template <typename Old, typename Call>
CUresult widened(const Old* old, Call call) {
  REQUIRE_INITIALIZED();
  REQUIRE(old != nullptr, CUDA_ERROR_INVALID_VALUE);
  const auto now = wide(*old);
  return call(&now);
}

template <typename Now, typename Old, typename Call>
CUresult narrowed(Old* out, Call call) {
  Now now{};
  const CUresult result = call(out != nullptr ? &now : nullptr);
  if (result == CUDA_SUCCESS) *out = narrow(now);
  return result;
}

}  // namespace

extern "C" {

CUresult cuArrayCreate(CUarray* out, const CUDA_ARRAY_DESCRIPTOR_v1* old) {
  return widened(old, [=](auto* now) { return cuArrayCreate_v2(out, now); });
}
CUresult cuArray3DCreate(CUarray* out, const CUDA_ARRAY3D_DESCRIPTOR_v1* old) {
  return widened(old, [=](auto* now) { return cuArray3DCreate_v2(out, now); });
}
CUresult cuArrayGetDescriptor(CUDA_ARRAY_DESCRIPTOR_v1* out, CUarray array) {
  return narrowed<CUDA_ARRAY_DESCRIPTOR>(out, [=](auto* now) { return cuArrayGetDescriptor_v2(now, array); });
}
CUresult cuArray3DGetDescriptor(CUDA_ARRAY3D_DESCRIPTOR_v1* out, CUarray array) {
  return narrowed<CUDA_ARRAY3D_DESCRIPTOR>(out, [=](auto* now) { return cuArray3DGetDescriptor_v2(now, array); });
}
CUresult cuMemcpyHtoA(CUarray to, unsigned offset, const void* from, unsigned size) { return cuMemcpyHtoA_v2(to, offset, from, size); }
CUresult cuMemcpyAtoH(void* to, CUarray from, unsigned offset, unsigned size) { return cuMemcpyAtoH_v2(to, from, offset, size); }
CUresult cuMemcpyAtoA(CUarray to, unsigned to_offset, CUarray from, unsigned from_offset, unsigned size) {
  return cuMemcpyAtoA_v2(to, to_offset, from, from_offset, size);
}
CUresult cuMemcpyHtoAAsync(CUarray to, unsigned offset, const void* from, unsigned size, CUstream stream) {
  return cuMemcpyHtoAAsync_v2(to, offset, from, size, stream);
}
CUresult cuMemcpyAtoHAsync(void* to, CUarray from, unsigned offset, unsigned size, CUstream stream) {
  return cuMemcpyAtoHAsync_v2(to, from, offset, size, stream);
}
CUresult cuMemcpy2D(const CUDA_MEMCPY2D_v1* old) {
  return widened(old, [](auto* now) { return cuMemcpy2D_v2(now); });
}
CUresult cuMemcpy2DUnaligned(const CUDA_MEMCPY2D_v1* old) {
  return widened(old, [](auto* now) { return cuMemcpy2DUnaligned_v2(now); });
}
CUresult cuMemcpy2DAsync(const CUDA_MEMCPY2D_v1* old, CUstream stream) {
  return widened(old, [=](auto* now) { return cuMemcpy2DAsync_v2(now, stream); });
}
CUresult cuMemcpy3D(const CUDA_MEMCPY3D_v1* old) {
  return widened(old, [](auto* now) { return cuMemcpy3D_v2(now); });
}
CUresult cuMemcpy3DAsync(const CUDA_MEMCPY3D_v1* old, CUstream stream) {
  return widened(old, [=](auto* now) { return cuMemcpy3DAsync_v2(now, stream); });
}
CUresult cuDeviceTotalMem(unsigned* out, CUdevice device) {
  size_t bytes = 0;
  const CUresult result = cuDeviceTotalMem_v2(out != nullptr ? &bytes : nullptr, device);
  if (result == CUDA_SUCCESS) *out = narrow(bytes);
  return result;
}
CUresult cuMemGetInfo(unsigned* free_out, unsigned* total_out) {
  size_t free_bytes = 0, total = 0;
  const CUresult result = cuMemGetInfo_v2(free_out != nullptr ? &free_bytes : nullptr, total_out != nullptr ? &total : nullptr);
  if (result != CUDA_SUCCESS) return result;
  *free_out = narrow(free_bytes);
  *total_out = narrow(total);
  return result;
}
CUresult cuMemAllocHost(void** out, unsigned size) { return cuMemAllocHost_v2(out, size); }

// Device addresses of 32 bits: no memory of a 64-bit process lies there, so every one of them is foreign.

CUresult cuMemAlloc(CUdeviceptr_v1* out, unsigned size) {
  CUdeviceptr made = 0;
  const CUresult status = cuMemAlloc_v2(out ? &made : nullptr, size);
  if (status != CUDA_SUCCESS) return status;
  cuMemFree_v2(made);  // nobody could name it
  return CUDA_ERROR_OUT_OF_MEMORY;
}
CUresult cuMemAllocPitch(CUdeviceptr_v1* out, unsigned* pitch_out, unsigned width, unsigned height, unsigned element) {
  CUdeviceptr made = 0;
  size_t pitch = 0;
  const CUresult status = cuMemAllocPitch_v2(out ? &made : nullptr, pitch_out ? &pitch : nullptr, width, height, element);
  if (status != CUDA_SUCCESS) return status;
  cuMemFree_v2(made);
  return CUDA_ERROR_OUT_OF_MEMORY;
}
CUresult cuMemFree(CUdeviceptr_v1 address) { return cuMemFree_v2(address); }
CUresult cuMemGetAddressRange(CUdeviceptr_v1* base, unsigned* size, CUdeviceptr_v1 address) {
  (void)base, (void)size;
  return cuMemGetAddressRange_v2(nullptr, nullptr, address);
}
CUresult cuMemcpyHtoD(CUdeviceptr_v1 to, const void* from, unsigned size) { return cuMemcpyHtoD_v2(to, from, size); }
CUresult cuMemcpyDtoH(void* to, CUdeviceptr_v1 from, unsigned size) { return cuMemcpyDtoH_v2(to, from, size); }
CUresult cuMemcpyDtoD(CUdeviceptr_v1 to, CUdeviceptr_v1 from, unsigned size) { return cuMemcpyDtoD_v2(to, from, size); }
CUresult cuMemcpyDtoA(CUarray to, unsigned offset, CUdeviceptr_v1 from, unsigned size) { return cuMemcpyDtoA_v2(to, offset, from, size); }
CUresult cuMemcpyAtoD(CUdeviceptr_v1 to, CUarray from, unsigned offset, unsigned size) { return cuMemcpyAtoD_v2(to, from, offset, size); }
CUresult cuMemcpyHtoDAsync(CUdeviceptr_v1 to, const void* from, unsigned size, CUstream stream) {
  return cuMemcpyHtoDAsync_v2(to, from, size, stream);
}
CUresult cuMemcpyDtoHAsync(void* to, CUdeviceptr_v1 from, unsigned size, CUstream stream) {
  return cuMemcpyDtoHAsync_v2(to, from, size, stream);
}
CUresult cuMemcpyDtoDAsync(CUdeviceptr_v1 to, CUdeviceptr_v1 from, unsigned size, CUstream stream) {
  return cuMemcpyDtoDAsync_v2(to, from, size, stream);
}
CUresult cuMemsetD8(CUdeviceptr_v1 to, unsigned char value, unsigned count) { return cuMemsetD8_v2(to, value, count); }
CUresult cuMemsetD16(CUdeviceptr_v1 to, unsigned short value, unsigned count) { return cuMemsetD16_v2(to, value, count); }
CUresult cuMemsetD32(CUdeviceptr_v1 to, unsigned value, unsigned count) { return cuMemsetD32_v2(to, value, count); }
CUresult cuMemsetD2D8(CUdeviceptr_v1 to, unsigned pitch, unsigned char value, unsigned width, unsigned height) {
  return cuMemsetD2D8_v2(to, pitch, value, width, height);
}
CUresult cuMemsetD2D16(CUdeviceptr_v1 to, unsigned pitch, unsigned short value, unsigned width, unsigned height) {
  return cuMemsetD2D16_v2(to, pitch, value, width, height);
}
CUresult cuMemsetD2D32(CUdeviceptr_v1 to, unsigned pitch, unsigned value, unsigned width, unsigned height) {
  return cuMemsetD2D32_v2(to, pitch, value, width, height);
}

}  // extern "C"
