// Memory in use, the processes that hold it, and its error counters.
#include "simgpu/nvml/board.h"
#include "simgpu/nvml/gpu.h"

namespace nvml = simgpu::nvml;
namespace board = simgpu::nvml::board;

namespace {

using nvml::ask;
using nvml::put;
using nvml::put_pair;
using simgpu::DeviceInfo;
using simgpu::ProcessUse;
using simgpu::SharedState;

constexpr unsigned kNoInstance = 0xFFFFFFFF;  // of a GPU that is not split by MIG

nvmlProcessInfo_v1_t entry_of(const ProcessUse& use, nvmlProcessInfo_v1_t*) { return {static_cast<unsigned>(use.pid), use.bytes}; }
nvmlProcessInfo_v2_t entry_of(const ProcessUse& use, nvmlProcessInfo_v2_t*) {
  return {static_cast<unsigned>(use.pid), use.bytes, kNoInstance, kNoInstance};
}

/// Every process on a simulated GPU is a compute process.
template <typename Entry>
nvmlReturn_t put_processes(nvmlDevice_t device, unsigned* count, Entry* entries) {
  if (nvmlReturn_t error = nvml::check(device)) return error;
  std::vector<Entry> all;
  for (const ProcessUse& use : SharedState::get().processes(nvml::gpu_of(device)->index)) all.push_back(entry_of(use, entries));
  return nvml::put_list(count, entries, all);
}

template <typename Entry>
nvmlReturn_t put_no_processes(nvmlDevice_t device, unsigned* count, Entry* entries) {
  if (nvmlReturn_t error = nvml::check(device)) return error;
  return nvml::put_list<Entry>(count, entries, {});
}

unsigned long long ecc_errors(const DeviceInfo& gpu, nvmlMemoryErrorType_t type) {
  return type == NVML_MEMORY_ERROR_TYPE_UNCORRECTED ? simgpu::current_faults().ecc >> gpu.index & 1 : 0;
}

}  // namespace

extern "C" {

nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t* memory) {
  return ask(device, memory, [](const DeviceInfo& gpu) {
    const unsigned long long used = SharedState::get().used(gpu.index);
    return nvmlMemory_t{gpu.memory_bytes, gpu.memory_bytes - used, used};
  });
}

nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device, nvmlMemory_v2_t* memory) {
  if (memory == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  if (memory->version != nvmlMemory_v2) return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
  nvmlMemory_t plain;
  if (nvmlReturn_t error = nvmlDeviceGetMemoryInfo(device, &plain)) return error;
  *memory = {nvmlMemory_v2, plain.total, 0, plain.free, plain.used};
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetBAR1MemoryInfo(nvmlDevice_t device, nvmlBAR1Memory_t* memory) {
  return put(device, memory, nvmlBAR1Memory_t{board::kBar1Bytes, board::kBar1Bytes, 0});
}

nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t device, unsigned int* count, nvmlProcessInfo_t* entries) {
  return put_processes(device, count, entries);
}
nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v2(nvmlDevice_t device, unsigned int* count, nvmlProcessInfo_v2_t* entries) {
  return put_processes(device, count, entries);
}
nvmlReturn_t nvmlDeviceGetComputeRunningProcesses(nvmlDevice_t device, unsigned int* count, nvmlProcessInfo_v1_t* entries) {
  return put_processes(device, count, entries);
}
nvmlReturn_t nvmlDeviceGetGraphicsRunningProcesses_v3(nvmlDevice_t device, unsigned int* count, nvmlProcessInfo_t* entries) {
  return put_no_processes(device, count, entries);
}
nvmlReturn_t nvmlDeviceGetGraphicsRunningProcesses_v2(nvmlDevice_t device, unsigned int* count, nvmlProcessInfo_v2_t* entries) {
  return put_no_processes(device, count, entries);
}
nvmlReturn_t nvmlDeviceGetGraphicsRunningProcesses(nvmlDevice_t device, unsigned int* count, nvmlProcessInfo_v1_t* entries) {
  return put_no_processes(device, count, entries);
}
nvmlReturn_t nvmlDeviceGetMPSComputeRunningProcesses_v3(nvmlDevice_t device, unsigned int* count, nvmlProcessInfo_t* entries) {
  return put_no_processes(device, count, entries);
}
nvmlReturn_t nvmlDeviceGetMPSComputeRunningProcesses_v2(nvmlDevice_t device, unsigned int* count, nvmlProcessInfo_v2_t* entries) {
  return put_no_processes(device, count, entries);
}
nvmlReturn_t nvmlDeviceGetMPSComputeRunningProcesses(nvmlDevice_t device, unsigned int* count, nvmlProcessInfo_v1_t* entries) {
  return put_no_processes(device, count, entries);
}

nvmlReturn_t nvmlDeviceGetTotalEccErrors(nvmlDevice_t device, nvmlMemoryErrorType_t type, nvmlEccCounterType_t counter,
                                         unsigned long long* count) {
  if (type >= NVML_MEMORY_ERROR_TYPE_COUNT || counter >= NVML_ECC_COUNTER_TYPE_COUNT) return NVML_ERROR_INVALID_ARGUMENT;
  return ask(device, count, [&](const DeviceInfo& gpu) { return ecc_errors(gpu, type); });
}

nvmlReturn_t nvmlDeviceGetMemoryErrorCounter(nvmlDevice_t device, nvmlMemoryErrorType_t type, nvmlEccCounterType_t counter,
                                             nvmlMemoryLocation_t location, unsigned long long* count) {
  if (location >= NVML_MEMORY_LOCATION_COUNT) return NVML_ERROR_INVALID_ARGUMENT;
  if (location == NVML_MEMORY_LOCATION_DRAM) return nvmlDeviceGetTotalEccErrors(device, type, counter, count);
  return put(device, count, 0);
}

nvmlReturn_t nvmlDeviceGetEccMode(nvmlDevice_t device, nvmlEnableState_t* current, nvmlEnableState_t* pending) {
  return put_pair(device, current, pending, NVML_FEATURE_ENABLED, NVML_FEATURE_ENABLED);
}
nvmlReturn_t nvmlDeviceGetDefaultEccMode(nvmlDevice_t device, nvmlEnableState_t* mode) { return put(device, mode, NVML_FEATURE_ENABLED); }

nvmlReturn_t nvmlDeviceGetRemappedRows(nvmlDevice_t device, unsigned int* corrected, unsigned int* uncorrected, unsigned int* pending,
                                       unsigned int* failed) {
  if (nvmlReturn_t error = put_pair(device, corrected, uncorrected, 0, 0)) return error;
  return put_pair(device, pending, failed, 0, 0);
}

}  // extern "C"
