// cuInit, versions, devices and their properties, peer access.
#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstring>

#include "simgpu/context.h"
#include "simgpu/exec/exec.h"

using namespace simgpu;

#define DEVICE(device, ordinal)        \
  REQUIRE_INITIALIZED();               \
  Device* device = device_at(ordinal); \
  REQUIRE(device != nullptr, CUDA_ERROR_INVALID_DEVICE)

extern "C" {

CUresult cuInit(unsigned int flags) {
  REQUIRE(flags == 0, CUDA_ERROR_INVALID_VALUE);
  return initialize();
}

CUresult cuDriverGetVersion(int* version) {
  REQUIRE(version != nullptr, CUDA_ERROR_INVALID_VALUE);
  *version = CUDA_VERSION;
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetCount(int* count) {
  REQUIRE_INITIALIZED();
  REQUIRE(count != nullptr, CUDA_ERROR_INVALID_VALUE);
  *count = static_cast<int>(visible_devices().size());
  return CUDA_SUCCESS;
}

CUresult cuDeviceGet(CUdevice* device, int ordinal) {
  DEVICE(found, ordinal);
  REQUIRE(device != nullptr, CUDA_ERROR_INVALID_VALUE);
  *device = ordinal;
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetName(char* name, int length, CUdevice ordinal) {
  DEVICE(device, ordinal);
  REQUIRE(name != nullptr && length > 0, CUDA_ERROR_INVALID_VALUE);
  snprintf(name, static_cast<size_t>(length), "%s", device->info->name.c_str());
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetUuid_v2(CUuuid* uuid, CUdevice ordinal) {
  DEVICE(device, ordinal);
  REQUIRE(uuid != nullptr, CUDA_ERROR_INVALID_VALUE);
  memcpy(uuid->bytes, device->info->uuid.data(), device->info->uuid.size());
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetUuid(CUuuid* uuid, CUdevice ordinal) { return cuDeviceGetUuid_v2(uuid, ordinal); }

CUresult cuDeviceTotalMem_v2(size_t* bytes, CUdevice ordinal) {
  DEVICE(device, ordinal);
  REQUIRE(bytes != nullptr, CUDA_ERROR_INVALID_VALUE);
  *bytes = device->info->memory_bytes;
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetAttribute(int* value, CUdevice_attribute attribute, CUdevice ordinal) {
  DEVICE(device, ordinal);
  REQUIRE(value != nullptr, CUDA_ERROR_INVALID_VALUE);
  const auto answer = device_attribute(*device, attribute);
  REQUIRE(answer.has_value(), CUDA_ERROR_INVALID_VALUE);
  *value = *answer;
  return CUDA_SUCCESS;
}

CUresult cuDeviceComputeCapability(int* major, int* minor, CUdevice ordinal) {
  DEVICE(device, ordinal);
  REQUIRE(major != nullptr && minor != nullptr, CUDA_ERROR_INVALID_VALUE);
  *major = kComputeMajor;
  *minor = kComputeMinor;
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetProperties(CUdevprop* properties, CUdevice ordinal) {
  DEVICE(device, ordinal);
  REQUIRE(properties != nullptr, CUDA_ERROR_INVALID_VALUE);
  const auto value = [device](CUdevice_attribute attribute) { return device_attribute(*device, attribute).value_or(0); };
  properties->maxThreadsPerBlock = value(CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK);
  for (int i = 0; i < 3; i++) {
    properties->maxThreadsDim[i] = value(static_cast<CUdevice_attribute>(CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X + i));
    properties->maxGridSize[i] = value(static_cast<CUdevice_attribute>(CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X + i));
  }
  properties->sharedMemPerBlock = value(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK);
  properties->totalConstantMemory = value(CU_DEVICE_ATTRIBUTE_TOTAL_CONSTANT_MEMORY);
  properties->SIMDWidth = value(CU_DEVICE_ATTRIBUTE_WARP_SIZE);
  properties->memPitch = value(CU_DEVICE_ATTRIBUTE_MAX_PITCH);
  properties->regsPerBlock = value(CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK);
  properties->clockRate = value(CU_DEVICE_ATTRIBUTE_CLOCK_RATE);
  properties->textureAlign = value(CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT);
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetPCIBusId(char* text, int length, CUdevice ordinal) {
  DEVICE(device, ordinal);
  char full[16];
  const int needed =
      snprintf(full, sizeof full, "%04x:%02x:%02x.0", device->info->pci_domain, device->info->pci_bus, device->info->pci_device);
  REQUIRE(text != nullptr && length > needed, CUDA_ERROR_INVALID_VALUE);
  for (int i = 0; i <= needed; i++) text[i] = static_cast<char>(toupper(full[i]));
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetByPCIBusId(CUdevice* ordinal, const char* text) {
  REQUIRE_INITIALIZED();
  REQUIRE(ordinal != nullptr && text != nullptr, CUDA_ERROR_INVALID_VALUE);
  unsigned domain = 0, bus = 0, slot = 0;
  if (sscanf(text, "%x:%x:%x", &domain, &bus, &slot) != 3) {
    domain = 0;
    REQUIRE(sscanf(text, "%x:%x", &bus, &slot) == 2, CUDA_ERROR_INVALID_VALUE);
  }
  for (const auto& device : visible_devices()) {
    if (device->info->pci_domain == domain && device->info->pci_bus == bus && device->info->pci_device == slot) {
      *ordinal = device->ordinal;
      return CUDA_SUCCESS;
    }
  }
  return CUDA_ERROR_INVALID_DEVICE;
}

CUresult cuDeviceGetLuid(char*, unsigned int*, CUdevice ordinal) {
  DEVICE(device, ordinal);
  return CUDA_ERROR_NOT_SUPPORTED;  // Windows only
}

CUresult cuDeviceGetTexture1DLinearMaxWidth(size_t* width, CUarray_format, unsigned channels, CUdevice ordinal) {
  DEVICE(device, ordinal);
  REQUIRE(width != nullptr && (channels == 1 || channels == 2 || channels == 4), CUDA_ERROR_INVALID_VALUE);
  *width = static_cast<size_t>(device_attribute(*device, CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE1D_LINEAR_WIDTH).value_or(0));
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetExecAffinitySupport(int* supported, CUexecAffinityType, CUdevice ordinal) {
  DEVICE(device, ordinal);
  REQUIRE(supported != nullptr, CUDA_ERROR_INVALID_VALUE);
  *supported = 0;
  return CUDA_SUCCESS;
}

CUresult cuDeviceCanAccessPeer(int* can, CUdevice ordinal, CUdevice peer) {
  DEVICE(device, ordinal);
  REQUIRE(can != nullptr, CUDA_ERROR_INVALID_VALUE);
  REQUIRE(device_at(peer) != nullptr, CUDA_ERROR_INVALID_DEVICE);
  *can = ordinal != peer;
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetP2PAttribute(int* value, CUdevice_P2PAttribute attribute, CUdevice source, CUdevice target) {
  DEVICE(device, source);
  REQUIRE(value != nullptr && source != target, CUDA_ERROR_INVALID_VALUE);
  REQUIRE(device_at(target) != nullptr, CUDA_ERROR_INVALID_DEVICE);
  switch (attribute) {
    case CU_DEVICE_P2P_ATTRIBUTE_ACCESS_SUPPORTED:
    case CU_DEVICE_P2P_ATTRIBUTE_NATIVE_ATOMIC_SUPPORTED:
      *value = 1;
      return CUDA_SUCCESS;
    default:
      *value = 0;
      return CUDA_SUCCESS;
  }
}

// Every GPU's memory is in one address space anyway; enabling access is remembered by nobody, but its errors are the driver's.
CUresult cuCtxEnablePeerAccess(CUcontext peer, unsigned int flags) {
  ENTER(context);
  REQUIRE(flags == 0, CUDA_ERROR_INVALID_VALUE);
  Context* other = contexts().get(peer);
  REQUIRE(other != nullptr, CUDA_ERROR_INVALID_CONTEXT);
  REQUIRE(other->device != context->device, CUDA_ERROR_PEER_ACCESS_UNSUPPORTED);
  std::lock_guard<std::mutex> guard(context->lock);
  return context->peers.insert(other).second ? CUDA_SUCCESS : CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED;
}

CUresult cuCtxDisablePeerAccess(CUcontext peer) {
  ENTER(context);
  Context* other = contexts().get(peer);
  REQUIRE(other != nullptr, CUDA_ERROR_INVALID_CONTEXT);
  std::lock_guard<std::mutex> guard(context->lock);
  return context->peers.erase(other) != 0 ? CUDA_SUCCESS : CUDA_ERROR_PEER_ACCESS_NOT_ENABLED;
}

// --- Primary contexts -------------------------------------------------------------------------------------------------------------------

CUresult cuDevicePrimaryCtxRetain(CUcontext* out, CUdevice ordinal) {
  DEVICE(device, ordinal);
  REQUIRE(out != nullptr, CUDA_ERROR_INVALID_VALUE);
  REQUIRE(!device->lost(), CUDA_ERROR_DEVICE_UNAVAILABLE);
  return retain_primary(device, out);
}

CUresult cuDevicePrimaryCtxRelease_v2(CUdevice ordinal) {
  DEVICE(device, ordinal);
  {
    std::lock_guard<std::mutex> guard(device->lock);
    REQUIRE(device->primary_references > 0, CUDA_ERROR_INVALID_CONTEXT);
    if (--device->primary_references > 0) return CUDA_SUCCESS;
  }
  tear_down(device->primary);
  return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRelease(CUdevice ordinal) { return cuDevicePrimaryCtxRelease_v2(ordinal); }

// The references stay; the context begins anew at its next use. What kernels print comes out before.
CUresult cuDevicePrimaryCtxReset_v2(CUdevice ordinal) {
  DEVICE(device, ordinal);
  if (device->primary == nullptr || !device->primary->active) return CUDA_SUCCESS;
  tear_down(device->primary, Kernels::kFinish);
  std::lock_guard<std::mutex> guard(device->lock);
  device->primary_references = 0;
  return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxReset(CUdevice ordinal) { return cuDevicePrimaryCtxReset_v2(ordinal); }

CUresult cuDevicePrimaryCtxSetFlags_v2(CUdevice ordinal, unsigned int flags) {
  DEVICE(device, ordinal);
  REQUIRE((flags & ~CU_CTX_FLAGS_MASK) == 0 && (flags & CU_CTX_SCHED_MASK) <= CU_CTX_SCHED_BLOCKING_SYNC, CUDA_ERROR_INVALID_VALUE);
  std::lock_guard<std::mutex> guard(device->lock);
  device->primary_flags = flags;
  if (device->primary != nullptr) device->primary->flags = flags;
  return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxSetFlags(CUdevice ordinal, unsigned int flags) { return cuDevicePrimaryCtxSetFlags_v2(ordinal, flags); }

CUresult cuDevicePrimaryCtxGetState(CUdevice ordinal, unsigned int* flags, int* active) {
  DEVICE(device, ordinal);
  REQUIRE(flags != nullptr && active != nullptr, CUDA_ERROR_INVALID_VALUE);
  std::lock_guard<std::mutex> guard(device->lock);
  *flags = device->primary_flags;
  *active = device->primary != nullptr && device->primary->active;
  return CUDA_SUCCESS;
}

}  // extern "C"
