// The interface before CUDA 3.2, whose sizes and device addresses are 32 bits wide.
#include "bitfusion/cuda_v1.h"
#include "calls/api.h"
#include "interposer/check.h"

namespace bitfusion::interposer::api {
namespace {

// Calls `call` with the present form of a structure that must be there.
template <typename Old, typename Call>
CUresult widened(const Old* old, Call call) {
  if (!old) return process().ready() ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_NOT_INITIALIZED;
  const auto now = v1::wide(*old);
  return call(&now);
}

// Asks `call` for the present form of a structure and gives the old one.
template <typename Now, typename Old, typename Call>
CUresult narrowed(Old* out, Call call) {
  Now now = {};
  const CUresult status = call(out ? &now : nullptr);
  if (status == CUDA_SUCCESS) *out = v1::narrow(now);
  return status;
}

}  // namespace

CUresult cuArrayCreate(CUarray* out, const CUDA_ARRAY_DESCRIPTOR_v1* old) {
  return widened(old, [=](auto* now) { return api::cuArrayCreate_v2(out, now); });
}
CUresult cuArray3DCreate(CUarray* out, const CUDA_ARRAY3D_DESCRIPTOR_v1* old) {
  return widened(old, [=](auto* now) { return api::cuArray3DCreate_v2(out, now); });
}
CUresult cuArrayGetDescriptor(CUDA_ARRAY_DESCRIPTOR_v1* out, CUarray array) {
  return narrowed<CUDA_ARRAY_DESCRIPTOR>(out, [=](auto* now) { return api::cuArrayGetDescriptor_v2(now, array); });
}
CUresult cuArray3DGetDescriptor(CUDA_ARRAY3D_DESCRIPTOR_v1* out, CUarray array) {
  return narrowed<CUDA_ARRAY3D_DESCRIPTOR>(out, [=](auto* now) { return api::cuArray3DGetDescriptor_v2(now, array); });
}

CUresult cuMemcpyHtoA(CUarray to, unsigned offset, const void* from, unsigned size) {
  return api::cuMemcpyHtoA_v2(nullptr, to, offset, from, size);
}
CUresult cuMemcpyAtoH(void* to, CUarray from, unsigned offset, unsigned size) {
  return api::cuMemcpyAtoH_v2(nullptr, to, from, offset, size);
}
CUresult cuMemcpyAtoA(CUarray to, unsigned to_offset, CUarray from, unsigned from_offset, unsigned size) {
  return api::cuMemcpyAtoA_v2(nullptr, to, to_offset, from, from_offset, size);
}
CUresult cuMemcpyHtoAAsync(CUarray to, unsigned offset, const void* from, unsigned size, CUstream stream) {
  return api::cuMemcpyHtoAAsync_v2(to, offset, from, size, stream);
}
CUresult cuMemcpyAtoHAsync(void* to, CUarray from, unsigned offset, unsigned size, CUstream stream) {
  return api::cuMemcpyAtoHAsync_v2(to, from, offset, size, stream);
}
CUresult cuMemcpy2D(const CUDA_MEMCPY2D_v1* old) {
  return widened(old, [](auto* now) { return api::cuMemcpy2D_v2(nullptr, now); });
}
CUresult cuMemcpy2DUnaligned(const CUDA_MEMCPY2D_v1* old) {
  return widened(old, [](auto* now) { return api::cuMemcpy2DUnaligned_v2(nullptr, now); });
}
CUresult cuMemcpy2DAsync(const CUDA_MEMCPY2D_v1* old, CUstream stream) {
  return widened(old, [=](auto* now) { return api::cuMemcpy2DAsync_v2(now, stream); });
}
CUresult cuMemcpy3D(const CUDA_MEMCPY3D_v1* old) {
  return widened(old, [](auto* now) { return api::cuMemcpy3D_v2(nullptr, now); });
}
CUresult cuMemcpy3DAsync(const CUDA_MEMCPY3D_v1* old, CUstream stream) {
  return widened(old, [=](auto* now) { return api::cuMemcpy3DAsync_v2(now, stream); });
}

CUresult cuDeviceTotalMem(unsigned* out, CUdevice device) {
  size_t bytes = 0;
  const CUresult status = api::cuDeviceTotalMem_v2(out ? &bytes : nullptr, device);
  if (status == CUDA_SUCCESS) *out = v1::narrow(bytes);
  return status;
}
CUresult cuMemGetInfo(unsigned* free_out, unsigned* total_out) {
  size_t free_bytes = 0, total = 0;
  const CUresult status = api::cuMemGetInfo_v2(free_out ? &free_bytes : nullptr, total_out ? &total : nullptr);
  if (status != CUDA_SUCCESS) return status;
  *free_out = v1::narrow(free_bytes);
  *total_out = v1::narrow(total);
  return status;
}
CUresult cuMemAllocHost(void** out, unsigned size) { return api::cuMemAllocHost_v2(out, size); }

// Device addresses of 32 bits: no memory of a 64-bit process lies there, so every one of them is foreign.

CUresult cuMemAlloc(CUdeviceptr_v1* out, unsigned size) {
  CUdeviceptr made = 0;
  const CUresult status = api::cuMemAlloc_v2(out ? &made : nullptr, size);
  if (status != CUDA_SUCCESS) return status;
  api::cuMemFree_v2(made);  // nobody could name it
  return CUDA_ERROR_OUT_OF_MEMORY;
}
CUresult cuMemAllocPitch(CUdeviceptr_v1* out, unsigned* pitch_out, unsigned width, unsigned height, unsigned element) {
  CUdeviceptr made = 0;
  size_t pitch = 0;
  const CUresult status = api::cuMemAllocPitch_v2(out ? &made : nullptr, pitch_out ? &pitch : nullptr, width, height, element);
  if (status != CUDA_SUCCESS) return status;
  api::cuMemFree_v2(made);
  return CUDA_ERROR_OUT_OF_MEMORY;
}
CUresult cuMemFree(CUdeviceptr_v1 address) { return api::cuMemFree_v2(address); }
CUresult cuMemGetAddressRange(CUdeviceptr_v1* base, unsigned* size, CUdeviceptr_v1 address) {
  (void)base, (void)size;
  return api::cuMemGetAddressRange_v2(nullptr, nullptr, address);
}
CUresult cuMemcpyHtoD(CUdeviceptr_v1 to, const void* from, unsigned size) { return api::cuMemcpyHtoD_v2(nullptr, to, from, size); }
CUresult cuMemcpyDtoH(void* to, CUdeviceptr_v1 from, unsigned size) { return api::cuMemcpyDtoH_v2(nullptr, to, from, size); }
CUresult cuMemcpyDtoD(CUdeviceptr_v1 to, CUdeviceptr_v1 from, unsigned size) { return api::cuMemcpyDtoD_v2(nullptr, to, from, size); }
CUresult cuMemcpyDtoA(CUarray to, unsigned offset, CUdeviceptr_v1 from, unsigned size) {
  return api::cuMemcpyDtoA_v2(nullptr, to, offset, from, size);
}
CUresult cuMemcpyAtoD(CUdeviceptr_v1 to, CUarray from, unsigned offset, unsigned size) {
  return api::cuMemcpyAtoD_v2(nullptr, to, from, offset, size);
}
CUresult cuMemcpyHtoDAsync(CUdeviceptr_v1 to, const void* from, unsigned size, CUstream stream) {
  return api::cuMemcpyHtoDAsync_v2(to, from, size, stream);
}
CUresult cuMemcpyDtoHAsync(void* to, CUdeviceptr_v1 from, unsigned size, CUstream stream) {
  return api::cuMemcpyDtoHAsync_v2(to, from, size, stream);
}
CUresult cuMemcpyDtoDAsync(CUdeviceptr_v1 to, CUdeviceptr_v1 from, unsigned size, CUstream stream) {
  return api::cuMemcpyDtoDAsync_v2(to, from, size, stream);
}
CUresult cuMemsetD8(CUdeviceptr_v1 to, unsigned char value, unsigned count) { return api::cuMemsetD8_v2(nullptr, to, value, count); }
CUresult cuMemsetD16(CUdeviceptr_v1 to, unsigned short value, unsigned count) { return api::cuMemsetD16_v2(nullptr, to, value, count); }
CUresult cuMemsetD32(CUdeviceptr_v1 to, unsigned value, unsigned count) { return api::cuMemsetD32_v2(nullptr, to, value, count); }
CUresult cuMemsetD2D8(CUdeviceptr_v1 to, unsigned pitch, unsigned char value, unsigned width, unsigned height) {
  return api::cuMemsetD2D8_v2(nullptr, to, pitch, value, width, height);
}
CUresult cuMemsetD2D16(CUdeviceptr_v1 to, unsigned pitch, unsigned short value, unsigned width, unsigned height) {
  return api::cuMemsetD2D16_v2(nullptr, to, pitch, value, width, height);
}
CUresult cuMemsetD2D32(CUdeviceptr_v1 to, unsigned pitch, unsigned value, unsigned width, unsigned height) {
  return api::cuMemsetD2D32_v2(nullptr, to, pitch, value, width, height);
}

}  // namespace bitfusion::interposer::api
