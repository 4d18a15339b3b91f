// What the server is, and contexts.
#include <algorithm>

#include "calls/calls.h"

namespace bitfusion::worker::calls {
namespace {

constexpr int32_t kNoAttribute = INT32_MIN;

uint64_t visible_memory(State& state, int device, size_t total) {
  (void)device;
  const uint64_t limit = state.executor.budget().limit();
  return limit ? std::min<uint64_t>(limit, total) : total;
}

void put_device(State& state, ReplyBuffer& reply, CUdevice device) {
  char name[256] = "", pci[32] = "";
  CUuuid uuid = {};
  size_t total = 0;
  state.cuda.cuDeviceGetName(name, sizeof name - 1, device);
  state.cuda.cuDeviceGetPCIBusId(pci, sizeof pci - 1, device);
  state.cuda.cuDeviceGetUuid_v2(&uuid, device);
  state.cuda.cuDeviceTotalMem_v2(&total, device);
  std::vector<int32_t> attributes(CU_DEVICE_ATTRIBUTE_MAX, kNoAttribute);
  for (int i = 1; i < CU_DEVICE_ATTRIBUTE_MAX; ++i) {
    int value;
    if (state.cuda.cuDeviceGetAttribute(&value, static_cast<CUdevice_attribute>(i), device) == CUDA_SUCCESS) attributes[i] = value;
  }
  reply.text(name);
  reply.text(pci);
  reply.put(uuid);
  reply.put(visible_memory(state, device, total));
  for (auto attribute : {CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID, CU_DEVICE_ATTRIBUTE_PCI_BUS_ID, CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID}) {
    reply.put(attributes[attribute]);
  }
  reply.blob(attributes.data(), attributes.size() * sizeof(int32_t));
}

}  // namespace

CUresult Snapshot(Call& call) {
  State& state = state_of(call);
  int version = 0, count = 0;
  if (CUresult error = state.cuda.cuDriverGetVersion(&version)) return error;
  if (CUresult error = state.cuda.cuDeviceGetCount(&count)) return error;
  call.reply.put<int32_t>(version);
  call.reply.put<uint32_t>(static_cast<uint32_t>(count));
  for (CUdevice device = 0; device < count; ++device) put_device(state, call.reply, device);
  return CUDA_SUCCESS;
}

CUresult ContextRetain(Call& call, uint64_t name, int device) {
  State& state = state_of(call);
  CUcontext context = nullptr;
  if (CUresult error = state.cuda.cuDevicePrimaryCtxRetain(&context, device)) return error;
  state.objects.add(name, Handle::kContext, context);
  state.note_context(name, {context, device, true});
  return CUDA_SUCCESS;
}

// What the context holds is given back when the driver says that it has gone: others of the client's names may keep it.
CUresult ContextRelease(Call& call, uint64_t name, int device, int reset) {
  State& state = state_of(call);
  State::Context context;
  if (!state.find_context(name, &context) || !context.primary || context.device != device) return CUDA_ERROR_INVALID_CONTEXT;
  state.executor.context_changed();
  if (reset) {
    if (CUresult error = state.cuda.cuDevicePrimaryCtxReset_v2(device)) return error;
  }
  const CUresult status = state.cuda.cuDevicePrimaryCtxRelease_v2(device);
  const bool ended = reset && status == CUDA_ERROR_INVALID_CONTEXT;  // a driver may end the references with the reset
  if (status != CUDA_SUCCESS && !ended) return status;
  state.forget_context(name);
  unsigned flags;
  int active = 1;
  if (state.cuda.cuDevicePrimaryCtxGetState(device, &flags, &active) == CUDA_SUCCESS && !active) state.settle_context(context.handle);
  state.pools.settle();
  return CUDA_SUCCESS;
}

CUresult ContextCreate(Call& call, uint64_t name, unsigned flags, int device) {
  State& state = state_of(call);
  CUcontext context = nullptr;
  if (CUresult error = state.cuda.cuCtxCreate_v2(&context, flags, device)) return error;
  state.cuda.cuCtxPopCurrent_v2(nullptr);  // the executor chooses what is current
  state.executor.context_changed();
  state.objects.add(name, Handle::kContext, context);
  state.note_context(name, {context, device, false});
  return CUDA_SUCCESS;
}

CUresult ContextDestroy(Call& call, uint64_t name) {
  State& state = state_of(call);
  State::Context context;
  if (!state.find_context(name, &context) || context.primary) return CUDA_ERROR_INVALID_CONTEXT;
  state.executor.context_changed();
  if (CUresult error = state.cuda.cuCtxDestroy_v2(context.handle)) return error;
  state.forget_context(name);
  state.settle_context(context.handle);
  return CUDA_SUCCESS;
}

CUresult cuCtxSetLimit(Call& call, CUlimit limit, size_t value) {
  State& state = state_of(call);
  return state.limits.set(state.account_of(call.header), state.device_of(call.header), limit, value);
}

CUresult NvmlAsk(Call& call, wire::Bytes questions) {
  state_of(call).nvml.answer(wire::Reader(questions), call.reply);
  return CUDA_SUCCESS;
}

}  // namespace bitfusion::worker::calls
