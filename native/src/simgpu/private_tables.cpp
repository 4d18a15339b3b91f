// cuGetExportTable: the private interface between NVIDIA's runtime and the driver.
#include <pthread.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "bitfusion/cuda_private_tables.h"
#include "simgpu/context.h"
#include "simgpu/log.h"

using namespace simgpu;
namespace tables = bitfusion::cuda_tables;

namespace {

using Word = const void*;

template <typename FunctionType>
Word word(FunctionType* function) {
  return reinterpret_cast<Word>(function);
}

int always_zero() { return 0; }

// --- CUDART_INTERFACE -------------------------------------------------------------------------------------------------------------------

CUresult load_fatbin(CUmodule* module, const void* image) { return cuModuleLoadData(module, image); }

CUresult load_fatbin_header(const void* image, CUmodule* module) { return cuModuleLoadData(module, image); }

CUresult primary_context(CUcontext* out, CUdevice ordinal) {
  Device* device = device_at(ordinal);
  REQUIRE(device != nullptr, CUDA_ERROR_INVALID_DEVICE);
  REQUIRE(out != nullptr, CUDA_ERROR_INVALID_VALUE);
  *out = name_primary(device);
  return *out != nullptr ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

Word* cudart_interface() {
  static Word table[tables::kCudartInterfaceWords] = {reinterpret_cast<Word>(sizeof table),
                                                      word(load_fatbin),
                                                      word(primary_context),
                                                      word(always_zero),
                                                      word(always_zero),
                                                      word(always_zero),
                                                      word(load_fatbin),
                                                      word(always_zero),
                                                      word(load_fatbin_header),
                                                      word(always_zero),
                                                      word(always_zero),
                                                      word(always_zero),
                                                      word(always_zero)};
  return table;
}

// --- TOOLS_* ----------------------------------------------------------------------------------------------------------------------------

Word* tools_tls() {
  static Word table[tables::kToolsTlsWords] = {reinterpret_cast<Word>(sizeof table), word(always_zero), word(always_zero),
                                               word(always_zero)};
  return table;
}

void hooks_buffer(void** buffer, size_t* size) {
  static char memory[1024];
  *buffer = memory;
  *size = sizeof memory;
}

void hooks_flags(void** buffer, size_t* size) {
  static char memory[14];
  *buffer = memory;
  *size = sizeof memory;
}

Word* callback_hooks() {
  static Word table[tables::kRuntimeCallbackHooksWords] = {reinterpret_cast<Word>(sizeof table),
                                                           word(always_zero),
                                                           word(hooks_buffer),
                                                           word(always_zero),
                                                           word(always_zero),
                                                           word(always_zero),
                                                           word(hooks_flags)};
  return table;
}

int tools_context_flag(CUcontext context, uint64_t* out) {
  *out = context != nullptr;
  return 0;
}

int tools_context_zero(void*, void*, uint64_t* out) {
  *out = 0;
  return 0;
}

// A caller that has no object yet passes all ones and is told that there is none.
CUresult tools_context_object(void** out, uint64_t key) {
  static uint64_t object[64];
  REQUIRE(key != UINT64_MAX && out != nullptr, CUDA_ERROR_INVALID_HANDLE);
  *out = object;
  return CUDA_SUCCESS;
}

Word* tools_context() {
  static Word table[tables::kToolsContextWords];
  if (table[0] == nullptr) {
    for (Word& each : table) each = word(always_zero);
    table[4] = word(tools_context_flag);
    table[39] = word(tools_context_zero);
    table[51] = word(tools_context_object);
    table[0] = reinterpret_cast<Word>(sizeof table);
  }
  return table;
}

// --- CONTEXT_LOCAL_STORAGE --------------------------------------------------------------------------------------------------------------

Context* storage_context(CUcontext handle) {
  if (handle != nullptr && reinterpret_cast<intptr_t>(handle) != -1) return contexts().get(handle);
  const auto& stack = thread_state().stack;
  return stack.empty() ? nullptr : contexts().get(stack.back());
}

CUresult storage_put(CUcontext handle, void* key, void* value, void (*destroy)(CUcontext, void*, void*)) {
  Context* context = storage_context(handle);
  REQUIRE(context != nullptr, CUDA_ERROR_INVALID_CONTEXT);
  std::lock_guard<std::mutex> guard(context->lock);
  context->storage[key] = {value, destroy};
  return CUDA_SUCCESS;
}

CUresult storage_delete(CUcontext handle, void* key) {
  Context* context = storage_context(handle);
  REQUIRE(context != nullptr, CUDA_ERROR_INVALID_CONTEXT);
  std::lock_guard<std::mutex> guard(context->lock);
  return context->storage.erase(key) != 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

CUresult storage_get(void** value, CUcontext handle, void* key) {
  Context* context = storage_context(handle);
  REQUIRE(context != nullptr, CUDA_ERROR_INVALID_CONTEXT);
  std::lock_guard<std::mutex> guard(context->lock);
  const auto found = context->storage.find(key);
  REQUIRE(found != context->storage.end(), CUDA_ERROR_INVALID_HANDLE);
  *value = found->second.value;
  return CUDA_SUCCESS;
}

Word* context_storage() {
  static Word table[tables::kContextLocalStorageWords] = {word(storage_put), word(storage_delete), word(storage_get), nullptr};
  return table;
}

// --- Checks -----------------------------------------------------------------------------------------------------------------------------

CUresult check_context(CUcontext, uint32_t* out, void**) {
  *out = 0;
  return CUDA_SUCCESS;
}

Word* context_checks() {
  static Word table[tables::kContextChecksWords] = {reinterpret_cast<Word>(sizeof table), word(always_zero), word(check_context),
                                                    word(always_zero)};
  return table;
}

Word* integrity_table();

CUresult integrity_check(uint32_t version, uint64_t unix_seconds, uint64_t out[2]) {
  const auto thread = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(reinterpret_cast<void*>(pthread_self())));
  tables::IntegrityInput input{
      CUDA_VERSION, version, static_cast<uint32_t>(getpid()), thread, cudart_interface(), integrity_table(), word(integrity_check),
      unix_seconds, {}};
  for (const auto& device : visible_devices()) {
    tables::IntegrityDevice row{};
    memcpy(row.uuid, device->info->uuid.data(), sizeof row.uuid);
    row.pci_domain = static_cast<int32_t>(device->info->pci_domain);
    row.pci_bus = static_cast<int32_t>(device->info->pci_bus);
    row.pci_device = static_cast<int32_t>(device->info->pci_device);
    input.devices.push_back(row);
  }
  tables::integrity_check(input, out);
  return CUDA_SUCCESS;
}

Word* integrity_table() {
  static Word table[tables::kIntegrityCheckWords] = {reinterpret_cast<Word>(sizeof table), word(integrity_check), nullptr};
  return table;
}

struct Row {
  const tables::Id& id;
  Word* (*table)();
};

const Row kTables[] = {{tables::kCudartInterface, cudart_interface},    {tables::kToolsTls, tools_tls},
                       {tables::kRuntimeCallbackHooks, callback_hooks}, {tables::kContextLocalStorage, context_storage},
                       {tables::kIntegrityCheck, integrity_table},      {tables::kContextChecks, context_checks},
                       {tables::kToolsContext, tools_context}};

}  // namespace

extern "C" CUresult cuGetExportTable(const void** out, const CUuuid* id) {
  REQUIRE(out != nullptr && id != nullptr, CUDA_ERROR_INVALID_VALUE);
  tables::Id wanted;
  memcpy(wanted.bytes, id->bytes, sizeof wanted.bytes);
  for (const Row& row : kTables) {
    if (row.id == wanted) {
      *out = row.table();
      return CUDA_SUCCESS;
    }
  }
  *out = nullptr;
  debug_line("cuGetExportTable: no table %02x%02x%02x%02x-…", wanted.bytes[0], wanted.bytes[1], wanted.bytes[2], wanted.bytes[3]);
  return CUDA_ERROR_NOT_FOUND;
}
