// Questions about devices, answered from the snapshot.
#include <algorithm>
#include <cstdio>
#include <cstring>

#include "calls/api.h"
#include "interposer/check.h"

namespace bitfusion::interposer::api {
namespace {

CUresult find(CUdevice ordinal, const Device** device) {
  if (!process().ready()) return CUDA_ERROR_NOT_INITIALIZED;
  *device = process().device(ordinal);
  return *device ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

void copy_text(const std::string& text, char* out, int room) {
  const size_t size = std::min(text.size(), static_cast<size_t>(room - 1));
  std::memcpy(out, text.data(), size);
  out[size] = 0;
}

CUresult uuid_of(CUuuid* uuid, CUdevice ordinal) {
  const Device* device;
  if (CUresult error = find(ordinal, &device)) return error;
  if (!uuid) return CUDA_ERROR_INVALID_VALUE;
  *uuid = device->uuid;
  return CUDA_SUCCESS;
}

int attribute_of(const Device& device, CUdevice_attribute attribute) {
  const auto index = static_cast<size_t>(attribute);
  return attribute > 0 && index < device.attributes.size() ? device.attributes[index] : kNoAttribute;
}

}  // namespace

CUresult cuInit(unsigned flags) { return flags ? CUDA_ERROR_INVALID_VALUE : process().start(Process::Use::kCuda); }

CUresult cuDriverGetVersion(int* version) {
  if (!version) return CUDA_ERROR_INVALID_VALUE;
  // Asked before cuInit by the runtime; without a lease the library's own version is the answer.
  const CUresult outcome = process().start(Process::Use::kLook);
  *version = outcome == CUDA_SUCCESS ? process().driver_version() : CUDA_VERSION;
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetCount(int* count) {
  if (!process().ready()) return CUDA_ERROR_NOT_INITIALIZED;
  if (!count) return CUDA_ERROR_INVALID_VALUE;
  *count = static_cast<int>(process().devices().size());
  return CUDA_SUCCESS;
}

CUresult cuDeviceGet(CUdevice* out, int ordinal) {
  const Device* device;
  if (CUresult error = find(ordinal, &device)) return error;
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  *out = ordinal;
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetName(char* name, int room, CUdevice ordinal) {
  const Device* device;
  if (CUresult error = find(ordinal, &device)) return error;
  if (!name || room <= 0) return CUDA_ERROR_INVALID_VALUE;
  copy_text(device->name, name, room);
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetUuid(CUuuid* uuid, CUdevice ordinal) { return uuid_of(uuid, ordinal); }
CUresult cuDeviceGetUuid_v2(CUuuid* uuid, CUdevice ordinal) { return uuid_of(uuid, ordinal); }

CUresult cuDeviceTotalMem_v2(size_t* bytes, CUdevice ordinal) {
  const Device* device;
  if (CUresult error = find(ordinal, &device)) return error;
  if (!bytes) return CUDA_ERROR_INVALID_VALUE;
  *bytes = device->memory;
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetAttribute(int* value, CUdevice_attribute attribute, CUdevice ordinal) {
  const Device* device;
  if (CUresult error = find(ordinal, &device)) return error;
  if (!value) return CUDA_ERROR_INVALID_VALUE;
  const int known = attribute_of(*device, attribute);
  if (known == kNoAttribute) return CUDA_ERROR_INVALID_VALUE;
  *value = known;
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetProperties(CUdevprop* properties, CUdevice ordinal) {
  const Device* device;
  if (CUresult error = find(ordinal, &device)) return error;
  if (!properties) return CUDA_ERROR_INVALID_VALUE;
  auto get = [device](CUdevice_attribute attribute) { return attribute_of(*device, attribute); };
  properties->maxThreadsPerBlock = get(CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK);
  for (int axis = 0; axis < 3; ++axis) {
    properties->maxThreadsDim[axis] = get(static_cast<CUdevice_attribute>(CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X + axis));
    properties->maxGridSize[axis] = get(static_cast<CUdevice_attribute>(CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X + axis));
  }
  properties->sharedMemPerBlock = get(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK);
  properties->totalConstantMemory = get(CU_DEVICE_ATTRIBUTE_TOTAL_CONSTANT_MEMORY);
  properties->SIMDWidth = get(CU_DEVICE_ATTRIBUTE_WARP_SIZE);
  properties->memPitch = get(CU_DEVICE_ATTRIBUTE_MAX_PITCH);
  properties->regsPerBlock = get(CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK);
  properties->clockRate = get(CU_DEVICE_ATTRIBUTE_CLOCK_RATE);
  properties->textureAlign = get(CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT);
  return CUDA_SUCCESS;
}

CUresult cuDeviceComputeCapability(int* major, int* minor, CUdevice ordinal) {
  const Device* device;
  if (CUresult error = find(ordinal, &device)) return error;
  if (!major || !minor) return CUDA_ERROR_INVALID_VALUE;
  *major = attribute_of(*device, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
  *minor = attribute_of(*device, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetPCIBusId(char* id, int room, CUdevice ordinal) {
  const Device* device;
  if (CUresult error = find(ordinal, &device)) return error;
  if (!id || room <= 0) return CUDA_ERROR_INVALID_VALUE;
  copy_text(device->pci, id, room);
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetByPCIBusId(CUdevice* out, const char* id) {
  if (!process().ready()) return CUDA_ERROR_NOT_INITIALIZED;
  if (!out || !id) return CUDA_ERROR_INVALID_VALUE;
  unsigned domain = 0, bus = 0, slot = 0;
  const bool full = std::sscanf(id, "%x:%x:%x", &domain, &bus, &slot) == 3;
  if (!full && (domain = 0, std::sscanf(id, "%x:%x", &bus, &slot) != 2)) return CUDA_ERROR_INVALID_VALUE;
  const auto& devices = process().devices();
  for (size_t i = 0; i < devices.size(); ++i) {
    const Device& device = devices[i];
    if (device.pci_domain == static_cast<int>(domain) && device.pci_bus == static_cast<int>(bus) &&
        device.pci_device == static_cast<int>(slot)) {
      *out = static_cast<CUdevice>(i);
      return CUDA_SUCCESS;
    }
  }
  return CUDA_ERROR_INVALID_DEVICE;
}

CUresult cuDeviceGetHostAtomicCapabilities(unsigned* capabilities, const CUatomicOperation* operations, unsigned count, CUdevice ordinal) {
  const Device* device;
  if (CUresult error = find(ordinal, &device)) return error;
  if (!capabilities || !operations || !count) return CUDA_ERROR_INVALID_VALUE;
  std::fill_n(capabilities, count, 0u);  // host memory is another machine's
  return CUDA_SUCCESS;
}

CUresult cuProfilerStart() { return CUDA_SUCCESS; }
CUresult cuProfilerStop() { return CUDA_SUCCESS; }

}  // namespace bitfusion::interposer::api
