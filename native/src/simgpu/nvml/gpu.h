// What the NVML calls stand on: the library's reference count, device handles, and the shapes of an answer.
#pragma once

#include <string>
#include <vector>

#include "bitfusion/nvml_api.h"
#include "simgpu/state.h"

// What a function without an implementation answers; SIMGPU_LOG=debug names it, to see what a program asks for.
extern "C" __attribute__((visibility("hidden"))) int simgpu_nvml_refuse(const char* name);

namespace simgpu::nvml {

/// Counts nvmlInit calls against nvmlShutdown calls.
nvmlReturn_t initialise();
nvmlReturn_t shut_down();
bool initialised();

nvmlDevice_t handle_of(const DeviceInfo& gpu);
/// The GPU of a handle; null for one that NVML did not give out.
const DeviceInfo* gpu_of(nvmlDevice_t device);

/// Why a call on `device` cannot be answered at all, or NVML_SUCCESS.
nvmlReturn_t check(nvmlDevice_t device);

/// Copies `text` with its terminator, or says that `length` is too small.
nvmlReturn_t put_text(char* out, unsigned length, const std::string& text);

/// Answers a call that asks one thing of one device; `read` takes the DeviceInfo.
template <typename Out, typename Read>
nvmlReturn_t ask(nvmlDevice_t device, Out* out, Read read) {
  if (nvmlReturn_t error = check(device)) return error;
  if (out == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  *out = static_cast<Out>(read(*gpu_of(device)));
  return NVML_SUCCESS;
}

/// Answers a call whose result is the same for every device.
template <typename Out, typename Value>
nvmlReturn_t put(nvmlDevice_t device, Out* out, Value value) {
  return ask(device, out, [&](const DeviceInfo&) { return value; });
}

/// Answers a call with a pair of results (current and pending, minimum and maximum).
template <typename Out, typename Value>
nvmlReturn_t put_pair(nvmlDevice_t device, Out* first, Out* second, Value first_value, Value second_value) {
  if (nvmlReturn_t error = check(device)) return error;
  if (first == nullptr || second == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  *first = static_cast<Out>(first_value);
  *second = static_cast<Out>(second_value);
  return NVML_SUCCESS;
}

/// Answers a call that fills `*count` places of `out`: with too few of them it says how many are needed.
template <typename Out>
nvmlReturn_t put_list(unsigned* count, Out* out, const std::vector<Out>& values) {
  if (count == nullptr || (*count > 0 && out == nullptr)) return NVML_ERROR_INVALID_ARGUMENT;
  const size_t room = *count;
  *count = static_cast<unsigned>(values.size());
  if (room < values.size()) return NVML_ERROR_INSUFFICIENT_SIZE;
  for (size_t i = 0; i < values.size(); i++) out[i] = values[i];
  return NVML_SUCCESS;
}

}  // namespace simgpu::nvml
