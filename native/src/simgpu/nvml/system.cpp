// The library itself: start and end, versions, error texts, names of processes.
#include <cuda.h>

#include <cstdio>
#include <fstream>

#include "bitfusion/nvml_error_text.h"
#include "simgpu/nvml/board.h"
#include "simgpu/nvml/gpu.h"

namespace nvml = simgpu::nvml;

namespace {

nvmlReturn_t put_system_text(char* out, unsigned length, const std::string& text) {
  if (!nvml::initialised()) return NVML_ERROR_UNINITIALIZED;
  return nvml::put_text(out, length, text);
}

nvmlReturn_t put_zero(unsigned* out) {
  if (!nvml::initialised()) return NVML_ERROR_UNINITIALIZED;
  if (out == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  *out = 0;
  return NVML_SUCCESS;
}

}  // namespace

extern "C" {

nvmlReturn_t nvmlInit_v2() { return nvml::initialise(); }
nvmlReturn_t nvmlInit() { return nvml::initialise(); }
nvmlReturn_t nvmlInitWithFlags(unsigned int) { return nvml::initialise(); }
nvmlReturn_t nvmlShutdown() { return nvml::shut_down(); }
const char* nvmlErrorString(nvmlReturn_t result) { return bitfusion::nvml_error_text(result); }

nvmlReturn_t nvmlSystemGetDriverVersion(char* version, unsigned int length) {
  return put_system_text(version, length, nvml::board::kDriverVersion);
}

nvmlReturn_t nvmlSystemGetNVMLVersion(char* version, unsigned int length) {
  return put_system_text(version, length, nvml::board::kNvmlVersion);
}

// Both versions may be asked before nvmlInit.
nvmlReturn_t nvmlSystemGetCudaDriverVersion_v2(int* version) {
  if (version == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  *version = CUDA_VERSION;
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlSystemGetCudaDriverVersion(int* version) { return nvmlSystemGetCudaDriverVersion_v2(version); }

nvmlReturn_t nvmlSystemGetDriverBranch(nvmlSystemDriverBranchInfo_t* info, unsigned int length) {
  if (info == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  if (info->version != nvmlSystemDriverBranchInfo_v1) return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
  return put_system_text(info->branch, length, nvml::board::kDriverBranch);
}

nvmlReturn_t nvmlSystemGetProcessName(unsigned int pid, char* name, unsigned int length) {
  if (!nvml::initialised()) return NVML_ERROR_UNINITIALIZED;
  if (name == nullptr || length == 0) return NVML_ERROR_INVALID_ARGUMENT;
  std::ifstream file("/proc/" + std::to_string(pid) + "/cmdline", std::ios::binary);
  std::string command;
  if (!std::getline(file, command, '\0')) return NVML_ERROR_NOT_FOUND;
  snprintf(name, length, "%s", command.c_str());
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlUnitGetCount(unsigned int* count) { return put_zero(count); }
nvmlReturn_t nvmlGetExcludedDeviceCount(unsigned int* count) { return put_zero(count); }

}  // extern "C"
