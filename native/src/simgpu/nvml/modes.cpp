// Settings of a board that never change here: persistence, compute mode, display, virtualisation. Setting them is not supported.
#include "simgpu/nvml/gpu.h"

namespace nvml = simgpu::nvml;
using nvml::put;

extern "C" {

nvmlReturn_t nvmlDeviceGetPersistenceMode(nvmlDevice_t device, nvmlEnableState_t* mode) { return put(device, mode, NVML_FEATURE_ENABLED); }
nvmlReturn_t nvmlDeviceGetComputeMode(nvmlDevice_t device, nvmlComputeMode_t* mode) { return put(device, mode, NVML_COMPUTEMODE_DEFAULT); }
nvmlReturn_t nvmlDeviceGetDisplayMode(nvmlDevice_t device, nvmlEnableState_t* mode) { return put(device, mode, NVML_FEATURE_DISABLED); }
nvmlReturn_t nvmlDeviceGetDisplayActive(nvmlDevice_t device, nvmlEnableState_t* active) {
  return put(device, active, NVML_FEATURE_DISABLED);
}
nvmlReturn_t nvmlDeviceGetAccountingMode(nvmlDevice_t device, nvmlEnableState_t* mode) { return put(device, mode, NVML_FEATURE_DISABLED); }
nvmlReturn_t nvmlDeviceGetVirtualizationMode(nvmlDevice_t device, nvmlGpuVirtualizationMode_t* mode) {
  return put(device, mode, NVML_GPU_VIRTUALIZATION_MODE_NONE);
}

}  // extern "C"
