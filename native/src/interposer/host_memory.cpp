// Page-locked memory: plain memory of the client, known to be stable until it is released. Once it is mapped the server has a twin of it.
#include <sys/mman.h>
#include <unistd.h>

#include <mutex>

#include "calls/api.h"
#include "calls/remote.h"
#include "interposer/check.h"
#include "interposer/coherent.h"
#include "interposer/ranges.h"

namespace bitfusion::interposer::api {
namespace {

constexpr unsigned kAllocFlags = CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_DEVICEMAP | CU_MEMHOSTALLOC_WRITECOMBINED;
constexpr unsigned kRegisterFlags =
    CU_MEMHOSTREGISTER_PORTABLE | CU_MEMHOSTREGISTER_DEVICEMAP | CU_MEMHOSTREGISTER_IOMEMORY | CU_MEMHOSTREGISTER_READ_ONLY;

size_t whole_pages(size_t size) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return (size + page - 1) & ~(page - 1);
}

void keep(const Caller& at, void* base, size_t size, unsigned flags, Memory memory) {
  Range range;
  range.base = to_name(base);
  range.size = size;
  range.context = at.context;
  range.device = current()->device;
  range.flags = flags;
  range.memory = memory;
  ranges().add(range);
}

std::mutex mapping;

// Gives a range its address on the device.
CUresult map(const Caller& at, Range* range) {
  std::lock_guard lock(mapping);
  if (!ranges().find(range->base, range) || range->mapped) return CUDA_SUCCESS;
  uint64_t address = 0;
  if (CUresult error = remote::HostMap(at, range->base, range->size, &address)) return error;
  if (CUresult error = coherent().add(range->base, range->size, address)) return error;
  range->mapped = address;
  ranges().add(*range);
  if (address == range->base) return CUDA_SUCCESS;
  // The server had something else there: the address on the device is another one.
  if (!ranges().reserve(address, range->size)) log(Level::kWarn, "mapped memory lies at an address that this process uses");
  Range twin = *range;
  twin.base = address;
  twin.memory = Memory::kMapped;
  ranges().add(twin);
  return CUDA_SUCCESS;
}

void unmap(const Caller& at, const Range& range) {
  if (!range.mapped) return;
  coherent().remove(range.base);
  if (range.mapped != range.base) ranges().remove(range.mapped, true);
  remote::HostUnmap(at, range.mapped);
}

CUresult allocate(void** out, size_t size, unsigned flags) {
  Caller at;
  if (CUresult error = enter(Scope::kContext, false, &at)) return error;
  if (!out || !size || flags & ~kAllocFlags) return CUDA_ERROR_INVALID_VALUE;
  const size_t length = whole_pages(size);
  if (length < size) return CUDA_ERROR_OUT_OF_MEMORY;
  void* memory = mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return CUDA_ERROR_OUT_OF_MEMORY;
  keep(at, memory, size, flags, Memory::kPinned);
  *out = memory;
  return CUDA_SUCCESS;
}

CUresult enroll(void* memory, size_t size, unsigned flags) {
  Caller at;
  if (CUresult error = enter(Scope::kContext, false, &at)) return error;
  if (!memory || !size || flags & ~kRegisterFlags) return CUDA_ERROR_INVALID_VALUE;
  if (flags & CU_MEMHOSTREGISTER_IOMEMORY) {
    log_refusal("cuMemHostRegister with IOMEMORY", "a device of this machine is out of the server's reach");
    return CUDA_ERROR_NOT_SUPPORTED;
  }
  Range known;
  if (ranges().find(to_name(memory), &known)) return CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED;
  keep(at, memory, size, flags, Memory::kRegistered);
  return CUDA_SUCCESS;
}

}  // namespace

CUresult cuMemHostAlloc(void** out, size_t size, unsigned flags) { return allocate(out, size, flags); }
CUresult cuMemAllocHost_v2(void** out, size_t size) { return allocate(out, size, 0); }
CUresult cuMemHostRegister(void* memory, size_t size, unsigned flags) { return enroll(memory, size, flags); }
CUresult cuMemHostRegister_v2(void* memory, size_t size, unsigned flags) { return enroll(memory, size, flags); }

CUresult cuMemFreeHost(void* memory) {
  Caller at;
  if (CUresult error = enter(Scope::kInit, false, &at)) return error;
  Range range;
  if (!ranges().find(to_name(memory), &range) || range.base != to_name(memory) || range.memory != Memory::kPinned) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  // Copies may still read or fill it: the driver waits for them too.
  at.context = range.context;
  CUresult status = context_alive(at.context) ? api::cuCtxSynchronize_v2((CUcontext)at.context) : CUDA_SUCCESS;
  unmap(at, range);
  ranges().remove(range.base, false);
  munmap(memory, whole_pages(range.size));
  return status;
}

CUresult cuMemHostUnregister(void* memory) {
  Caller at;
  if (CUresult error = enter(Scope::kContext, false, &at)) return error;
  Range range;
  if (!ranges().find(to_name(memory), &range) || range.base != to_name(memory) || range.memory != Memory::kRegistered) {
    return CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED;
  }
  const CUresult status = cuCtxSynchronize();
  unmap(at, range);
  ranges().remove(range.base, false);
  return status;
}

CUresult cuMemHostGetFlags(unsigned* flags, void* memory) {
  Caller at;
  if (CUresult error = enter(Scope::kContext, false, &at)) return error;
  Range range;
  if (!flags || !ranges().find(to_name(memory), &range) || range.memory != Memory::kPinned) return CUDA_ERROR_INVALID_VALUE;
  *flags = range.flags | CU_MEMHOSTALLOC_DEVICEMAP;
  return CUDA_SUCCESS;
}

CUresult cuMemHostGetDevicePointer_v2(CUdeviceptr* out, void* memory, unsigned flags) {
  Caller at;
  if (CUresult error = enter(Scope::kContext, false, &at)) return error;
  Range range;
  if (!out || flags || !ranges().find(to_name(memory), &range) || range.on_device()) return CUDA_ERROR_INVALID_VALUE;
  if (CUresult error = map(at, &range)) return error;
  *out = range.mapped + (to_name(memory) - range.base);
  return CUDA_SUCCESS;
}

}  // namespace bitfusion::interposer::api
