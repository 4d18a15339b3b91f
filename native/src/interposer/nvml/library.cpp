// Start and end of NVML, and the way from a name to a device. The devices are those of the lease, in its order.
#include "interposer/nvml/library.h"

#include <strings.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>

#include "bitfusion/nvml_error_text.h"
#include "calls/nvml_asked.h"
#include "calls/rows.h"
#include "interposer/headers.h"
#include "interposer/log.h"
#include "interposer/nvml/question.h"
#include "interposer/nvml/server.h"

namespace bitfusion::interposer::nvml {
namespace {

constexpr unsigned kMaxDevices = 256;
constexpr unsigned kTextRoom = 256;

std::atomic<int> references{0};

// A handle is the address of one of these bytes: cheap to check, and no caller can reach anything through it.
char handles[kMaxDevices];

nvmlReturn_t initialise() {
  if (nvmlReturn_t error = connect()) return error;
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

template <typename T>
nvmlReturn_t put(T* out, T value) {
  if (!initialised()) return NVML_ERROR_UNINITIALIZED;
  if (out == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  *out = value;
  return NVML_SUCCESS;
}

template <typename T>
nvmlReturn_t put_for(nvmlDevice_t device, T* out, T value) {
  unsigned ordinal = 0;
  if (nvmlReturn_t error = ordinal_of(device, &ordinal)) return error;
  return put(out, value);
}

nvmlReturn_t by_index(unsigned index, nvmlDevice_t* device) {
  if (initialised() && index >= device_count()) return NVML_ERROR_INVALID_ARGUMENT;
  return put(device, handle_of(index));
}

// The first device that `matches`.
template <typename Matches>
nvmlReturn_t find(nvmlDevice_t* device, Matches matches) {
  if (!initialised()) return NVML_ERROR_UNINITIALIZED;
  for (unsigned i = 0; i < device_count(); i++) {
    if (matches(i)) return put(device, handle_of(i));
  }
  return NVML_ERROR_NOT_FOUND;
}

bool text_is(uint16_t row, unsigned device, const char* wanted) {
  char text[kTextRoom];
  return Question(row, Life::kFixed, device).ask(Text{text, sizeof text}) == NVML_SUCCESS && strcasecmp(text, wanted) == 0;
}

nvmlReturn_t by_bus_id(const char* id, nvmlDevice_t* device) {
  unsigned domain = 0, bus = 0, slot = 0;
  if (id == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  if (sscanf(id, "%x:%x:%x", &domain, &bus, &slot) != 3) {
    domain = 0;
    if (sscanf(id, "%x:%x", &bus, &slot) != 2) return NVML_ERROR_INVALID_ARGUMENT;
  }
  return find(device, [&](unsigned i) {
    nvmlPciInfo_t pci;
    if (Question(knvmlDeviceGetPciInfo_v3, Life::kFixed, i).ask(Out{&pci}) != NVML_SUCCESS) return false;
    return pci.domain == domain && pci.bus == bus && pci.device == slot;
  });
}

// The structures of older versions are beginnings of today's.
nvmlReturn_t put_pci_prefix(nvmlDevice_t device, nvmlPciInfo_t* pci, size_t size) {
  nvmlPciInfo_t whole;
  if (pci == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  if (nvmlReturn_t error = Question(knvmlDeviceGetPciInfo_v3, Life::kFixed, device).ask(Out{&whole})) return error;
  std::memcpy(pci, &whole, size);
  return NVML_SUCCESS;
}

// No more than this library was built for, or programs would look for functions that it lacks.
nvmlReturn_t put_cuda_version(int* version) {
  if (nvmlReturn_t error = asked::nvmlSystemGetCudaDriverVersion_v2(version)) return error;
  *version = std::min(*version, CUDA_VERSION);
  return NVML_SUCCESS;
}

}  // namespace

bool initialised() { return references.load() > 0; }

nvmlDevice_t handle_of(unsigned ordinal) { return reinterpret_cast<nvmlDevice_t>(&handles[ordinal]); }

nvmlReturn_t ordinal_of(nvmlDevice_t device, unsigned* ordinal) {
  if (!initialised()) return NVML_ERROR_UNINITIALIZED;
  const uintptr_t place = reinterpret_cast<uintptr_t>(device) - reinterpret_cast<uintptr_t>(handles);
  if (place >= std::min(device_count(), kMaxDevices)) return NVML_ERROR_INVALID_ARGUMENT;
  *ordinal = static_cast<unsigned>(place);
  return NVML_SUCCESS;
}

}  // namespace bitfusion::interposer::nvml

using namespace bitfusion;
using namespace bitfusion::interposer::nvml;

extern "C" {

__attribute__((visibility("hidden"))) int bitfusion_nvml_refuse(const char* call, const char* reason) {
  interposer::log_refusal(call, reason);
  return initialised() ? NVML_ERROR_NOT_SUPPORTED : NVML_ERROR_UNINITIALIZED;
}

nvmlReturn_t nvmlInit_v2() { return initialise(); }
nvmlReturn_t nvmlInit() { return initialise(); }
nvmlReturn_t nvmlInitWithFlags(unsigned int) { return initialise(); }
nvmlReturn_t nvmlShutdown() { return shut_down(); }
const char* nvmlErrorString(nvmlReturn_t result) { return nvml_error_text(result); }

nvmlReturn_t nvmlSystemGetCudaDriverVersion_v2(int* version) { return put_cuda_version(version); }
nvmlReturn_t nvmlSystemGetCudaDriverVersion(int* version) { return put_cuda_version(version); }

nvmlReturn_t nvmlDeviceGetCount_v2(unsigned int* count) { return put(count, device_count()); }
nvmlReturn_t nvmlDeviceGetCount(unsigned int* count) { return put(count, device_count()); }
nvmlReturn_t nvmlUnitGetCount(unsigned int* count) { return put(count, 0u); }
nvmlReturn_t nvmlGetExcludedDeviceCount(unsigned int* count) { return put(count, 0u); }
__attribute__((visibility("default"))) nvmlReturn_t nvmlGetBlacklistDeviceCount(unsigned int* count) { return put(count, 0u); }

nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t* device) { return by_index(index, device); }
nvmlReturn_t nvmlDeviceGetHandleByIndex(unsigned int index, nvmlDevice_t* device) { return by_index(index, device); }

nvmlReturn_t nvmlDeviceGetHandleByUUID(const char* uuid, nvmlDevice_t* device) {
  if (uuid == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  return find(device, [&](unsigned i) { return text_is(knvmlDeviceGetUUID, i, uuid); });
}

nvmlReturn_t nvmlDeviceGetHandleBySerial(const char* serial, nvmlDevice_t* device) {
  if (serial == nullptr) return NVML_ERROR_INVALID_ARGUMENT;
  return find(device, [&](unsigned i) { return text_is(knvmlDeviceGetSerial, i, serial); });
}

nvmlReturn_t nvmlDeviceGetHandleByPciBusId_v2(const char* id, nvmlDevice_t* device) { return by_bus_id(id, device); }
nvmlReturn_t nvmlDeviceGetHandleByPciBusId(const char* id, nvmlDevice_t* device) { return by_bus_id(id, device); }

nvmlReturn_t nvmlDeviceGetIndex(nvmlDevice_t device, unsigned int* index) {
  unsigned ordinal = 0;
  if (nvmlReturn_t error = ordinal_of(device, &ordinal)) return error;
  return put(index, ordinal);
}

nvmlReturn_t nvmlDeviceIsMigDeviceHandle(nvmlDevice_t device, unsigned int* is_mig) { return put_for(device, is_mig, 0u); }

nvmlReturn_t nvmlDeviceGetPciInfo_v2(nvmlDevice_t device, nvmlPciInfo_t* pci) {
  return put_pci_prefix(device, pci, offsetof(nvmlPciInfo_t, busId));
}
nvmlReturn_t nvmlDeviceGetPciInfo(nvmlDevice_t device, nvmlPciInfo_t* pci) {
  return put_pci_prefix(device, pci, offsetof(nvmlPciInfo_t, pciSubSystemId));
}

nvmlReturn_t nvmlDeviceGetAttributes(nvmlDevice_t device, nvmlDeviceAttributes_t* attributes) {
  return Question(knvmlDeviceGetAttributes_v2, Life::kFixed, device).ask(Out{attributes});
}

}  // extern "C"
