// Streams and host functions.
#include <atomic>

#include "calls/api.h"
#include "calls/remote.h"
#include "interposer/capture.h"
#include "interposer/check.h"
#include "interposer/host_call.h"

namespace bitfusion::interposer::api {
namespace {

// What a stream's slot keeps: flags below, priority above.
uint64_t pack(unsigned flags, int priority) { return flags | static_cast<uint64_t>(static_cast<uint32_t>(priority)) << 32; }

struct Known {
  unsigned flags = CU_STREAM_DEFAULT;
  int priority = 0;
  uint64_t context = 0;
  uint64_t id = 0;
};

CUresult look_up(CUstream stream, Known* known) {
  Caller at;
  if (CUresult error = enter(Scope::kContext, false, &at)) return error;
  uint64_t name;
  if (!name_stream(at, stream, &name)) return CUDA_ERROR_INVALID_HANDLE;
  known->context = at.context;
  known->id = name;
  if (Slot* slot = handles().find(name, Handle::kStream)) {
    known->flags = static_cast<uint32_t>(slot->info);
    known->priority = static_cast<int32_t>(slot->info >> 32);
    known->context = slot->owner;
  }
  return CUDA_SUCCESS;
}

template <typename Create>
CUresult create(CUstream* out, unsigned flags, int priority, Create send) {
  Caller at;
  if (CUresult error = enter(Scope::kContext, false, &at)) return error;
  if (!out || flags & ~CU_STREAM_NON_BLOCKING) return CUDA_ERROR_INVALID_VALUE;
  const uint64_t name = handles().mint(Handle::kStream, at.context, pack(flags, priority));
  if (!name) return CUDA_ERROR_OUT_OF_MEMORY;
  const CUresult status = send(at, name);
  keep_or_drop(status, name, out);
  return status;
}

// The two kinds of host functions that a stream calls once, each with what it needs.
struct HostCall {
  CUhostFn function;
  CUstreamCallback callback;
  CUstream stream;
  void* data;
};

void run_host_call(void* argument, uint32_t status) {
  auto* call = static_cast<HostCall*>(argument);
  if (call->function)
    call->function(call->data);
  else
    call->callback(call->stream, static_cast<CUresult>(status), call->data);
  delete call;
}

CUresult enqueue(const HostCall& wanted) {
  Caller at;
  if (CUresult error = enter(Scope::kContext, false, &at)) return error;
  uint64_t name;
  if (!name_stream(at, wanted.stream, &name)) return CUDA_ERROR_INVALID_HANDLE;
  if (!wanted.function && !wanted.callback) return CUDA_ERROR_INVALID_VALUE;
  if (capturing(at, name)) {
    if (wanted.callback) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    const uint64_t number = remember_graph_call(at, wanted.function, wanted.data);
    return number ? remote::HostFunction(at, name, number, 0) : CUDA_ERROR_OUT_OF_MEMORY;
  }
  auto* call = new (std::nothrow) HostCall(wanted);
  if (!call) return CUDA_ERROR_OUT_OF_MEMORY;
  const uint64_t number = at.link->remember_host_function(run_host_call, call, false);
  const CUresult status = number ? remote::HostFunction(at, name, number, wanted.callback ? 1 : 0) : CUDA_ERROR_OUT_OF_MEMORY;
  if (status != CUDA_SUCCESS && (!number || at.link->forget_host_function(number))) delete call;
  return status;
}

}  // namespace

CUresult cuStreamCreate(CUstream* out, unsigned flags) {
  return create(out, flags, 0, [flags](const Caller& at, uint64_t name) { return remote::cuStreamCreate(at, name, flags); });
}

CUresult cuStreamCreateWithPriority(CUstream* out, unsigned flags, int priority) {
  return create(out, flags, priority,
                [=](const Caller& at, uint64_t name) { return remote::cuStreamCreateWithPriority(at, name, flags, priority); });
}

CUresult cuStreamDestroy(CUstream stream) { return api::cuStreamDestroy_v2(stream); }

CUresult cuStreamGetPriority(CUstream stream, int* priority) {
  Known known;
  if (CUresult error = look_up(stream, &known)) return error;
  if (!priority) return CUDA_ERROR_INVALID_VALUE;
  *priority = known.priority;
  return CUDA_SUCCESS;
}

CUresult cuStreamGetFlags(CUstream stream, unsigned* flags) {
  Known known;
  if (CUresult error = look_up(stream, &known)) return error;
  if (!flags) return CUDA_ERROR_INVALID_VALUE;
  *flags = known.flags;
  return CUDA_SUCCESS;
}

CUresult cuStreamGetId(CUstream stream, unsigned long long* id) {
  Known known;
  if (CUresult error = look_up(stream, &known)) return error;
  if (!id) return CUDA_ERROR_INVALID_VALUE;
  *id = known.id;
  return CUDA_SUCCESS;
}

CUresult cuStreamGetCtx(CUstream stream, CUcontext* context) {
  Known known;
  if (CUresult error = look_up(stream, &known)) return error;
  if (!context) return CUDA_ERROR_INVALID_VALUE;
  *context = (CUcontext)known.context;
  return CUDA_SUCCESS;
}

CUresult cuStreamGetCtx_v2(CUstream stream, CUcontext* context, CUgreenCtx* green) {
  if (!green) return CUDA_ERROR_INVALID_VALUE;
  *green = nullptr;
  return api::cuStreamGetCtx(stream, context);
}

CUresult cuStreamGetDevice(CUstream stream, CUdevice* device) {
  Known known;
  if (CUresult error = look_up(stream, &known)) return error;
  Context* context = find_context(known.context);
  if (!device || !context) return CUDA_ERROR_INVALID_VALUE;
  *device = context->device;
  return CUDA_SUCCESS;
}

CUresult cuLaunchHostFunc(CUstream stream, CUhostFn function, void* data) { return enqueue({function, nullptr, stream, data}); }

CUresult cuLaunchHostFunc_v2(CUstream stream, CUhostFn function, void* data, unsigned) {
  return enqueue({function, nullptr, stream, data});
}

CUresult cuStreamAddCallback(CUstream stream, CUstreamCallback callback, void* data, unsigned flags) {
  if (flags) return CUDA_ERROR_INVALID_VALUE;
  return enqueue({nullptr, callback, stream, data});
}

CUresult cuEventDestroy(CUevent event) { return api::cuEventDestroy_v2(event); }
CUresult cuEventElapsedTime(float* milliseconds, CUevent start, CUevent end) {
  return api::cuEventElapsedTime_v2(milliseconds, start, end);
}

CUresult cuStreamWaitValue32(CUstream s, CUdeviceptr a, cuuint32_t v, unsigned f) { return api::cuStreamWaitValue32_v2(s, a, v, f); }
CUresult cuStreamWriteValue32(CUstream s, CUdeviceptr a, cuuint32_t v, unsigned f) { return api::cuStreamWriteValue32_v2(s, a, v, f); }
CUresult cuStreamWaitValue64(CUstream s, CUdeviceptr a, cuuint64_t v, unsigned f) { return api::cuStreamWaitValue64_v2(s, a, v, f); }
CUresult cuStreamWriteValue64(CUstream s, CUdeviceptr a, cuuint64_t v, unsigned f) { return api::cuStreamWriteValue64_v2(s, a, v, f); }
CUresult cuStreamBatchMemOp(CUstream s, unsigned n, CUstreamBatchMemOpParams* p, unsigned f) {
  return api::cuStreamBatchMemOp_v2(s, n, p, f);
}

}  // namespace bitfusion::interposer::api
