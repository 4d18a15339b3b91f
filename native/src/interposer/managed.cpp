// Managed memory: the server's own, with a copy here at the same address (coherent.h).
#include "calls/api.h"
#include "calls/remote.h"
#include "interposer/check.h"
#include "interposer/code.h"
#include "interposer/coherent.h"
#include "interposer/memory.h"

namespace bitfusion::interposer::api {
namespace {

// Whether [address, address + size) is managed memory of ours.
bool managed(uint64_t address, uint64_t size) {
  Range range;
  return size && ranges().find(address, &range) && range.memory == Memory::kManaged && size <= range.base + range.size - address;
}

CUresult keep(const Caller& at, uint64_t address, size_t size, unsigned flags) {
  if (!open_memory(address, size)) return CUDA_ERROR_OUT_OF_MEMORY;
  if (CUresult error = coherent().add(address, size, address)) return error;
  Range range;
  range.base = address;
  range.size = size;
  range.context = at.context;
  range.device = current()->device;
  range.flags = flags;
  range.memory = Memory::kManaged;
  ranges().add(range);
  return CUDA_SUCCESS;
}

CUresult start(CUdeviceptr address, size_t size, CUstream stream, Caller* at, uint64_t* name) {
  if (CUresult error = enter(Scope::kContext, false, at)) return error;
  if (!name_stream(*at, stream, name)) return CUDA_ERROR_INVALID_HANDLE;
  return managed(address, size) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

bool known_device(const CUmemLocation& location) { return location.type != CU_MEM_LOCATION_TYPE_DEVICE || process().device(location.id); }

CUmemLocation location_of(CUdevice device) {
  CUmemLocation location = {};
  location.type = device == CU_DEVICE_CPU ? CU_MEM_LOCATION_TYPE_HOST : CU_MEM_LOCATION_TYPE_DEVICE;
  location.id = device == CU_DEVICE_CPU ? 0 : device;
  return location;
}

// To this machine nothing moves ahead of time: what kernels have written comes when it is waited for.
CUresult prefetch(CUdeviceptr address, size_t size, CUmemLocation location, unsigned flags, CUstream stream) {
  Caller at;
  uint64_t name;
  if (CUresult error = start(address, size, stream, &at, &name)) return error;
  if (flags) return CUDA_ERROR_INVALID_VALUE;
  if (!known_device(location)) return CUDA_ERROR_INVALID_DEVICE;
  if (location.type != CU_MEM_LOCATION_TYPE_DEVICE) return CUDA_SUCCESS;
  return remote::cuMemPrefetchAsync_v2(at, address, size, location, flags, name);
}

CUresult advise(CUdeviceptr address, size_t size, CUmem_advise advice, CUmemLocation location) {
  Caller at;
  if (CUresult error = enter(Scope::kContext, true, &at)) return error;
  if (!managed(address, size)) return CUDA_ERROR_INVALID_VALUE;
  if (!known_device(location)) return CUDA_ERROR_INVALID_DEVICE;
  if (location.type != CU_MEM_LOCATION_TYPE_DEVICE) return CUDA_SUCCESS;
  return remote::cuMemAdvise_v2(at, address, size, advice, location);
}

CUresult range_attribute(void* out, size_t size, CUmem_range_attribute attribute, CUdeviceptr address, size_t count) {
  Caller at;
  if (CUresult error = enter(Scope::kContext, true, &at)) return error;
  if (!out || !size || !managed(address, count)) return CUDA_ERROR_INVALID_VALUE;
  transport::Reply reply;
  if (CUresult error = remote::RangeAttribute(at, address, count, attribute, size, reply)) return error;
  wire::Reader in = reply.in();
  const auto bytes = in.bytes(size);
  if (!in.ok()) return CUDA_ERROR_DEVICE_UNAVAILABLE;
  std::memcpy(out, bytes.data(), bytes.size());
  return CUDA_SUCCESS;
}

}  // namespace

CUresult cuMemAllocManaged(CUdeviceptr* out, size_t size, unsigned flags) {
  Caller at;
  if (CUresult error = enter(Scope::kContext, true, &at)) return error;
  if (!out || !size || (flags != CU_MEM_ATTACH_GLOBAL && flags != CU_MEM_ATTACH_HOST)) return CUDA_ERROR_INVALID_VALUE;
  uint64_t address = 0;
  CUresult status = allocate_visible(
      size,
      [&](uint64_t* made) {
        CUdeviceptr pointer = 0;
        const CUresult answer = remote::cuMemAllocManaged(at, &pointer, size, flags);
        *made = pointer;
        return answer;
      },
      [&](uint64_t unwanted) { remote::cuMemFree_v2(at, unwanted); }, &address);
  if (status == CUDA_SUCCESS) status = keep(at, address, size, flags);
  if (status == CUDA_SUCCESS) *out = address;
  return status;
}

CUresult cuMemPrefetchAsync(CUdeviceptr address, size_t size, CUdevice device, CUstream stream) {
  return prefetch(address, size, location_of(device), 0, stream);
}
CUresult cuMemPrefetchAsync_v2(CUdeviceptr address, size_t size, CUmemLocation location, unsigned flags, CUstream stream) {
  return prefetch(address, size, location, flags, stream);
}
CUresult cuMemAdvise(CUdeviceptr address, size_t size, CUmem_advise advice, CUdevice device) {
  return advise(address, size, advice, location_of(device));
}
CUresult cuMemAdvise_v2(CUdeviceptr address, size_t size, CUmem_advise advice, CUmemLocation location) {
  return advise(address, size, advice, location);
}

CUresult cuMemRangeGetAttribute(void* out, size_t size, CUmem_range_attribute attribute, CUdeviceptr address, size_t count) {
  return range_attribute(out, size, attribute, address, count);
}
CUresult cuMemRangeGetAttributes(void** out, size_t* sizes, CUmem_range_attribute* attributes, size_t number, CUdeviceptr address,
                                 size_t count) {
  if (!process().ready()) return CUDA_ERROR_NOT_INITIALIZED;
  if (!out || !sizes || !attributes || !number) return CUDA_ERROR_INVALID_VALUE;
  for (size_t i = 0; i < number; ++i) {
    if (CUresult error = range_attribute(out[i], sizes[i], attributes[i], address, count)) return error;
  }
  return CUDA_SUCCESS;
}

CUresult cuStreamAttachMemAsync(CUstream stream, CUdeviceptr address, size_t length, unsigned flags) {
  Caller at;
  uint64_t name;
  if (CUresult error = start(address, length ? length : 1, stream, &at, &name)) return error;
  return remote::cuStreamAttachMemAsync(at, name, address, length, flags);
}

// A __managed__ variable.
CUresult cuLibraryGetManaged(CUdeviceptr* address, size_t* size, CUlibrary handle, const char* name) {
  Caller at;
  if (CUresult error = enter(Scope::kContext, true, &at)) return error;
  Library* library = find_library(handle);
  if (!name || (!address && !size)) return CUDA_ERROR_INVALID_VALUE;
  if (!library) return CUDA_ERROR_INVALID_HANDLE;
  if (CUresult error = ensure_loaded(at, library)) return error;
  uint64_t base = 0, bytes = 0;
  if (CUresult error = remote::ModuleManaged(at, library->name, name, &base, &bytes)) return error;
  Range known;
  if (!ranges().find(base, &known) || known.memory != Memory::kManaged) {
    if (!ranges().reserve(base, bytes)) return CUDA_ERROR_OUT_OF_MEMORY;
    if (CUresult error = keep(at, base, bytes, CU_MEM_ATTACH_GLOBAL)) return error;
    // What it was initialised with is the server's to tell.
    if (CUresult error = coherent().before_work(at, 0)) return error;
    if (CUresult error = coherent().after_wait(at, 0)) return error;
  }
  if (address) *address = base;
  if (size) *size = bytes;
  return CUDA_SUCCESS;
}

}  // namespace bitfusion::interposer::api
