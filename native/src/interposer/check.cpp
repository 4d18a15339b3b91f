#include "interposer/check.h"

#include "interposer/coherent.h"
#include "wire/stream_name.h"

namespace bitfusion::interposer {

CUresult enter(Scope scope, bool reports, Caller* at) {
  if (scope == Scope::kAny) return CUDA_SUCCESS;
  if (!process().ready()) return CUDA_ERROR_NOT_INITIALIZED;
  at->link = process().link();
  at->context = current_context();
  if (scope == Scope::kContext) {
    if (!at->context) return CUDA_ERROR_INVALID_CONTEXT;
    if (!context_alive(at->context)) return CUDA_ERROR_CONTEXT_IS_DESTROYED;
  }
  return reports ? static_cast<CUresult>(at->link->take_error()) : CUDA_SUCCESS;
}

CUresult settle(const Caller& at, CUresult status, uint64_t stream) {
  if (status != CUDA_SUCCESS) return status;
  if (coherent().any() && at.context) status = coherent().after_wait(at, stream);
  const auto earlier = static_cast<CUresult>(at.link->take_error());
  return earlier != CUDA_SUCCESS ? earlier : status;
}

bool name_stream(const Caller& at, CUstream stream, uint64_t* name) {
  if (stream == nullptr || stream == CU_STREAM_LEGACY) {
    *name = wire::legacy_stream(at.context);
    return true;
  }
  if (stream == CU_STREAM_PER_THREAD) {
    *name = wire::per_thread_stream(transport::Link::thread_number(), at.context);
    return true;
  }
  *name = to_name(stream);
  return handles().valid(*name, Handle::kStream);
}

}  // namespace bitfusion::interposer
