// cuGetErrorName and cuGetErrorString.
#include "bitfusion/cuda_error_text.h"
#include "calls/api.h"

namespace bitfusion::interposer::api {

CUresult cuGetErrorName(CUresult error, const char** out) {
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  const CudaErrorText* known = cuda_error_text(error);
  *out = known ? known->name : nullptr;
  return known ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuGetErrorString(CUresult error, const char** out) {
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  const CudaErrorText* known = cuda_error_text(error);
  *out = known ? known->text : nullptr;
  return known ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

}  // namespace bitfusion::interposer::api
