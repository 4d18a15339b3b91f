// Contexts: creation, the stack of current ones, limits and settings.
#include "simgpu/context.h"

#include <algorithm>

#include "simgpu/capture.h"

using namespace simgpu;

namespace {

CUresult create_context(CUcontext* out, unsigned flags, CUdevice ordinal) {
  REQUIRE_INITIALIZED();
  REQUIRE(out != nullptr && (flags & ~CU_CTX_FLAGS_MASK) == 0, CUDA_ERROR_INVALID_VALUE);
  Device* device = device_at(ordinal);
  REQUIRE(device != nullptr, CUDA_ERROR_INVALID_DEVICE);
  REQUIRE(!device->lost(), CUDA_ERROR_DEVICE_UNAVAILABLE);
  Context* context = make_context(device, flags, false);
  REQUIRE(context != nullptr, CUDA_ERROR_OUT_OF_MEMORY);
  thread_state().stack.push_back(context);
  *out = context->handle();
  return CUDA_SUCCESS;
}

Context* top() {
  const auto& stack = thread_state().stack;
  return stack.empty() ? nullptr : stack.back();
}

}  // namespace

extern "C" {

CUresult cuCtxCreate_v4(CUcontext* out, CUctxCreateParams* parameters, unsigned int flags, CUdevice device) {
  if (parameters != nullptr && (parameters->numExecAffinityParams != 0 || parameters->cigParams != nullptr))
    return CUDA_ERROR_NOT_SUPPORTED;
  return create_context(out, flags, device);
}

CUresult cuCtxCreate_v3(CUcontext* out, CUexecAffinityParam*, int count, unsigned int flags, CUdevice device) {
  REQUIRE(count == 0, CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY);
  return create_context(out, flags, device);
}

CUresult cuCtxCreate_v2(CUcontext* out, unsigned int flags, CUdevice device) { return create_context(out, flags, device); }

CUresult cuCtxCreate(CUcontext* out, unsigned int flags, CUdevice device) { return create_context(out, flags, device); }

CUresult cuCtxDestroy_v2(CUcontext handle) {
  REQUIRE_INITIALIZED();
  Context* context = contexts().get(handle);
  REQUIRE(context != nullptr && !context->primary, CUDA_ERROR_INVALID_CONTEXT);
  tear_down(context);
  return CUDA_SUCCESS;
}

CUresult cuCtxDestroy(CUcontext handle) { return cuCtxDestroy_v2(handle); }

CUresult cuCtxPushCurrent_v2(CUcontext handle) {
  REQUIRE_INITIALIZED();
  Context* context = contexts().get(handle);
  REQUIRE(context != nullptr, CUDA_ERROR_INVALID_CONTEXT);
  thread_state().stack.push_back(context);
  return CUDA_SUCCESS;
}

CUresult cuCtxPushCurrent(CUcontext handle) { return cuCtxPushCurrent_v2(handle); }

CUresult cuCtxPopCurrent_v2(CUcontext* out) {
  REQUIRE_INITIALIZED();
  auto& stack = thread_state().stack;
  REQUIRE(!stack.empty() && stack.back() != nullptr, CUDA_ERROR_INVALID_CONTEXT);
  if (out != nullptr) *out = stack.back()->handle();
  stack.pop_back();
  return CUDA_SUCCESS;
}

CUresult cuCtxPopCurrent(CUcontext* out) { return cuCtxPopCurrent_v2(out); }

CUresult cuCtxSetCurrent(CUcontext handle) {
  REQUIRE_INITIALIZED();
  auto& stack = thread_state().stack;
  Context* context = handle != nullptr ? contexts().get(handle) : nullptr;
  REQUIRE(handle == nullptr || context != nullptr, CUDA_ERROR_INVALID_CONTEXT);
  if (!stack.empty()) stack.pop_back();
  if (context != nullptr) stack.push_back(context);
  return CUDA_SUCCESS;
}

CUresult cuCtxGetCurrent(CUcontext* out) {
  REQUIRE_INITIALIZED();
  REQUIRE(out != nullptr, CUDA_ERROR_INVALID_VALUE);
  *out = top() != nullptr ? top()->handle() : nullptr;
  return CUDA_SUCCESS;
}

CUresult cuCtxGetDevice_v2(CUdevice* device, CUcontext handle) {
  REQUIRE_INITIALIZED();
  REQUIRE(device != nullptr, CUDA_ERROR_INVALID_VALUE);
  const Context* context = handle != nullptr ? contexts().get(handle) : contexts().get(top());
  REQUIRE(context != nullptr, CUDA_ERROR_INVALID_CONTEXT);
  *device = context->device->ordinal;
  return CUDA_SUCCESS;
}

CUresult cuCtxGetDevice(CUdevice* device) { return cuCtxGetDevice_v2(device, nullptr); }

CUresult cuCtxGetFlags(unsigned int* flags) {
  ENTER(context);
  REQUIRE(flags != nullptr, CUDA_ERROR_INVALID_VALUE);
  *flags = context->flags;
  return CUDA_SUCCESS;
}

CUresult cuCtxSetFlags(unsigned int flags) {
  ENTER(context);
  REQUIRE((flags & ~CU_CTX_FLAGS_MASK) == 0, CUDA_ERROR_INVALID_VALUE);
  context->flags = flags;
  return CUDA_SUCCESS;
}

CUresult cuCtxGetId(CUcontext handle, unsigned long long* id) {
  Context* context = nullptr;
  if (const CUresult bad = enter_given(handle, &context); bad != CUDA_SUCCESS) return bad;
  REQUIRE(id != nullptr, CUDA_ERROR_INVALID_VALUE);
  *id = context->id;
  return CUDA_SUCCESS;
}

CUresult cuCtxGetApiVersion(CUcontext handle, unsigned int* version) {
  Context* context = nullptr;
  if (const CUresult bad = enter_given(handle, &context); bad != CUDA_SUCCESS) return bad;
  REQUIRE(version != nullptr, CUDA_ERROR_INVALID_VALUE);
  *version = 3020;
  return CUDA_SUCCESS;
}

CUresult cuCtxSynchronize_v2(CUcontext handle) {
  Context* context = nullptr;
  if (const CUresult bad = enter_given(handle, &context); bad != CUDA_SUCCESS) return bad;
  REQUIRE(!capture_forbids_unsafe_calls(), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  return context->synchronize();
}

CUresult cuCtxSynchronize(void) { return cuCtxSynchronize_v2(nullptr); }

CUresult cuCtxSetLimit(CUlimit limit, size_t value) {
  ENTER(context);
  std::lock_guard<std::mutex> guard(context->lock);
  const auto found = context->limits.find(limit);
  REQUIRE(found != context->limits.end(), limit >= 0 && limit < CU_LIMIT_MAX ? CUDA_ERROR_UNSUPPORTED_LIMIT : CUDA_ERROR_INVALID_VALUE);
  found->second = value;
  return CUDA_SUCCESS;
}

CUresult cuCtxGetLimit(size_t* value, CUlimit limit) {
  ENTER(context);
  REQUIRE(value != nullptr, CUDA_ERROR_INVALID_VALUE);
  std::lock_guard<std::mutex> guard(context->lock);
  const auto found = context->limits.find(limit);
  REQUIRE(found != context->limits.end(), limit >= 0 && limit < CU_LIMIT_MAX ? CUDA_ERROR_UNSUPPORTED_LIMIT : CUDA_ERROR_INVALID_VALUE);
  *value = found->second;
  return CUDA_SUCCESS;
}

CUresult cuCtxGetCacheConfig(CUfunc_cache* config) {
  ENTER(context);
  REQUIRE(config != nullptr, CUDA_ERROR_INVALID_VALUE);
  *config = context->cache_config;
  return CUDA_SUCCESS;
}

CUresult cuCtxSetCacheConfig(CUfunc_cache config) {
  ENTER(context);
  context->cache_config = config;
  return CUDA_SUCCESS;
}

CUresult cuCtxGetSharedMemConfig(CUsharedconfig* config) {
  ENTER(context);
  REQUIRE(config != nullptr, CUDA_ERROR_INVALID_VALUE);
  *config = context->shared_config;
  return CUDA_SUCCESS;
}

CUresult cuCtxSetSharedMemConfig(CUsharedconfig config) {
  ENTER(context);
  context->shared_config = config;
  return CUDA_SUCCESS;
}

CUresult cuCtxGetStreamPriorityRange(int* least, int* greatest) {
  ENTER(context);
  if (least != nullptr) *least = 0;
  if (greatest != nullptr) *greatest = -5;
  return CUDA_SUCCESS;
}

CUresult cuCtxResetPersistingL2Cache(void) {
  ENTER(context);
  return CUDA_SUCCESS;
}

CUresult cuFlushGPUDirectRDMAWrites(CUflushGPUDirectRDMAWritesTarget, CUflushGPUDirectRDMAWritesScope) {
  ENTER(context);
  return CUDA_ERROR_NOT_SUPPORTED;
}

CUresult cuThreadExchangeStreamCaptureMode(CUstreamCaptureMode* mode) {
  REQUIRE_INITIALIZED();
  REQUIRE(mode != nullptr && *mode >= CU_STREAM_CAPTURE_MODE_GLOBAL && *mode <= CU_STREAM_CAPTURE_MODE_RELAXED, CUDA_ERROR_INVALID_VALUE);
  std::swap(*mode, thread_state().capture_mode);
  return CUDA_SUCCESS;
}

CUresult cuProfilerStart(void) { return initialized() ? CUDA_SUCCESS : CUDA_ERROR_NOT_INITIALIZED; }

CUresult cuProfilerStop(void) { return initialized() ? CUDA_SUCCESS : CUDA_ERROR_NOT_INITIALIZED; }

}  // extern "C"
