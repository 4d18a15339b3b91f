// Green contexts, the driver's log, handles of mapped memory.
#include <algorithm>

#include "calls/calls.h"
#include "worker/handlers/decode.h"

namespace bitfusion::worker::calls {

CUresult GreenContext(Call& call, uint64_t name, CUgreenCtx green, int* device) {
  State& state = state_of(call);
  if (!state.cuda.cuCtxFromGreenCtx) return CUDA_ERROR_NOT_SUPPORTED;
  CUcontext context = nullptr, before = nullptr;
  if (CUresult error = state.cuda.cuCtxFromGreenCtx(&context, green)) return error;
  state.cuda.cuCtxGetCurrent(&before);
  CUresult status = state.cuda.cuCtxSetCurrent(context);
  if (status == CUDA_SUCCESS) status = state.cuda.cuCtxGetDevice(device);
  state.cuda.cuCtxSetCurrent(before);
  if (status != CUDA_SUCCESS) return status;
  state.objects.add(name, Handle::kContext, context, state.objects.name_of(Handle::kGreenContext, green));
  state.note_context(name, {context, *device, true});
  return CUDA_SUCCESS;
}

CUresult SmResourceSplit(Call& call, std::vector<CUdevResource>& result, uint32_t count, const CUdevResource* input,
                         CUdevResource* remainder, uint32_t flags, std::vector<CU_DEV_SM_RESOURCE_GROUP_PARAMS>& wanted,
                         std::vector<CU_DEV_SM_RESOURCE_GROUP_PARAMS>& groups) {
  State& state = state_of(call);
  if (!state.cuda.cuDevSmResourceSplit) return CUDA_ERROR_NOT_SUPPORTED;
  if (!input || wanted.size() != count || groups.size() != count || (!result.empty() && result.size() != count)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  groups = wanted;
  const CUresult status =
      state.cuda.cuDevSmResourceSplit(result.empty() ? nullptr : result.data(), count, input, remainder, flags, groups.data());
  for (CUdevResource& resource : result) clear_addresses(resource);
  clear_addresses(*remainder);
  return status;
}

CUresult LogsDump(Call& call, uint32_t iterator, uint64_t room, uint32_t flags) {
  State& state = state_of(call);
  if (!state.cuda.cuLogsDumpToMemory) return CUDA_ERROR_NOT_SUPPORTED;
  std::vector<char> text(std::min<uint64_t>(room, 1u << 16) + 1);
  size_t size = text.size() - 1;
  CUlogIterator at = iterator;
  if (CUresult error = state.cuda.cuLogsDumpToMemory(&at, text.data(), &size, flags)) return error;
  call.reply.put<uint32_t>(at);
  call.reply.text({text.data(), std::min(size, text.size() - 1)});
  return CUDA_SUCCESS;
}

// Another handle of memory that is charged already: it keeps the charge alive.
CUresult MemoryRetain(Call& call, uint64_t name, uint64_t address) {
  State& state = state_of(call);
  if (!state.cuda.cuMemRetainAllocationHandle) return CUDA_ERROR_NOT_SUPPORTED;
  CUmemGenericAllocationHandle memory = 0;
  if (CUresult error = state.cuda.cuMemRetainAllocationHandle(&memory, reinterpret_cast<void*>(address))) return error;
  state.accounts.retain_named(name, address);
  state.objects.add(name, Handle::kMemory, memory);
  return CUDA_SUCCESS;
}

}  // namespace bitfusion::worker::calls
