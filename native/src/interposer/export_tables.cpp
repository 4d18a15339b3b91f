// cuGetExportTable: the private tables that NVIDIA's runtime and libraries ask for. Layouts were learned by watching what they call.
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <iterator>

#include "bitfusion/cuda_private_tables.h"
#include "calls/api.h"
#include "interposer/check.h"
#include "interposer/code.h"

namespace bitfusion::interposer {
namespace {

namespace tables = cuda_tables;

using Entry = const void*;

template <typename Function>
Entry entry(Function* function) {
  return reinterpret_cast<Entry>(function);
}

// The first word of a table is its size in bytes.
Entry bytes(size_t slots) { return reinterpret_cast<Entry>(slots * sizeof(Entry)); }

uintptr_t zero() { return 0; }
CUresult succeed() { return CUDA_SUCCESS; }
CUresult not_supported() { return CUDA_ERROR_NOT_SUPPORTED; }

// CUDART_INTERFACE: what the runtime of CUDA 11 and 12.0 loads its modules with.
CUresult runtime_load(CUmodule* module, const void* wrapper) { return load_module(module, wrapper, 0, nullptr, nullptr); }
CUresult runtime_load_bare(const void* fatbin, CUmodule* module) { return load_module(module, fatbin, 0, nullptr, nullptr); }

CUresult runtime_primary_context(CUcontext* context, CUdevice device) {
  if (!process().ready()) return CUDA_ERROR_NOT_INITIALIZED;
  if (!context) return CUDA_ERROR_INVALID_VALUE;
  *context = primary_handle(device);
  return *context ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

const Entry kRuntime[] = {
    bytes(tables::kCudartInterfaceWords),
    entry(runtime_load),
    entry(runtime_primary_context),
    entry(not_supported),
    entry(not_supported),
    entry(not_supported),
    entry(runtime_load),
    entry(succeed),
    entry(runtime_load_bare),
    entry(not_supported),
    entry(not_supported),
    entry(not_supported),
    entry(succeed),
};

const Entry kToolsTls[] = {bytes(tables::kToolsTlsWords), entry(zero), entry(zero), entry(zero)};

// TOOLS_RUNTIME_CALLBACK_HOOKS: two zeroed buffers, which say that no tool listens.
CUresult tools_buffer(void** buffer, size_t* size) {
  alignas(8) static char storage[1024];
  *buffer = storage;
  *size = sizeof storage;
  return CUDA_SUCCESS;
}
CUresult tools_switches(void** buffer, size_t* size) {
  alignas(8) static char storage[14];
  *buffer = storage;
  *size = sizeof storage;
  return CUDA_SUCCESS;
}
const Entry kToolsHooks[] = {bytes(tables::kRuntimeCallbackHooksWords),
                             entry(zero),
                             entry(tools_buffer),
                             entry(zero),
                             entry(zero),
                             entry(zero),
                             entry(tools_switches)};

CUcontext given_or_current(CUcontext context) {
  const bool given = context && to_name(context) != UINT64_MAX;
  return given ? context : (CUcontext)current_context();
}
CUresult storage_put(CUcontext context, void* key, void* value, LocalDestructor destructor) {
  return local_put(given_or_current(context), key, value, destructor);
}
CUresult storage_delete(CUcontext context, void* key) { return local_delete(given_or_current(context), key); }
CUresult storage_get(void** value, CUcontext context, void* key) { return local_get(value, given_or_current(context), key); }
const Entry kLocalStorage[] = {entry(storage_put), entry(storage_delete), entry(storage_get), nullptr};

uintptr_t check_integrity(uint32_t version, uint64_t unix_seconds, uint64_t answer[2]);
const Entry kIntegrity[] = {bytes(tables::kIntegrityCheckWords), entry(check_integrity), entry(zero)};
uintptr_t check_integrity(uint32_t version, uint64_t unix_seconds, uint64_t answer[2]) {
  tables::IntegrityInput input = {static_cast<uint32_t>(process().driver_version()),
                                  version,
                                  static_cast<uint32_t>(getpid()),
                                  static_cast<uint32_t>(pthread_self()),
                                  kRuntime,
                                  kIntegrity,
                                  entry(check_integrity),
                                  unix_seconds,
                                  {}};
  for (const Device& device : process().devices()) {
    tables::IntegrityDevice identity = {{}, device.pci_domain, device.pci_bus, device.pci_device};
    std::memcpy(identity.uuid, device.uuid.bytes, sizeof identity.uuid);
    input.devices.push_back(identity);
  }
  tables::integrity_check(input, answer);
  return 0;
}

CUresult check_context(CUcontext, uint32_t* state, void**) {
  *state = 0;
  return CUDA_SUCCESS;
}
const Entry kContextChecks[] = {bytes(tables::kContextChecksWords), entry(zero), entry(check_context), entry(zero)};

// TOOLS_CONTEXT: three entries matter, all others may be called and say that they cannot.
CUresult tools_context_state(CUcontext context, uint64_t* state) {
  if (!context || !state) return CUDA_ERROR_INVALID_VALUE;
  *state = 1;
  return CUDA_SUCCESS;
}
CUresult tools_context_none(void*, void*, uint64_t* value) {
  if (!value) return CUDA_ERROR_INVALID_VALUE;
  *value = 0;
  return CUDA_SUCCESS;
}
CUresult tools_context_object(void** object, uint64_t which) {
  alignas(16) static char storage[4096];
  if (which == UINT64_MAX || !object) return CUDA_ERROR_INVALID_HANDLE;
  *object = storage;
  return CUDA_SUCCESS;
}

struct ToolsContext {
  Entry slots[tables::kToolsContextWords];
  ToolsContext() {
    std::fill(std::begin(slots), std::end(slots), entry(not_supported));
    slots[0] = bytes(tables::kToolsContextWords);
    slots[4] = entry(tools_context_state);
    slots[39] = entry(tools_context_none);
    slots[51] = entry(tools_context_object);
  }
};
const Entry* tools_context() {
  static const ToolsContext table;
  return table.slots;
}

const Entry* find_table(const tables::Id& id) {
  const struct {
    tables::Id id;
    const Entry* entries;
  } known[] = {
      {tables::kCudartInterface, kRuntime},          {tables::kToolsTls, kToolsTls},        {tables::kRuntimeCallbackHooks, kToolsHooks},
      {tables::kContextLocalStorage, kLocalStorage}, {tables::kIntegrityCheck, kIntegrity}, {tables::kContextChecks, kContextChecks},
      {tables::kToolsContext, tools_context()},
  };
  for (const auto& table : known) {
    if (table.id == id) return table.entries;
  }
  return nullptr;
}

void log_unknown(const CUuuid& id) {
  const auto* b = reinterpret_cast<const uint8_t*>(id.bytes);
  log(Level::kInfo, "private table %02x%02x%02x%02x-%02x%02x-%02x%02x-... is not known", b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]);
}

}  // namespace

CUresult api::cuGetExportTable(const void** out, const CUuuid* id) {
  if (!out || !id) return CUDA_ERROR_INVALID_VALUE;
  tables::Id wanted;
  std::memcpy(wanted.bytes, id->bytes, sizeof wanted.bytes);
  const Entry* table = find_table(wanted);
  *out = table;
  if (table) return CUDA_SUCCESS;
  log_unknown(*id);
  return CUDA_ERROR_INVALID_VALUE;
}

}  // namespace bitfusion::interposer
