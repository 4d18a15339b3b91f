// Which GPUs there are and what they are: handles, names, identifiers, bus, board.
#include <strings.h>

#include <cstddef>
#include <cstdio>
#include <cstring>

#include "simgpu/nvml/board.h"
#include "simgpu/nvml/gpu.h"

namespace nvml = simgpu::nvml;
namespace board = simgpu::nvml::board;

namespace {

using nvml::put;
using simgpu::DeviceInfo;

std::string serial_of(const DeviceInfo& gpu) {
  char text[16];
  snprintf(text, sizeof text, "13250240%05d", gpu.index);
  return text;
}

/// The first GPU that `matches`, as a handle.
template <typename Matches>
nvmlReturn_t find(nvmlDevice_t* out, Matches matches) {
  if (!nvml::initialised()) return NVML_ERROR_UNINITIALIZED;
  if (out == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  for (const DeviceInfo& gpu : simgpu::machine_devices()) {
    if (!matches(gpu)) continue;
    *out = nvml::handle_of(gpu);
    return NVML_SUCCESS;
  }
  return NVML_ERROR_NOT_FOUND;
}

template <typename Text>
nvmlReturn_t put_device_text(nvmlDevice_t device, char* out, unsigned length, Text text_of) {
  if (nvmlReturn_t error = nvml::check(device)) return error;
  return nvml::put_text(out, length, text_of(*nvml::gpu_of(device)));
}

template <typename Info>
void fill_pci(const DeviceInfo& gpu, Info* pci) {
  pci->domain = gpu.pci_domain;
  pci->bus = gpu.pci_bus;
  pci->device = gpu.pci_device;
  pci->pciDeviceId = board::kPciDeviceId;
  pci->pciSubSystemId = board::kPciSubsystemId;
  snprintf(pci->busId, sizeof pci->busId, "%s", gpu.pci_bus_id.c_str());
}

nvmlReturn_t put_pci(nvmlDevice_t device, nvmlPciInfo_t* pci) {
  if (nvmlReturn_t error = nvml::check(device)) return error;
  if (pci == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  *pci = {};
  fill_pci(*nvml::gpu_of(device), pci);
  snprintf(pci->busIdLegacy, sizeof pci->busIdLegacy, NVML_DEVICE_PCI_BUS_ID_LEGACY_FMT, pci->domain & 0xFFFF, pci->bus, pci->device);
  return NVML_SUCCESS;
}

// The structures of older versions are beginnings of today's.
nvmlReturn_t put_pci_prefix(nvmlDevice_t device, nvmlPciInfo_t* pci, size_t size) {
  nvmlPciInfo_t whole;
  if (nvmlReturn_t error = put_pci(device, &whole)) return error;
  if (pci == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  memcpy(pci, &whole, size);
  return NVML_SUCCESS;
}

}  // namespace

extern "C" {

nvmlReturn_t nvmlDeviceGetCount_v2(unsigned int* count) {
  if (!nvml::initialised()) return NVML_ERROR_UNINITIALIZED;
  if (count == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  *count = static_cast<unsigned>(simgpu::machine_devices().size());
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetCount(unsigned int* count) { return nvmlDeviceGetCount_v2(count); }

nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t* device) {
  const nvmlReturn_t result = find(device, [&](const DeviceInfo& gpu) { return static_cast<unsigned>(gpu.index) == index; });
  return result == NVML_ERROR_NOT_FOUND ? NVML_ERROR_INVALID_ARGUMENT : result;
}

nvmlReturn_t nvmlDeviceGetHandleByIndex(unsigned int index, nvmlDevice_t* device) { return nvmlDeviceGetHandleByIndex_v2(index, device); }

nvmlReturn_t nvmlDeviceGetHandleBySerial(const char* serial, nvmlDevice_t* device) {
  if (serial == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  return find(device, [&](const DeviceInfo& gpu) { return serial_of(gpu) == serial; });
}

nvmlReturn_t nvmlDeviceGetHandleByUUID(const char* uuid, nvmlDevice_t* device) {
  if (uuid == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  return find(device, [&](const DeviceInfo& gpu) { return strcasecmp(gpu.uuid_text.c_str(), uuid) == 0; });
}

nvmlReturn_t nvmlDeviceGetHandleByPciBusId_v2(const char* bus_id, nvmlDevice_t* device) {
  unsigned domain = 0, bus = 0, slot = 0;
  if (bus_id == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  if (sscanf(bus_id, "%x:%x:%x", &domain, &bus, &slot) != 3) {
    domain = 0;
    if (sscanf(bus_id, "%x:%x", &bus, &slot) != 2) return NVML_ERROR_INVALID_ARGUMENT;
  }
  return find(device, [&](const DeviceInfo& gpu) { return gpu.pci_domain == domain && gpu.pci_bus == bus && gpu.pci_device == slot; });
}

nvmlReturn_t nvmlDeviceGetHandleByPciBusId(const char* bus_id, nvmlDevice_t* device) {
  return nvmlDeviceGetHandleByPciBusId_v2(bus_id, device);
}

nvmlReturn_t nvmlDeviceGetIndex(nvmlDevice_t device, unsigned int* index) {
  return nvml::ask(device, index, [](const DeviceInfo& gpu) { return gpu.index; });
}

nvmlReturn_t nvmlDeviceGetMinorNumber(nvmlDevice_t device, unsigned int* minor) { return nvmlDeviceGetIndex(device, minor); }
nvmlReturn_t nvmlDeviceGetModuleId(nvmlDevice_t device, unsigned int* module) { return nvmlDeviceGetIndex(device, module); }

nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t device, char* name, unsigned int length) {
  return put_device_text(device, name, length, [](const DeviceInfo& gpu) { return gpu.name; });
}

nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t device, char* uuid, unsigned int length) {
  return put_device_text(device, uuid, length, [](const DeviceInfo& gpu) { return gpu.uuid_text; });
}

nvmlReturn_t nvmlDeviceGetSerial(nvmlDevice_t device, char* serial, unsigned int length) {
  return put_device_text(device, serial, length, serial_of);
}

nvmlReturn_t nvmlDeviceGetVbiosVersion(nvmlDevice_t device, char* version, unsigned int length) {
  return put_device_text(device, version, length, [](const DeviceInfo&) { return std::string(board::kVbios); });
}

nvmlReturn_t nvmlDeviceGetBoardPartNumber(nvmlDevice_t device, char* number, unsigned int length) {
  return put_device_text(device, number, length, [](const DeviceInfo&) { return std::string(board::kPartNumber); });
}

nvmlReturn_t nvmlDeviceGetInforomImageVersion(nvmlDevice_t device, char* version, unsigned int length) {
  return put_device_text(device, version, length, [](const DeviceInfo&) { return std::string(board::kInforom); });
}

nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, nvmlPciInfo_t* pci) { return put_pci(device, pci); }

nvmlReturn_t nvmlDeviceGetPciInfo_v2(nvmlDevice_t device, nvmlPciInfo_t* pci) {
  return put_pci_prefix(device, pci, offsetof(nvmlPciInfo_t, busId));
}

nvmlReturn_t nvmlDeviceGetPciInfo(nvmlDevice_t device, nvmlPciInfo_t* pci) {
  return put_pci_prefix(device, pci, offsetof(nvmlPciInfo_t, pciSubSystemId));
}

nvmlReturn_t nvmlDeviceGetPciInfoExt(nvmlDevice_t device, nvmlPciInfoExt_t* pci) {
  if (nvmlReturn_t error = nvml::check(device)) return error;
  if (pci == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  if (pci->version != nvmlPciInfoExt_v1) return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
  fill_pci(*nvml::gpu_of(device), pci);
  pci->baseClass = board::kPciBaseClass;
  pci->subClass = board::kPciSubclass;
  return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetCudaComputeCapability(nvmlDevice_t device, int* major, int* minor) {
  return nvml::put_pair(device, major, minor, simgpu::kComputeMajor, simgpu::kComputeMinor);
}

nvmlReturn_t nvmlDeviceGetNumGpuCores(nvmlDevice_t device, unsigned int* cores) {
  return put(device, cores, simgpu::multiprocessor_count() * board::kCoresPerMultiprocessor);
}

nvmlReturn_t nvmlDeviceGetBoardId(nvmlDevice_t device, unsigned int* id) {
  return nvml::ask(device, id, [](const DeviceInfo& gpu) { return gpu.pci_bus << 8; });
}

nvmlReturn_t nvmlDeviceOnSameBoard(nvmlDevice_t first, nvmlDevice_t second, int* same) {
  if (nvmlReturn_t error = nvml::check(second)) return error;
  return put(first, same, first == second);
}

nvmlReturn_t nvmlDeviceGetBrand(nvmlDevice_t device, nvmlBrandType_t* brand) { return put(device, brand, NVML_BRAND_NVIDIA_RTX); }
nvmlReturn_t nvmlDeviceGetArchitecture(nvmlDevice_t device, nvmlDeviceArchitecture_t* architecture) {
  return put(device, architecture, NVML_DEVICE_ARCH_BLACKWELL);
}
nvmlReturn_t nvmlDeviceGetMultiGpuBoard(nvmlDevice_t device, unsigned int* multi) { return put(device, multi, 0); }
nvmlReturn_t nvmlDeviceGetMemoryBusWidth(nvmlDevice_t device, unsigned int* bits) { return put(device, bits, board::kMemoryBusBits); }
nvmlReturn_t nvmlDeviceGetBusType(nvmlDevice_t device, nvmlBusType_t* type) { return put(device, type, NVML_BUS_TYPE_PCIE); }
nvmlReturn_t nvmlDeviceGetMaxPcieLinkGeneration(nvmlDevice_t device, unsigned int* generation) {
  return put(device, generation, board::kPcieGeneration);
}
nvmlReturn_t nvmlDeviceGetGpuMaxPcieLinkGeneration(nvmlDevice_t device, unsigned int* generation) {
  return put(device, generation, board::kPcieGeneration);
}
nvmlReturn_t nvmlDeviceGetCurrPcieLinkGeneration(nvmlDevice_t device, unsigned int* generation) {
  return put(device, generation, board::kPcieGeneration);
}
nvmlReturn_t nvmlDeviceGetMaxPcieLinkWidth(nvmlDevice_t device, unsigned int* width) { return put(device, width, board::kPcieWidth); }
nvmlReturn_t nvmlDeviceGetCurrPcieLinkWidth(nvmlDevice_t device, unsigned int* width) { return put(device, width, board::kPcieWidth); }
nvmlReturn_t nvmlDeviceGetPcieSpeed(nvmlDevice_t device, unsigned int* speed) { return put(device, speed, board::kPcieSpeedMbps); }
nvmlReturn_t nvmlDeviceGetPcieReplayCounter(nvmlDevice_t device, unsigned int* count) { return put(device, count, 0); }
nvmlReturn_t nvmlDeviceIsMigDeviceHandle(nvmlDevice_t device, unsigned int* is_mig) { return put(device, is_mig, 0); }

}  // extern "C"
