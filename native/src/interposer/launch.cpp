// Kernel launches: parameters are packed by the kernel's layout and sent; nothing is waited for.
#include "interposer/launch.h"

#include <cstring>

#include "bitfusion/launch_attributes.h"
#include "calls/api.h"
#include "calls/remote.h"
#include "interposer/check.h"
#include "interposer/code.h"

namespace bitfusion::interposer {
namespace {

constexpr size_t kMaxParameters = 32764;  // the largest kernel parameter space there is

// The two ways of giving parameters: one address each, or one buffer for all.
CUresult pack_each(const Kernel& kernel, void** parameters, std::byte* out) {
  if (!parameters && !kernel.parameters.empty()) return CUDA_ERROR_INVALID_VALUE;
  for (size_t i = 0; i < kernel.parameters.size(); ++i) {
    if (!parameters[i]) return CUDA_ERROR_INVALID_VALUE;
    std::memcpy(out + kernel.parameters[i].offset, parameters[i], kernel.parameters[i].size);
  }
  return CUDA_SUCCESS;
}

CUresult pack_buffer(const Kernel& kernel, void** extra, std::byte* out) {
  const void* buffer = nullptr;
  size_t size = 0;
  for (; *extra != CU_LAUNCH_PARAM_END; extra += 2) {
    if (extra[0] == CU_LAUNCH_PARAM_BUFFER_POINTER)
      buffer = extra[1];
    else if (extra[0] == CU_LAUNCH_PARAM_BUFFER_SIZE)
      size = *static_cast<const size_t*>(extra[1]);
    else
      return CUDA_ERROR_INVALID_VALUE;
  }
  if (size < kernel.parameter_bytes || (size && !buffer)) return CUDA_ERROR_INVALID_VALUE;
  if (kernel.parameter_bytes) std::memcpy(out, buffer, kernel.parameter_bytes);
  return CUDA_SUCCESS;
}

CUresult launch(CUfunction function, CUstream stream, const PackedConfig& config, void** parameters, void** extra) {
  Caller at;
  if (CUresult error = enter(Scope::kContext, false, &at)) return error;
  Kernel* kernel = find_kernel(function);
  uint64_t stream_name;
  if (!kernel || !name_stream(at, stream, &stream_name)) return CUDA_ERROR_INVALID_HANDLE;
  if (parameters && extra) return CUDA_ERROR_INVALID_VALUE;
  if (CUresult error = check_shape(config.shape, current()->device)) return error;
  if (kernel->parameter_bytes > kMaxParameters) return CUDA_ERROR_INVALID_VALUE;
  alignas(16) std::byte packed[kMaxParameters];
  if (CUresult error = pack_parameters(*kernel, parameters, extra, packed)) return error;
  return remote::Launch(at, stream_name, kernel->number, config.shape, config.bytes(), {packed, kernel->parameter_bytes});
}

}  // namespace

CUresult check_shape(const LaunchShape& shape, int device) {
  const auto& limit = process().device(device)->attributes;
  uint64_t threads = 1;
  for (int axis = 0; axis < 3; ++axis) {
    const auto most_blocks = static_cast<uint32_t>(limit[CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X + axis]);
    const auto most_threads = static_cast<uint32_t>(limit[CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X + axis]);
    if (!shape.grid[axis] || shape.grid[axis] > most_blocks) return CUDA_ERROR_INVALID_VALUE;
    if (!shape.block[axis] || shape.block[axis] > most_threads) return CUDA_ERROR_INVALID_VALUE;
    threads *= shape.block[axis];
  }
  const auto most = static_cast<uint64_t>(limit[CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK]);
  const auto shared = static_cast<uint32_t>(limit[CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN]);
  return threads > most || shape.shared_bytes > shared ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

CUresult pack_parameters(const Kernel& kernel, void** parameters, void** extra, std::byte* out) {
  if (kernel.parameter_bytes) std::memset(out, 0, kernel.parameter_bytes);  // padding between parameters
  return extra ? pack_buffer(kernel, extra, out) : pack_each(kernel, parameters, out);
}

CUresult pack_config(const CUlaunchConfig* config, PackedConfig* out) {
  out->shape = {{config->gridDimX, config->gridDimY, config->gridDimZ},
                {config->blockDimX, config->blockDimY, config->blockDimZ},
                config->sharedMemBytes,
                0};
  if (config->numAttrs && !config->attrs) return CUDA_ERROR_INVALID_VALUE;
  for (unsigned i = 0; i < config->numAttrs; ++i) {
    if (config->attrs[i].id == CU_LAUNCH_ATTRIBUTE_IGNORE) continue;
    if (!is_plain_launch_attribute(config->attrs[i].id) || out->count == PackedConfig::kMaxAttributes) {
      log_refusal("a launch attribute", "events, device-updatable nodes and attributes newer than this product are not remoted");
      return CUDA_ERROR_NOT_SUPPORTED;
    }
    out->attributes[out->count++] = config->attrs[i];
  }
  return CUDA_SUCCESS;
}

namespace api {

CUresult cuLaunchKernel(CUfunction function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared,
                        CUstream stream, void** parameters, void** extra) {
  PackedConfig config;
  config.shape = {{gx, gy, gz}, {bx, by, bz}, shared, 0};
  return launch(function, stream, config, parameters, extra);
}

CUresult cuLaunchCooperativeKernel(CUfunction function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                                   unsigned shared, CUstream stream, void** parameters) {
  PackedConfig config;
  config.shape = {{gx, gy, gz}, {bx, by, bz}, shared, 1};
  return launch(function, stream, config, parameters, nullptr);
}

CUresult cuLaunchKernelEx(const CUlaunchConfig* config, CUfunction function, void** parameters, void** extra) {
  if (!config) return CUDA_ERROR_INVALID_VALUE;
  PackedConfig packed;
  if (CUresult error = pack_config(config, &packed)) return error;
  return launch(function, config->hStream, packed, parameters, extra);
}

// The way to launch before CUDA 4: shape and parameters are kept with the kernel, then it is launched.

namespace {

CUresult find_legacy(CUfunction function, Kernel** kernel) {
  Caller at;
  if (CUresult error = enter(Scope::kContext, false, &at)) return error;
  *kernel = find_kernel(function);
  return *kernel ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

CUresult put_legacy(CUfunction function, int offset, const void* value, unsigned size) {
  Kernel* kernel;
  if (CUresult error = find_legacy(function, &kernel)) return error;
  if (offset < 0 || !value || size > kMaxParameters || static_cast<unsigned>(offset) + size > kMaxParameters)
    return CUDA_ERROR_INVALID_VALUE;
  std::lock_guard lock(kernel->mutex);
  auto& bytes = kernel->legacy_parameters;
  if (bytes.size() < static_cast<unsigned>(offset) + size) bytes.resize(static_cast<unsigned>(offset) + size);
  std::memcpy(bytes.data() + offset, value, size);
  return CUDA_SUCCESS;
}

CUresult launch_legacy(CUfunction function, int width, int height, CUstream stream) {
  Kernel* kernel;
  if (CUresult error = find_legacy(function, &kernel)) return error;
  if (width <= 0 || height <= 0) return CUDA_ERROR_INVALID_VALUE;
  std::unique_lock lock(kernel->mutex);
  auto bytes = kernel->legacy_parameters;
  const auto* block = kernel->block;
  const LaunchShape shape = {
      {static_cast<uint32_t>(width), static_cast<uint32_t>(height), 1}, {block[0], block[1], block[2]}, kernel->shared_bytes, 0};
  lock.unlock();
  PackedConfig config;
  config.shape = shape;
  size_t size = bytes.size();
  void* extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, bytes.data(), CU_LAUNCH_PARAM_BUFFER_SIZE, &size, CU_LAUNCH_PARAM_END};
  return launch(function, stream, config, nullptr, extra);
}

}  // namespace

CUresult cuFuncSetBlockShape(CUfunction function, int x, int y, int z) {
  Kernel* kernel;
  if (CUresult error = find_legacy(function, &kernel)) return error;
  if (x <= 0 || y <= 0 || z <= 0) return CUDA_ERROR_INVALID_VALUE;
  std::lock_guard lock(kernel->mutex);
  kernel->block[0] = static_cast<uint32_t>(x);
  kernel->block[1] = static_cast<uint32_t>(y);
  kernel->block[2] = static_cast<uint32_t>(z);
  return CUDA_SUCCESS;
}

CUresult cuFuncSetSharedSize(CUfunction function, unsigned bytes) {
  Kernel* kernel;
  if (CUresult error = find_legacy(function, &kernel)) return error;
  std::lock_guard lock(kernel->mutex);
  kernel->shared_bytes = bytes;
  return CUDA_SUCCESS;
}

CUresult cuParamSetSize(CUfunction function, unsigned bytes) {
  Kernel* kernel;
  if (CUresult error = find_legacy(function, &kernel)) return error;
  if (bytes > kMaxParameters) return CUDA_ERROR_INVALID_VALUE;
  std::lock_guard lock(kernel->mutex);
  kernel->legacy_parameters.resize(bytes);
  return CUDA_SUCCESS;
}

CUresult cuParamSeti(CUfunction function, int offset, unsigned value) { return put_legacy(function, offset, &value, sizeof value); }
CUresult cuParamSetf(CUfunction function, int offset, float value) { return put_legacy(function, offset, &value, sizeof value); }
CUresult cuParamSetv(CUfunction function, int offset, void* value, unsigned size) { return put_legacy(function, offset, value, size); }
CUresult cuLaunch(CUfunction function) { return launch_legacy(function, 1, 1, nullptr); }
CUresult cuLaunchGrid(CUfunction function, int width, int height) { return launch_legacy(function, width, height, nullptr); }
CUresult cuLaunchGridAsync(CUfunction function, int width, int height, CUstream stream) {
  return launch_legacy(function, width, height, stream);
}

}  // namespace api
}  // namespace bitfusion::interposer
