// The interface before CUDA 3.2: sizes and device addresses of 32 bits.
#include "conformance.h"

GROUP(version1) {
  conformance::begin();
  unsigned bytes = 0, free_bytes = 0, total = 0;
  CALL(OK, cuDeviceTotalMem, &bytes, 0);
  EQUAL("there is memory", bytes != 0, true);
  CALL(INVALID, cuDeviceTotalMem, nullptr, 0);
  CALL(OK, cuMemGetInfo, &free_bytes, &total);
  CUdeviceptr_v1 address = 0;
  CALL(CUDA_ERROR_OUT_OF_MEMORY, cuMemAlloc, &address, 4096);
  CALL(INVALID, cuMemAlloc, nullptr, 4096);
  CALL(INVALID, cuMemFree, 0x1000);
  CALL(CUDA_ERROR_NOT_FOUND, cuMemGetAddressRange, nullptr, nullptr, 0x1000);
  char host[64] = {};
  CALL(INVALID, cuMemcpyHtoD, 0x1000, host, 64);
  CALL(INVALID, cuMemcpyDtoH, host, 0x1000, 64);
  CALL(INVALID, cuMemcpyDtoD, 0x1000, 0x2000, 64);
  CALL(INVALID, cuMemcpyHtoDAsync, 0x1000, host, 64, nullptr);
  CALL(INVALID, cuMemcpyDtoHAsync, host, 0x1000, 64, nullptr);
  CALL(INVALID, cuMemcpyDtoDAsync, 0x1000, 0x2000, 64, nullptr);
  CALL(INVALID, cuMemsetD8, 0x1000, 1, 64);
  CALL(INVALID, cuMemsetD16, 0x1000, 1, 32);
  CALL(INVALID, cuMemsetD32, 0x1000, 1, 16);
  CALL(INVALID, cuMemsetD2D8, 0x1000, 64, 1, 32, 2);
  CALL(INVALID, cuMemsetD2D16, 0x1000, 64, 1, 16, 2);
  CALL(INVALID, cuMemsetD2D32, 0x1000, 64, 1, 8, 2);
  void* pinned = nullptr;
  CALL(OK, cuMemAllocHost, &pinned, 4096);
  CALL(OK, cuMemFreeHost, pinned);
}
