#include "simgpu/batch.h"

#include <algorithm>

#include "simgpu/context.h"
#include "simgpu/memory_check.h"

namespace simgpu {

namespace {

CUresult make_value(uint64_t address, uint64_t value, bool wide, bool wait, unsigned flags, ValueWork* work) {
  const size_t size = wide ? 8 : 4;
  REQUIRE(address % size == 0 && range_allowed(address, size, Side::kDevice), CUDA_ERROR_INVALID_VALUE);
  *work = ValueWork{address, value, wide, wait, flags};
  return CUDA_SUCCESS;
}

CUresult append(const CUstreamBatchMemOpParams& operation, std::vector<ValueWork>* values) {
  const auto& wait = operation.waitValue;
  const auto& write = operation.writeValue;
  ValueWork value;
  CUresult result = CUDA_SUCCESS;
  switch (operation.operation) {
    case CU_STREAM_MEM_OP_WAIT_VALUE_32:
      result = make_value(wait.address, wait.value, false, true, wait.flags, &value);
      break;
    case CU_STREAM_MEM_OP_WAIT_VALUE_64:
      result = make_value(wait.address, wait.value64, true, true, wait.flags, &value);
      break;
    case CU_STREAM_MEM_OP_WRITE_VALUE_32:
      result = make_value(write.address, write.value, false, false, write.flags, &value);
      break;
    case CU_STREAM_MEM_OP_WRITE_VALUE_64:
      result = make_value(write.address, write.value64, true, false, write.flags, &value);
      break;
    case CU_STREAM_MEM_OP_BARRIER:
    case CU_STREAM_MEM_OP_FLUSH_REMOTE_WRITES:
      return CUDA_SUCCESS;  // work of a stream is ordered and visible anyway
    default:
      return CUDA_ERROR_NOT_SUPPORTED;
  }
  if (result == CUDA_SUCCESS) values->push_back(value);
  return result;
}

}  // namespace

CUresult make_batch(unsigned count, const CUstreamBatchMemOpParams* operations, unsigned flags, BatchWork* batch) {
  constexpr unsigned kMostOperations = 256;
  REQUIRE(operations != nullptr && count != 0 && count <= kMostOperations, CUDA_ERROR_INVALID_VALUE);
  for (unsigned i = 0; i < count; i++) {
    if (const CUresult bad = append(operations[i], &batch->values); bad != CUDA_SUCCESS) return bad;
  }
  batch->asked.assign(operations, operations + count);
  batch->flags = flags;
  return CUDA_SUCCESS;
}

bool waits(const BatchWork& batch) {
  return std::any_of(batch.values.begin(), batch.values.end(), [](const ValueWork& value) { return value.wait; });
}

}  // namespace simgpu
