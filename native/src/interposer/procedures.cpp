// cuGetProcAddress: the newest variant that is not newer than the version asked for.
#include "interposer/procedures.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "calls/api.h"
#include "interposer/process.h"

namespace bitfusion::interposer {
namespace {

const Procedure* first_of(std::string_view name) {
  const Procedure* const end = kProcedures + kProcedureCount;
  const Procedure* at =
      std::lower_bound(kProcedures, end, name, [](const Procedure& p, std::string_view wanted) { return p.name < wanted; });
  return at != end && at->name == name ? at : nullptr;
}

// `_v2` and `_ptsz` may be part of the name that is asked for.
bool split_suffix(std::string_view* name, std::string_view suffix) {
  if (!name->ends_with(suffix)) return false;
  name->remove_suffix(suffix.size());
  return true;
}

struct Found {
  void* function = nullptr;
  CUdriverProcAddressQueryResult result = CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
};

Found find(std::string_view name, int version, bool per_thread) {
  const Procedure* at = first_of(name);
  Found found;
  for (; at && at < kProcedures + kProcedureCount && at->name == name; ++at) {
    found.result = CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT;
    const bool threaded = per_thread && at->per_thread;
    if ((threaded ? at->per_thread_since : at->since) > version) continue;
    return {threaded ? at->per_thread : at->function, CU_GET_PROC_ADDRESS_SUCCESS};
  }
  return found;
}

CUresult answer(const char* symbol, void** out, int version, cuuint64_t flags, CUdriverProcAddressQueryResult* result) {
  constexpr cuuint64_t kKnown = CU_GET_PROC_ADDRESS_LEGACY_STREAM | CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM;
  if (!symbol || !out || flags & ~kKnown || flags == kKnown) return CUDA_ERROR_INVALID_VALUE;
  std::string_view name(symbol);
  bool per_thread = flags & CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM;
  per_thread |= split_suffix(&name, "_ptsz") || split_suffix(&name, "_ptds");
  Found found = find(name, std::min(version, CUDA_VERSION), per_thread);
  *out = found.function;
  if (result) *result = found.result;
  return found.function ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}

}  // namespace

namespace api {

CUresult cuGetProcAddress_v2(const char* symbol, void** out, int version, cuuint64_t flags, CUdriverProcAddressQueryResult* result) {
  return answer(symbol, out, version, flags, result);
}

CUresult cuGetProcAddress(const char* symbol, void** out, int version, cuuint64_t flags) {
  return answer(symbol, out, version, flags, nullptr);
}

}  // namespace api
}  // namespace bitfusion::interposer
