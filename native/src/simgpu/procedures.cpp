// cuGetProcAddress: names and introduction versions to entry points.
#include <algorithm>
#include <cstring>
#include <string_view>
#include <vector>

#include "simgpu/api.h"
#include "simgpu/log.h"

namespace {

struct Procedure {
  std::string_view name;
  int version;
  void* symbol;
  void* per_thread;
};

const Procedure kProcedures[] = {
#include "simgpu_generated/procedures.inc"
};

// The newest variant that the asked version knows; `known` tells whether there is one at all.
const Procedure* find(std::string_view name, int version, bool* known) {
  const Procedure* best = nullptr;
  const auto by_name = [](const Procedure& row, std::string_view wanted) { return row.name < wanted; };
  const Procedure* row = std::lower_bound(std::begin(kProcedures), std::end(kProcedures), name, by_name);
  *known = row != std::end(kProcedures) && row->name == name;
  for (; row != std::end(kProcedures) && row->name == name; ++row) {
    if (row->version <= version) best = row;
  }
  return best;
}

}  // namespace

extern "C" {

CUresult cuGetProcAddress_v2(const char* name, void** out, int version, cuuint64_t flags, CUdriverProcAddressQueryResult* status) {
  const cuuint64_t known_flags = CU_GET_PROC_ADDRESS_LEGACY_STREAM | CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM;
  if (name == nullptr || out == nullptr || (flags & ~known_flags) != 0 || flags == known_flags) return CUDA_ERROR_INVALID_VALUE;
  bool known = false;
  const Procedure* found = find(name, version, &known);
  *out = nullptr;
  if (found == nullptr) {
    if (status != nullptr) *status = known ? CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT : CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
    simgpu::debug_line("cuGetProcAddress: no %s for version %d", name, version);
    return CUDA_ERROR_NOT_FOUND;
  }
  const bool per_thread = (flags & CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM) != 0;
  *out = per_thread ? found->per_thread : found->symbol;
  // Programs built for CUDA 11 look up this very function and call it without the last argument.
  if (status != nullptr) *status = CU_GET_PROC_ADDRESS_SUCCESS;
  return CUDA_SUCCESS;
}

CUresult cuGetProcAddress(const char* name, void** out, int version, cuuint64_t flags) {
  return cuGetProcAddress_v2(name, out, version, flags, nullptr);
}

}  // extern "C"
