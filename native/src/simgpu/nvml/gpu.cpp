#include "simgpu/nvml/gpu.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace simgpu::nvml {

namespace {

std::atomic<int> references{0};

// A handle is the address of one of these bytes: cheap to check, and no caller can reach anything through it.
char handles[kMaxDevices];

}  // namespace

nvmlReturn_t initialise() {
  references++;
  return NVML_SUCCESS;
}

nvmlReturn_t shut_down() {
  int count = references.load();
  do {
    if (count == 0) return NVML_ERROR_UNINITIALIZED;
  } while (!references.compare_exchange_weak(count, count - 1));
  return NVML_SUCCESS;
}

bool initialised() { return references.load() > 0; }

nvmlDevice_t handle_of(const DeviceInfo& gpu) { return reinterpret_cast<nvmlDevice_t>(&handles[gpu.index]); }

const DeviceInfo* gpu_of(nvmlDevice_t device) {
  const auto& devices = machine_devices();
  const uintptr_t index = reinterpret_cast<uintptr_t>(device) - reinterpret_cast<uintptr_t>(handles);
  return index < devices.size() ? &devices[index] : nullptr;
}

nvmlReturn_t check(nvmlDevice_t device) {
  if (!initialised()) return NVML_ERROR_UNINITIALIZED;
  const DeviceInfo* gpu = gpu_of(device);
  if (gpu == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  return (current_faults().lost >> gpu->index & 1) != 0 ? NVML_ERROR_GPU_IS_LOST : NVML_SUCCESS;
}

nvmlReturn_t put_text(char* out, unsigned length, const std::string& text) {
  if (out == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  if (length <= text.size()) return NVML_ERROR_INSUFFICIENT_SIZE;
  memcpy(out, text.c_str(), text.size() + 1);
  return NVML_SUCCESS;
}

}  // namespace simgpu::nvml

extern "C" int simgpu_nvml_refuse(const char* name) {
  const char* level = getenv("SIMGPU_LOG");
  const bool trace = level != nullptr && strcmp(level, "debug") == 0;
  if (trace) fprintf(stderr, "simgpu: %s is not supported\n", name);
  return simgpu::nvml::initialised() ? NVML_ERROR_NOT_SUPPORTED : NVML_ERROR_UNINITIALIZED;
}
