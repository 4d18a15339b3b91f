#include "interposer/check.h"

#include "interposer/coherent.h"

namespace bitfusion::interposer {
namespace {

// Tags of default streams on the wire, beyond those of handles; native/src/worker/handlers/session.cpp reads them.
constexpr uint64_t kLegacyStream = uint64_t{61} << 52;
constexpr uint64_t kPerThreadStream = uint64_t{62} << 52;
constexpr uint64_t kSlotBits = 0xFFFFFFF;

}  // namespace

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
    *name = kLegacyStream | (at.context & ((uint64_t{1} << 52) - 1));
    return true;
  }
  if (stream == CU_STREAM_PER_THREAD) {
    *name = kPerThreadStream | (static_cast<uint64_t>(transport::Link::thread_number()) << 28) | (at.context & kSlotBits);
    return true;
  }
  *name = to_name(stream);
  return handles().valid(*name, Handle::kStream);
}

}  // namespace bitfusion::interposer
