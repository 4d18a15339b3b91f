// Filling device memory. The plain forms are asynchronous for device memory as well, so all of them are one kind of frame.
#include "calls/api.h"
#include "calls/remote.h"
#include "interposer/check.h"
#include "interposer/ranges.h"

namespace bitfusion::interposer::api {
namespace {

// Whether [address, address + size) is device memory of ours.
bool inside(uint64_t address, uint64_t size) {
  Range range;
  return ranges().find(address, &range) && range.on_device() && size <= range.base + range.size - address;
}

template <typename Fill>
CUresult fill(CUstream stream, CUdeviceptr address, size_t pitch, size_t width_bytes, size_t height, size_t element, Fill send) {
  Caller at;
  if (CUresult error = enter(Scope::kContext, false, &at)) return error;
  uint64_t name;
  if (!name_stream(at, stream, &name)) return CUDA_ERROR_INVALID_HANDLE;
  if (!width_bytes || !height) return CUDA_SUCCESS;
  if (address % element || (height > 1 && (pitch % element || pitch < width_bytes))) return CUDA_ERROR_INVALID_VALUE;
  uint64_t rows;
  if (__builtin_mul_overflow(pitch, height - 1, &rows) || !inside(address, rows + width_bytes)) return CUDA_ERROR_INVALID_VALUE;
  return send(at, name);
}

}  // namespace

#define BITFUSION_FILL(SUFFIX, TYPE)                                                                                                \
  CUresult cuMemset##SUFFIX##Async(CUdeviceptr address, TYPE value, size_t count, CUstream stream) {                                \
    return fill(stream, address, 0, count * sizeof(TYPE), 1, sizeof(TYPE),                                                          \
                [&](const Caller& at, uint64_t name) { return remote::cuMemset##SUFFIX##Async(at, address, value, count, name); }); \
  }                                                                                                                                 \
  CUresult cuMemset##SUFFIX##_v2(CUstream stream, CUdeviceptr address, TYPE value, size_t count) {                                  \
    return api::cuMemset##SUFFIX##Async(address, value, count, stream);                                                             \
  }
#define BITFUSION_FILL_2D(SUFFIX, TYPE)                                                                                           \
  CUresult cuMemset##SUFFIX##Async(CUdeviceptr address, size_t pitch, TYPE value, size_t width, size_t height, CUstream stream) { \
    return fill(stream, address, pitch, width * sizeof(TYPE), height, sizeof(TYPE), [&](const Caller& at, uint64_t name) {        \
      return remote::cuMemset##SUFFIX##Async(at, address, pitch, value, width, height, name);                                     \
    });                                                                                                                           \
  }                                                                                                                               \
  CUresult cuMemset##SUFFIX##_v2(CUstream stream, CUdeviceptr address, size_t pitch, TYPE value, size_t width, size_t height) {   \
    return api::cuMemset##SUFFIX##Async(address, pitch, value, width, height, stream);                                            \
  }

BITFUSION_FILL(D8, unsigned char)
BITFUSION_FILL(D16, unsigned short)
BITFUSION_FILL(D32, unsigned int)
BITFUSION_FILL_2D(D2D8, unsigned char)
BITFUSION_FILL_2D(D2D16, unsigned short)
BITFUSION_FILL_2D(D2D32, unsigned int)

#undef BITFUSION_FILL
#undef BITFUSION_FILL_2D

}  // namespace bitfusion::interposer::api
