#include "interposer/context.h"

#include <array>
#include <atomic>
#include <mutex>
#include <new>
#include <vector>

#include "calls/api.h"
#include "calls/remote.h"
#include "interposer/check.h"
#include "interposer/coherent.h"
#include "interposer/ranges.h"

namespace bitfusion::interposer {
namespace {

constexpr size_t kMaxDevices = 64;
constexpr size_t kMaxDepth = 16;

// The calling thread's stack of contexts. Trivial, so that it needs neither construction nor destruction in a foreign thread.
struct Stack {
  uint64_t names[kMaxDepth];
  size_t depth;
};
thread_local Stack stack;

std::mutex mutex;  // guards all contexts' fields and the local values
std::array<Context*, kMaxDevices> primaries = {};
std::atomic<uint64_t> next_id{1};

struct LocalValue {
  uint64_t context;
  void* key;
  void* value;
  LocalDestructor destructor;
};
std::vector<LocalValue>& local_values() {
  static auto* const values = new std::vector<LocalValue>;
  return *values;
}

Context* make_context(int device, bool primary) {
  auto* context = new (std::nothrow) Context;
  if (!context) return nullptr;
  context->id = next_id.fetch_add(1);
  context->device = device;
  context->primary = primary;
  context->name = handles().mint(Handle::kContext, 0, 0, context);
  return context;
}

Context* primary_of(int device) {
  if (!process().device(device) || static_cast<size_t>(device) >= kMaxDevices) return nullptr;
  Context*& context = primaries[device];
  if (!context) context = make_context(device, true);
  return context;
}

Context* context_of(CUcontext handle) { return find_context(to_name(handle)); }

// The objects of a context that is about to end.
void end_objects(Context* context) {
  std::vector<LocalValue> ended;
  {
    std::lock_guard lock(mutex);
    auto& values = local_values();
    for (const LocalValue& value : values) {
      if (value.context == context->name) ended.push_back(value);
    }
    std::erase_if(values, [context](const LocalValue& value) { return value.context == context->name; });
  }
  for (const LocalValue& value : ended) {
    if (value.destructor) value.destructor((CUcontext)context->name, value.key, value.value);
  }
  handles().drop_owned(context->name);
  ranges().forget_context(context->name);
}

// What its kernels have printed comes out before a context ends; how they ended no longer matters.
void wait_for_output(Caller at, const Context* context) {
  at.context = context->name;
  remote::cuCtxSynchronize(at);
}

// The current context may be the one that a call is about to begin or has just ended.
Caller without_context(const Caller& at) { return {at.link, 0}; }

CUresult push(uint64_t name) {
  if (stack.depth == kMaxDepth) return CUDA_ERROR_OUT_OF_MEMORY;
  stack.names[stack.depth++] = name;
  return CUDA_SUCCESS;
}

CUresult create(CUcontext* out, unsigned flags, CUdevice device) {
  Caller at;
  if (CUresult error = enter(Scope::kInit, true, &at)) return error;
  if (!out || flags & ~CU_CTX_FLAGS_MASK) return CUDA_ERROR_INVALID_VALUE;
  if (!process().device(device)) return CUDA_ERROR_INVALID_DEVICE;
  Context* context = make_context(device, false);
  if (!context || !context->name) return CUDA_ERROR_OUT_OF_MEMORY;
  if (CUresult error = remote::ContextCreate(without_context(at), context->name, flags, device)) {
    handles().drop(context->name);
    return error;
  }
  context->flags = flags;
  context->active = true;
  context->references = 1;
  *out = (CUcontext)context->name;
  return push(context->name);
}

CUresult destroy(CUcontext handle) {
  Caller at;
  if (CUresult error = enter(Scope::kInit, false, &at)) return error;
  Context* context = context_of(handle);
  if (!context || context->primary || !context->active) return CUDA_ERROR_INVALID_CONTEXT;
  if (current_context() == context->name) --stack.depth;
  context->active = false;
  wait_for_output(at, context);
  end_objects(context);
  handles().drop(context->name);
  return remote::ContextDestroy(without_context(at), context->name);
}

CUresult release(CUdevice device, bool reset) {
  Caller at;
  if (CUresult error = enter(Scope::kInit, false, &at)) return error;
  Context* context;
  {
    std::lock_guard lock(mutex);
    context = primary_of(device);
    if (!context) return CUDA_ERROR_INVALID_DEVICE;
    if (!reset) {
      if (context->references == 0) return CUDA_ERROR_INVALID_CONTEXT;
      if (--context->references > 0) return CUDA_SUCCESS;
    }
    if (!context->active) return CUDA_SUCCESS;
    // A reset keeps the references of those who hold the context: they find it ended.
    context->active = false;
    context->references = 0;
  }
  if (reset) wait_for_output(at, context);
  end_objects(context);
  return remote::ContextRelease(without_context(at), context->name, device, reset);
}

CUresult set_primary_flags(CUdevice device, unsigned flags) {
  Caller at;
  if (CUresult error = enter(Scope::kInit, false, &at)) return error;
  if (flags & ~CU_CTX_FLAGS_MASK) return CUDA_ERROR_INVALID_VALUE;
  {
    std::lock_guard lock(mutex);
    Context* context = primary_of(device);
    if (!context) return CUDA_ERROR_INVALID_DEVICE;
    context->flags = flags;
  }
  return remote::cuDevicePrimaryCtxSetFlags_v2(at, device, flags);
}

}  // namespace

uint64_t current_context() { return stack.depth ? stack.names[stack.depth - 1] : 0; }

Context* find_context(uint64_t name) {
  Slot* slot = handles().find(name, Handle::kContext);
  return slot ? static_cast<Context*>(slot->object) : nullptr;
}

bool context_alive(uint64_t name) {
  Context* context = find_context(name);
  return context && context->active;
}

Context* current() { return find_context(current_context()); }

CUcontext primary_handle(int device) {
  std::lock_guard lock(mutex);
  Context* context = primary_of(device);
  return context ? (CUcontext)context->name : nullptr;
}

CUresult local_put(CUcontext context, void* key, void* value, LocalDestructor destructor) {
  const uint64_t name = to_name(context);
  std::lock_guard lock(mutex);
  for (LocalValue& known : local_values()) {
    if (known.context == name && known.key == key) {
      known.value = value;
      known.destructor = destructor;
      return CUDA_SUCCESS;
    }
  }
  local_values().push_back({name, key, value, destructor});
  return CUDA_SUCCESS;
}

CUresult local_get(void** value, CUcontext context, void* key) {
  const uint64_t name = to_name(context);
  std::lock_guard lock(mutex);
  for (const LocalValue& known : local_values()) {
    if (known.context == name && known.key == key) {
      *value = known.value;
      return CUDA_SUCCESS;
    }
  }
  return CUDA_ERROR_INVALID_HANDLE;
}

CUresult local_delete(CUcontext context, void* key) {
  const uint64_t name = to_name(context);
  std::lock_guard lock(mutex);
  const size_t gone = std::erase_if(local_values(), [&](const LocalValue& v) { return v.context == name && v.key == key; });
  return gone ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

namespace api {

CUresult cuDevicePrimaryCtxRetain(CUcontext* out, CUdevice device) {
  Caller at;
  if (CUresult error = enter(Scope::kInit, false, &at)) return error;
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  std::lock_guard lock(mutex);
  Context* context = primary_of(device);
  if (!context) return CUDA_ERROR_INVALID_DEVICE;
  if (!context->active) {
    if (CUresult error = remote::ContextRetain(without_context(at), context->name, device)) return error;
    context->active = true;
  }
  ++context->references;
  *out = (CUcontext)context->name;
  return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRelease(CUdevice device) { return release(device, false); }
CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) { return release(device, false); }
CUresult cuDevicePrimaryCtxReset(CUdevice device) { return release(device, true); }
CUresult cuDevicePrimaryCtxReset_v2(CUdevice device) { return release(device, true); }
CUresult cuDevicePrimaryCtxSetFlags(CUdevice device, unsigned flags) { return set_primary_flags(device, flags); }
CUresult cuDevicePrimaryCtxSetFlags_v2(CUdevice device, unsigned flags) { return set_primary_flags(device, flags); }

CUresult cuDevicePrimaryCtxGetState(CUdevice device, unsigned* flags, int* active) {
  Caller at;
  if (CUresult error = enter(Scope::kInit, false, &at)) return error;
  if (!flags || !active) return CUDA_ERROR_INVALID_VALUE;
  std::lock_guard lock(mutex);
  Context* context = primary_of(device);
  if (!context) return CUDA_ERROR_INVALID_DEVICE;
  *flags = context->flags;
  *active = context->active;
  return CUDA_SUCCESS;
}

CUresult cuCtxCreate(CUcontext* out, unsigned flags, CUdevice device) { return create(out, flags, device); }
CUresult cuCtxCreate_v2(CUcontext* out, unsigned flags, CUdevice device) { return create(out, flags, device); }

CUresult cuCtxCreate_v3(CUcontext* out, CUexecAffinityParam*, int count, unsigned flags, CUdevice device) {
  if (count) return CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY;
  return create(out, flags, device);
}

CUresult cuCtxCreate_v4(CUcontext* out, CUctxCreateParams* params, unsigned flags, CUdevice device) {
  if (params && params->numExecAffinityParams) return CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY;
  if (params && params->cigParams) return CUDA_ERROR_NOT_SUPPORTED;
  return create(out, flags, device);
}

// The context of a green context ends with it; it is not destroyed by itself.
CUresult cuCtxFromGreenCtx(CUcontext* out, CUgreenCtx green) {
  Caller at;
  if (CUresult error = enter(Scope::kInit, true, &at)) return error;
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  Slot* slot = handles().find(to_name(green), Handle::kGreenContext);
  if (!slot) return CUDA_ERROR_INVALID_CONTEXT;
  std::lock_guard lock(mutex);
  auto* context = static_cast<Context*>(slot->object);
  if (!context) {
    context = make_context(0, true);
    if (!context || !context->name) return CUDA_ERROR_OUT_OF_MEMORY;
    if (CUresult error = remote::GreenContext(without_context(at), context->name, to_name(green), &context->device)) {
      handles().drop(context->name);
      return error;
    }
    context->active = true;
    handles().give(context->name, to_name(green));
    slot->object = context;
  }
  *out = (CUcontext)context->name;
  return CUDA_SUCCESS;
}

CUresult cuDevSmResourceSplit(CUdevResource* result, unsigned count, const CUdevResource* input, CUdevResource* remainder, unsigned flags,
                              CU_DEV_SM_RESOURCE_GROUP_PARAMS* groups) {
  Caller at;
  if (CUresult error = enter(Scope::kInit, true, &at)) return error;
  if (!input || !groups || !count) return CUDA_ERROR_INVALID_VALUE;
  CUdevResource rest = {};
  const CUresult status = remote::SmResourceSplit(at, result, count, input, &rest, flags, groups, groups);
  if (status == CUDA_SUCCESS && remainder) *remainder = rest;
  return status;
}

CUresult cuCtxDestroy(CUcontext context) { return destroy(context); }
CUresult cuCtxDestroy_v2(CUcontext context) { return destroy(context); }

CUresult cuCtxAttach(CUcontext* out, unsigned flags) {
  if (!process().ready()) return CUDA_ERROR_NOT_INITIALIZED;
  if (!out || flags) return CUDA_ERROR_INVALID_VALUE;
  Context* context = current();
  if (!context) return CUDA_ERROR_INVALID_CONTEXT;
  std::lock_guard lock(mutex);
  ++context->references;
  *out = (CUcontext)context->name;
  return CUDA_SUCCESS;
}

CUresult cuCtxDetach(CUcontext handle) {
  if (!process().ready()) return CUDA_ERROR_NOT_INITIALIZED;
  Context* context = context_of(handle);
  if (!context || context->name != current_context()) return CUDA_ERROR_INVALID_CONTEXT;
  {
    std::lock_guard lock(mutex);
    if (context->primary || --context->references > 0) return CUDA_SUCCESS;
  }
  return destroy(handle);
}

CUresult cuCtxPushCurrent_v2(CUcontext handle) {
  if (!process().ready()) return CUDA_ERROR_NOT_INITIALIZED;
  if (!context_of(handle)) return CUDA_ERROR_INVALID_CONTEXT;
  return push(to_name(handle));
}

CUresult cuCtxPopCurrent_v2(CUcontext* out) {
  if (!process().ready()) return CUDA_ERROR_NOT_INITIALIZED;
  if (!stack.depth) return CUDA_ERROR_INVALID_CONTEXT;
  const uint64_t name = stack.names[--stack.depth];
  if (out) *out = (CUcontext)name;
  return CUDA_SUCCESS;
}

CUresult cuCtxPushCurrent(CUcontext handle) { return api::cuCtxPushCurrent_v2(handle); }
CUresult cuCtxPopCurrent(CUcontext* out) { return api::cuCtxPopCurrent_v2(out); }

CUresult cuCtxSetCurrent(CUcontext handle) {
  if (!process().ready()) return CUDA_ERROR_NOT_INITIALIZED;
  if (!handle) {
    if (stack.depth) --stack.depth;
    return CUDA_SUCCESS;
  }
  if (!context_of(handle)) return CUDA_ERROR_INVALID_CONTEXT;
  if (!stack.depth) return push(to_name(handle));
  stack.names[stack.depth - 1] = to_name(handle);
  return CUDA_SUCCESS;
}

CUresult cuCtxGetCurrent(CUcontext* out) {
  if (!process().ready()) return CUDA_ERROR_NOT_INITIALIZED;
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  *out = (CUcontext)current_context();
  return CUDA_SUCCESS;
}

CUresult cuCtxGetDevice(CUdevice* out) {
  if (!process().ready()) return CUDA_ERROR_NOT_INITIALIZED;
  Context* context = current();
  if (!context) return CUDA_ERROR_INVALID_CONTEXT;
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  *out = context->device;
  return CUDA_SUCCESS;
}

CUresult cuCtxGetDevice_v2(CUdevice* out, CUcontext handle) {
  if (!handle) return cuCtxGetDevice(out);
  if (!process().ready()) return CUDA_ERROR_NOT_INITIALIZED;
  Context* context = context_of(handle);
  if (!context) return CUDA_ERROR_INVALID_CONTEXT;
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  *out = context->device;
  return CUDA_SUCCESS;
}

CUresult cuCtxGetFlags(unsigned* flags) {
  Caller at;
  if (CUresult error = enter(Scope::kContext, false, &at)) return error;
  if (!flags) return CUDA_ERROR_INVALID_VALUE;
  *flags = current()->flags;
  return CUDA_SUCCESS;
}

CUresult cuCtxSetFlags(unsigned flags) {
  Caller at;
  if (CUresult error = enter(Scope::kContext, false, &at)) return error;
  if (flags & ~CU_CTX_FLAGS_MASK) return CUDA_ERROR_INVALID_VALUE;
  current()->flags = flags;  // how a thread waits is the client's own matter
  return CUDA_SUCCESS;
}

CUresult cuCtxGetApiVersion(CUcontext handle, unsigned* version) {
  if (!process().ready()) return CUDA_ERROR_NOT_INITIALIZED;
  if (handle ? !context_of(handle) : !current()) return CUDA_ERROR_INVALID_CONTEXT;
  if (!version) return CUDA_ERROR_INVALID_VALUE;
  *version = 3020;
  return CUDA_SUCCESS;
}

CUresult cuCtxGetId(CUcontext handle, unsigned long long* id) {
  if (!process().ready()) return CUDA_ERROR_NOT_INITIALIZED;
  Context* context = handle ? context_of(handle) : current();
  if (!context) return CUDA_ERROR_CONTEXT_IS_DESTROYED;
  if (!id) return CUDA_ERROR_INVALID_VALUE;
  *id = context->id;
  return CUDA_SUCCESS;
}

CUresult cuCtxSynchronize_v2(CUcontext handle) {
  Caller at;
  if (CUresult error = enter(Scope::kInit, true, &at)) return error;
  if (!handle) return cuCtxSynchronize();
  if (!context_of(handle)) return CUDA_ERROR_INVALID_CONTEXT;
  if (!context_alive(to_name(handle))) return CUDA_ERROR_CONTEXT_IS_DESTROYED;
  at.context = to_name(handle);
  return settle(at, remote::cuCtxSynchronize(at), Coherent::kEveryStream);
}

}  // namespace api
}  // namespace bitfusion::interposer
