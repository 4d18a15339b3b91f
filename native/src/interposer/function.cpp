// Questions about kernels, their attributes and their occupancy. What does not change is asked once.
#include <algorithm>

#include "calls/api.h"
#include "calls/remote.h"
#include "interposer/check.h"
#include "interposer/code.h"
#include "interposer/launch.h"

namespace bitfusion::interposer::api {
namespace {

CUresult find(CUfunction function, bool reports, Scope scope, Caller* at, Kernel** kernel) {
  if (CUresult error = enter(scope, reports, at)) return error;
  *kernel = find_kernel(function);
  return *kernel ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

CUresult find(CUfunction function, Kernel** kernel) {
  Caller at;
  return find(function, false, Scope::kInit, &at, kernel);
}

CUfunction as_function(CUkernel kernel) { return reinterpret_cast<CUfunction>(kernel); }

CUresult name_of(const char** out, CUfunction function) {
  Kernel* kernel;
  if (CUresult error = find(function, &kernel)) return error;
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  *out = kernel->name.c_str();
  return CUDA_SUCCESS;
}

CUresult parameter_of(CUfunction function, size_t index, size_t* offset, size_t* size) {
  Kernel* kernel;
  if (CUresult error = find(function, &kernel)) return error;
  if (!offset || index >= kernel->parameters.size()) return CUDA_ERROR_INVALID_VALUE;
  *offset = kernel->parameters[index].offset;
  if (size) *size = kernel->parameters[index].size;
  return CUDA_SUCCESS;
}

CUresult parameters_of(CUfunction function, size_t* count) {
  Kernel* kernel;
  if (CUresult error = find(function, &kernel)) return error;
  if (!count) return CUDA_ERROR_INVALID_VALUE;
  *count = kernel->parameters.size();
  return CUDA_SUCCESS;
}

// Attributes that may be set; all others are facts.
bool settable(CUfunction_attribute attribute) {
  return attribute == CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES || attribute == CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT ||
         (attribute >= CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_WIDTH && attribute <= CU_FUNC_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE);
}

CUresult set_attribute(const Caller& at, Kernel* kernel, CUfunction_attribute attribute, int value, int device) {
  if (!settable(attribute)) return CUDA_ERROR_INVALID_VALUE;
  int now;
  // Libraries set the same value before every launch.
  if (kernel_attribute(at, kernel, attribute, device, &now) == CUDA_SUCCESS && now == value) return CUDA_SUCCESS;
  const CUresult status = remote::FunctionSetAttribute(at, kernel->number, attribute, value, device);
  if (status != CUDA_SUCCESS) return status;
  std::lock_guard lock(kernel->mutex);
  kernel->attributes.erase(device);
  kernel->occupancy.clear();
  return CUDA_SUCCESS;
}

// Answers to occupancy questions, kept by a hash of the question (FNV-1a over its words).
template <typename... Words>
uint64_t question(Words... words) {
  uint64_t hash = 0xcbf29ce484222325;
  ((hash = (hash ^ static_cast<uint64_t>(words)) * 0x100000001b3), ...);
  return hash;
}

template <typename Ask>
CUresult remembered(Kernel* kernel, uint64_t key, int* answer, Ask ask) {
  std::lock_guard lock(kernel->mutex);
  auto known = kernel->occupancy.find(key);
  if (known == kernel->occupancy.end()) {
    int value = 0;
    if (CUresult error = ask(&value)) return error;
    known = kernel->occupancy.emplace(key, value).first;
  }
  *answer = known->second;
  return CUDA_SUCCESS;
}

CUresult active_blocks(const Caller& at, Kernel* kernel, int block_size, size_t dynamic, unsigned flags, int* blocks) {
  const int device = current()->device;
  return remembered(kernel, question(1, device, block_size, dynamic, flags), blocks,
                    [&](int* value) { return remote::OccupancyBlocks(at, kernel->number, block_size, dynamic, flags, value); });
}

// The block size with the most resident threads, as the driver searches it: multiples of a warp, from the largest down.
CUresult best_block(const Caller& at, Kernel* kernel, CUoccupancyB2DSize dynamic_of, size_t dynamic, int limit, unsigned flags, int* grid,
                    int* block) {
  const Device* device = process().device(current()->device);
  int most_threads;
  if (CUresult error = kernel_attribute(at, kernel, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, current()->device, &most_threads))
    return error;
  const int warp = device->attributes[CU_DEVICE_ATTRIBUTE_WARP_SIZE];
  const int per_processor = device->attributes[CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR];
  const int largest = limit > 0 ? std::min(limit, most_threads) : most_threads;
  int best_threads = 0, best_size = 0, best_blocks = 0;
  for (int aligned = (largest + warp - 1) / warp * warp; aligned > 0 && best_threads < per_processor; aligned -= warp) {
    const int size = std::min(aligned, largest);
    int blocks;
    if (CUresult error = active_blocks(at, kernel, size, dynamic_of ? dynamic_of(size) : dynamic, flags, &blocks)) return error;
    if (size * blocks <= best_threads) continue;
    best_threads = size * blocks;
    best_size = size;
    best_blocks = blocks;
  }
  *block = best_size;
  *grid = best_blocks * device->attributes[CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT];
  return CUDA_SUCCESS;
}

CUresult clusters(int* answer, CUfunction function, const CUlaunchConfig* config, bool largest) {
  Caller at;
  Kernel* kernel;
  if (CUresult error = find(function, true, Scope::kContext, &at, &kernel)) return error;
  if (!answer || !config) return CUDA_ERROR_INVALID_VALUE;
  PackedConfig packed;
  if (CUresult error = pack_config(config, &packed)) return error;
  uint64_t key = question(2, largest, current()->device, packed.shape.shared_bytes);
  for (uint32_t size : packed.shape.grid) key = question(key, size);
  for (uint32_t size : packed.shape.block) key = question(key, size);
  for (std::byte byte : packed.bytes()) key = question(key, static_cast<uint8_t>(byte));
  return remembered(kernel, key, answer, [&](int* value) {
    return remote::OccupancyClusters(at, kernel->number, packed.shape, packed.bytes(), largest, value);
  });
}

}  // namespace

CUresult cuFuncGetName(const char** name, CUfunction function) { return name_of(name, function); }
CUresult cuKernelGetName(const char** name, CUkernel kernel) { return name_of(name, as_function(kernel)); }
CUresult cuFuncGetParamInfo(CUfunction f, size_t index, size_t* offset, size_t* size) { return parameter_of(f, index, offset, size); }
CUresult cuKernelGetParamInfo(CUkernel k, size_t index, size_t* offset, size_t* size) {
  return parameter_of(as_function(k), index, offset, size);
}
CUresult cuFuncGetParamCount(CUfunction function, size_t* count) { return parameters_of(function, count); }
CUresult cuKernelGetParamCount(CUkernel kernel, size_t* count) { return parameters_of(as_function(kernel), count); }

CUresult cuFuncGetModule(CUmodule* out, CUfunction function) {
  Kernel* kernel;
  if (CUresult error = find(function, &kernel)) return error;
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  if (kernel->library->is_library) return api::cuLibraryGetModule(out, (CUlibrary)kernel->library->name);
  *out = (CUmodule)kernel->library->module_name;
  return CUDA_SUCCESS;
}

CUresult cuFuncIsLoaded(CUfunctionLoadingState* state, CUfunction function) {
  Kernel* kernel;
  if (CUresult error = find(function, &kernel)) return error;
  if (!state) return CUDA_ERROR_INVALID_VALUE;
  *state = CU_FUNCTION_LOADING_STATE_LOADED;
  return CUDA_SUCCESS;
}

CUresult cuFuncLoad(CUfunction function) {
  Kernel* kernel;
  return find(function, &kernel);  // kernels are loaded on the server when they are first launched
}

CUresult cuKernelGetFunction(CUfunction* out, CUkernel handle) {
  Caller at;
  Kernel* kernel;
  if (CUresult error = find(as_function(handle), false, Scope::kContext, &at, &kernel)) return error;
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  *out = function_handle(kernel);
  return CUDA_SUCCESS;
}

CUresult cuKernelGetLibrary(CUlibrary* out, CUkernel handle) {
  Kernel* kernel;
  if (CUresult error = find(as_function(handle), &kernel)) return error;
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  *out = (CUlibrary)kernel->library->name;
  return CUDA_SUCCESS;
}

CUresult cuFuncGetAttribute(int* value, CUfunction_attribute attribute, CUfunction function) {
  Caller at;
  Kernel* kernel;
  if (CUresult error = find(function, false, Scope::kContext, &at, &kernel)) return error;
  return value ? kernel_attribute(at, kernel, attribute, current()->device, value) : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuKernelGetAttribute(int* value, CUfunction_attribute attribute, CUkernel handle, CUdevice device) {
  Caller at;
  Kernel* kernel;
  if (CUresult error = find(as_function(handle), false, Scope::kInit, &at, &kernel)) return error;
  if (!process().device(device)) return CUDA_ERROR_INVALID_DEVICE;
  return value ? kernel_attribute(at, kernel, attribute, device, value) : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuFuncSetAttribute(CUfunction function, CUfunction_attribute attribute, int value) {
  Caller at;
  Kernel* kernel;
  if (CUresult error = find(function, false, Scope::kContext, &at, &kernel)) return error;
  return set_attribute(at, kernel, attribute, value, current()->device);
}

CUresult cuKernelSetAttribute(CUfunction_attribute attribute, int value, CUkernel handle, CUdevice device) {
  Caller at;
  Kernel* kernel;
  if (CUresult error = find(as_function(handle), false, Scope::kInit, &at, &kernel)) return error;
  if (!process().device(device)) return CUDA_ERROR_INVALID_DEVICE;
  return set_attribute(at, kernel, attribute, value, device);
}

CUresult cuFuncSetCacheConfig(CUfunction function, CUfunc_cache config) {
  Caller at;
  Kernel* kernel;
  if (CUresult error = find(function, false, Scope::kContext, &at, &kernel)) return error;
  return remote::FunctionSetCacheConfig(at, kernel->number, config, current()->device);
}

CUresult cuKernelSetCacheConfig(CUkernel handle, CUfunc_cache config, CUdevice device) {
  Caller at;
  Kernel* kernel;
  if (CUresult error = find(as_function(handle), false, Scope::kInit, &at, &kernel)) return error;
  return remote::FunctionSetCacheConfig(at, kernel->number, config, device);
}

CUresult cuFuncSetSharedMemConfig(CUfunction function, CUsharedconfig) {
  Kernel* kernel;
  return find(function, &kernel);  // banks cannot be configured since compute capability 5.0
}

CUresult cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks, CUfunction function, int size, size_t dynamic, unsigned flags) {
  Caller at;
  Kernel* kernel;
  if (CUresult error = find(function, true, Scope::kContext, &at, &kernel)) return error;
  return blocks ? active_blocks(at, kernel, size, dynamic, flags, blocks) : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, CUfunction function, int size, size_t dynamic) {
  return api::cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(blocks, function, size, dynamic, 0);
}

CUresult cuOccupancyMaxPotentialBlockSizeWithFlags(int* grid, int* block, CUfunction function, CUoccupancyB2DSize dynamic_of,
                                                   size_t dynamic, int limit, unsigned flags) {
  Caller at;
  Kernel* kernel;
  if (CUresult error = find(function, true, Scope::kContext, &at, &kernel)) return error;
  if (!grid || !block || limit < 0) return CUDA_ERROR_INVALID_VALUE;
  return best_block(at, kernel, dynamic_of, dynamic, limit, flags, grid, block);
}

CUresult cuOccupancyMaxPotentialBlockSize(int* grid, int* block, CUfunction function, CUoccupancyB2DSize dynamic_of, size_t dynamic,
                                          int limit) {
  return api::cuOccupancyMaxPotentialBlockSizeWithFlags(grid, block, function, dynamic_of, dynamic, limit, 0);
}

CUresult cuOccupancyAvailableDynamicSMemPerBlock(size_t* bytes, CUfunction function, int blocks, int size) {
  Caller at;
  Kernel* kernel;
  if (CUresult error = find(function, true, Scope::kContext, &at, &kernel)) return error;
  if (!bytes) return CUDA_ERROR_INVALID_VALUE;
  int answer;
  const CUresult status = remembered(kernel, question(3, current()->device, blocks, size), &answer, [&](int* value) {
    uint64_t room = 0;
    const CUresult error = remote::OccupancyDynamicMemory(at, kernel->number, blocks, size, &room);
    *value = static_cast<int>(room);
    return error;
  });
  if (status == CUDA_SUCCESS) *bytes = static_cast<size_t>(answer);
  return status;
}

CUresult cuOccupancyMaxPotentialClusterSize(int* size, CUfunction function, const CUlaunchConfig* config) {
  return clusters(size, function, config, true);
}
CUresult cuOccupancyMaxActiveClusters(int* count, CUfunction function, const CUlaunchConfig* config) {
  return clusters(count, function, config, false);
}

}  // namespace bitfusion::interposer::api
