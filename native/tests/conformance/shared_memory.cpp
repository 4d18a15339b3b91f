// Memory that the application and kernels use at the same address: managed, mapped, registered.
#include <cstdlib>

#include "conformance.h"

namespace {

// data[i] += value on the device, for n numbers.
void add(CUdeviceptr data, uint32_t value, uint32_t n) {
  void* arguments[] = {&data, &value, &n};
  CALL(OK, cuLaunchKernel, conformance::kernel("add"), (n + 63) / 64, 1, 1, 64, 1, 1, 0, nullptr, arguments, nullptr);
}

bool all_are(const uint32_t* values, size_t count, uint32_t expected) {
  for (size_t i = 0; i < count; ++i) {
    if (values[i] != expected) return false;
  }
  return true;
}

}  // namespace

GROUP(managed_memory) {
  conformance::begin();
  CUdeviceptr data = 0, none = 0;
  constexpr uint32_t kCount = 100000;
  CALL(OK, cuMemAllocManaged, &data, kCount * 4, CU_MEM_ATTACH_GLOBAL);
  CALL(INVALID, cuMemAllocManaged, nullptr, 64, CU_MEM_ATTACH_GLOBAL);
  CALL(INVALID, cuMemAllocManaged, &none, 0, CU_MEM_ATTACH_GLOBAL);
  CALL(INVALID, cuMemAllocManaged, &none, 64, 99);
  auto* values = reinterpret_cast<uint32_t*>(data);
  for (uint32_t i = 0; i < kCount; ++i) values[i] = 5;
  add(data, 3, kCount);
  CALL(OK, cuCtxSynchronize);
  EQUAL("written here, added there, read here", all_are(values, kCount, 8), true);
  values[77777] = 100;
  add(data, 1, kCount);
  CUstream stream = nullptr;
  CALL(OK, cuStreamCreate, &stream, CU_STREAM_DEFAULT);
  CALL(OK, cuStreamSynchronize, nullptr);
  EQUAL("one number changed between", values[77777], 101);
  EQUAL("the others", values[77776], 9);
  CALL(OK, cuMemsetD32_v2, data, 42, 1000);
  CALL(OK, cuCtxSynchronize);
  EQUAL("a memset", all_are(values, 1000, 42), true);
  std::vector<uint32_t> out(1000);
  values[0] = 43;
  CALL(OK, cuMemcpyDtoH_v2, out.data(), data, 4000);
  EQUAL("a copy sees what was written here", out[0], 43);
  out[1] = 7;
  CALL(OK, cuMemcpyHtoD_v2, data, out.data(), 4000);
  EQUAL("a blocking copy into it is seen here", values[1], 7);
  unsigned is_managed = 9;
  CALL(OK, cuPointerGetAttribute, &is_managed, CU_POINTER_ATTRIBUTE_IS_MANAGED, data);
  EQUAL("is managed", is_managed, 1);
  CALL(OK, cuMemPrefetchAsync, data, 4096, 0, stream);
  CALL(OK, cuMemPrefetchAsync_v2, data, 4096, CUmemLocation{CU_MEM_LOCATION_TYPE_DEVICE, {0}}, 0, stream);
  CALL(INVALID, cuMemPrefetchAsync, 0x1000, 4096, 0, stream);
  CALL(OK, cuMemAdvise, data, 4096, CU_MEM_ADVISE_SET_READ_MOSTLY, 0);
  CALL(OK, cuMemAdvise_v2, data, 4096, CU_MEM_ADVISE_UNSET_READ_MOSTLY, CUmemLocation{CU_MEM_LOCATION_TYPE_DEVICE, {0}});
  CALL(INVALID, cuMemAdvise, 0x1000, 4096, CU_MEM_ADVISE_SET_READ_MOSTLY, 0);
  CALL(OK, cuStreamAttachMemAsync, stream, data, 0, CU_MEM_ATTACH_GLOBAL);
  CALL(INVALID, cuStreamAttachMemAsync, stream, 0x1000, 0, CU_MEM_ATTACH_GLOBAL);
  int mostly = 0;
  CALL_ON_GPU(OK, cuMemRangeGetAttribute, &mostly, 4, CU_MEM_RANGE_ATTRIBUTE_READ_MOSTLY, data, 4096);
  CALL(OK, cuCtxSynchronize);
  CALL(OK, cuStreamDestroy_v2, stream);
  CALL(OK, cuMemFree_v2, data);
  CALL(INVALID, cuMemFree_v2, data);
}

GROUP(mapped_memory) {
  conformance::begin();
  void* memory = nullptr;
  constexpr uint32_t kCount = 5000;
  CALL(OK, cuMemHostAlloc, &memory, kCount * 4, CU_MEMHOSTALLOC_DEVICEMAP);
  CUdeviceptr device = 0, none = 0;
  CALL(OK, cuMemHostGetDevicePointer_v2, &device, memory, 0);
  CALL(INVALID, cuMemHostGetDevicePointer_v2, nullptr, memory, 0);
  CALL(INVALID, cuMemHostGetDevicePointer_v2, &none, memory, 1);
  CALL(INVALID, cuMemHostGetDevicePointer_v2, &none, nullptr, 0);
  auto* values = static_cast<uint32_t*>(memory);
  for (uint32_t i = 0; i < kCount; ++i) values[i] = 1;
  add(device, 6, kCount);
  CALL(OK, cuCtxSynchronize);
  EQUAL("a kernel changed mapped memory", all_are(values, kCount, 7), true);
  CUdeviceptr again = 0;
  CALL(OK, cuMemHostGetDevicePointer_v2, &again, memory, 0);
  EQUAL("its address stays", again == device, true);
  CALL(OK, cuMemFreeHost, memory);
  CALL(INVALID, cuMemFreeHost, memory);

  void* own = std::aligned_alloc(4096, 8192);
  std::memset(own, 0, 8192);
  CALL(OK, cuMemHostRegister_v2, own, 8192, CU_MEMHOSTREGISTER_DEVICEMAP);
  CALL(CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED, cuMemHostRegister_v2, own, 8192, 0);
  CALL(OK, cuMemHostGetDevicePointer_v2, &device, own, 0);
  static_cast<uint32_t*>(own)[9] = 10;
  add(device, 2, 64);
  CALL(OK, cuCtxSynchronize);
  EQUAL("a kernel changed registered memory", static_cast<uint32_t*>(own)[9], 12);
  CALL(OK, cuMemHostUnregister, own);
  CALL(CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED, cuMemHostUnregister, own);
  std::free(own);
}
