// Processes on a GPU. A process id means nothing on another machine, so a process sees itself, with the memory that its worker holds.
#include "interposer/nvml/processes.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <vector>

#include "bitfusion/nvml_private_table.h"
#include "calls/nvml_asked.h"
#include "calls/rows.h"
#include "interposer/nvml/library.h"

namespace bitfusion::interposer::nvml {
namespace {

constexpr unsigned kRoom = 64;

template <typename Entry>
Entry entry_of(const nvmlProcessInfo_t& process) {
  if constexpr (sizeof(Entry) == sizeof(nvmlProcessInfo_v1_t))
    return {process.pid, process.usedGpuMemory};
  else
    return {process.pid, process.usedGpuMemory, process.gpuInstanceId, process.computeInstanceId};
}

template <typename Entry>
nvmlReturn_t put_list(const std::vector<Entry>& all, unsigned* count, Entry* entries) {
  if (count == nullptr || (*count != 0 && entries == nullptr)) return NVML_ERROR_INVALID_ARGUMENT;
  const size_t room = *count;
  *count = static_cast<unsigned>(all.size());
  if (room < all.size()) return NVML_ERROR_INSUFFICIENT_SIZE;
  std::copy(all.begin(), all.end(), entries);
  return NVML_SUCCESS;
}

template <typename Entry>
nvmlReturn_t put_compute(nvmlDevice_t device, unsigned* count, Entry* entries) {
  std::vector<nvmlProcessInfo_t> found;
  if (nvmlReturn_t error = list_processes(device, &found)) return error;
  std::vector<Entry> all;
  for (const nvmlProcessInfo_t& process : found) all.push_back(entry_of<Entry>(process));
  return put_list(all, count, entries);
}

template <typename Entry>
nvmlReturn_t put_none(nvmlDevice_t device, unsigned* count, Entry* entries) {
  unsigned ordinal = 0;
  if (nvmlReturn_t error = ordinal_of(device, &ordinal)) return error;
  return put_list<Entry>({}, count, entries);
}

}  // namespace

nvmlReturn_t list_processes(nvmlDevice_t device, std::vector<nvmlProcessInfo_t>* processes) {
  unsigned count = kRoom;
  processes->resize(count);
  if (nvmlReturn_t error = asked::nvmlDeviceGetComputeRunningProcesses_v3(device, &count, processes->data())) return error;
  processes->resize(count);
  for (nvmlProcessInfo_t& process : *processes) process.pid = static_cast<unsigned>(getpid());
  return NVML_SUCCESS;
}

nvmlReturn_t process_name(unsigned pid, char* name, unsigned length) {
  char path[40];
  snprintf(path, sizeof path, "/proc/%u/cmdline", pid);
  FILE* file = fopen(path, "re");
  if (file == nullptr) return NVML_ERROR_NOT_FOUND;
  const size_t got = fread(name, 1, length - 1, file);
  fclose(file);
  name[got] = '\0';  // the program's name ends at the first zero before it
  return got != 0 ? NVML_SUCCESS : NVML_ERROR_NOT_FOUND;
}

}  // namespace bitfusion::interposer::nvml

using namespace bitfusion::interposer::nvml;

extern "C" {

nvmlReturn_t nvmlSystemGetProcessName(unsigned int pid, char* name, unsigned int length) {
  if (!initialised()) return NVML_ERROR_UNINITIALIZED;
  return name != nullptr && length != 0 ? process_name(pid, name, length) : NVML_ERROR_INVALID_ARGUMENT;
}

nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t device, unsigned int* count, nvmlProcessInfo_t* entries) {
  return put_compute(device, count, entries);
}
nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v2(nvmlDevice_t device, unsigned int* count, nvmlProcessInfo_v2_t* entries) {
  return put_compute(device, count, entries);
}
nvmlReturn_t nvmlDeviceGetComputeRunningProcesses(nvmlDevice_t device, unsigned int* count, nvmlProcessInfo_v1_t* entries) {
  return put_compute(device, count, entries);
}
nvmlReturn_t nvmlDeviceGetGraphicsRunningProcesses_v3(nvmlDevice_t device, unsigned int* count, nvmlProcessInfo_t* entries) {
  return put_none(device, count, entries);
}
nvmlReturn_t nvmlDeviceGetGraphicsRunningProcesses_v2(nvmlDevice_t device, unsigned int* count, nvmlProcessInfo_v2_t* entries) {
  return put_none(device, count, entries);
}
nvmlReturn_t nvmlDeviceGetGraphicsRunningProcesses(nvmlDevice_t device, unsigned int* count, nvmlProcessInfo_v1_t* entries) {
  return put_none(device, count, entries);
}
nvmlReturn_t nvmlDeviceGetMPSComputeRunningProcesses_v3(nvmlDevice_t device, unsigned int* count, nvmlProcessInfo_t* entries) {
  return put_none(device, count, entries);
}
nvmlReturn_t nvmlDeviceGetMPSComputeRunningProcesses_v2(nvmlDevice_t device, unsigned int* count, nvmlProcessInfo_v2_t* entries) {
  return put_none(device, count, entries);
}
nvmlReturn_t nvmlDeviceGetMPSComputeRunningProcesses(nvmlDevice_t device, unsigned int* count, nvmlProcessInfo_v1_t* entries) {
  return put_none(device, count, entries);
}

}  // extern "C"
