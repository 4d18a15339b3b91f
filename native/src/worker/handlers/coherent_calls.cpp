// Memory that the application and kernels use at the same address: managed memory, and host memory that is mapped.
#include <sys/mman.h>

#include <algorithm>

#include "calls/calls.h"
#include "worker/handlers/coherence.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

namespace bitfusion::worker {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kPart = 256u << 10;                // of a range, per answer
constexpr uint64_t kMostMapped = uint64_t{16} << 30;  // of host memory in one piece

}  // namespace

bool Coherence::add(uint64_t base, uint64_t size, void* mapped, uint64_t mapped_size) {
  ZeroPages seen(size);
  if (!seen.data()) return false;
  std::lock_guard lock(mutex_);
  ranges_[base] = {std::move(seen), mapped, mapped_size};
  return true;
}

bool Coherence::contains(uint64_t address, uint64_t size) const {
  std::lock_guard lock(mutex_);
  auto after = ranges_.upper_bound(address);
  if (after == ranges_.begin()) return false;
  const auto& [base, range] = *std::prev(after);
  const uint64_t offset = address - base;
  return offset <= range.seen.size() && size <= range.seen.size() - offset;
}

bool Coherence::remove(uint64_t base, void** mapped, uint64_t* mapped_size) {
  std::lock_guard lock(mutex_);
  auto at = ranges_.find(base);
  if (at == ranges_.end()) return false;
  *mapped = at->second.mapped;
  *mapped_size = at->second.mapped_size;
  ranges_.erase(at);
  return true;
}

CUresult Coherence::changed(const CudaDriver& cuda, uint64_t context, uint64_t base, uint64_t size, uint64_t begin, ReplyBuffer& reply) {
  std::lock_guard lock(mutex_);
  auto at = ranges_.find(base);
  if (at == ranges_.end() || at->second.seen.size() != size || begin >= size) return CUDA_ERROR_INVALID_VALUE;
  // A stream of its own: another one may wait for what the client does next.
  CUstream& stream = streams_[context];
  if (!stream && cuda.cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING) != CUDA_SUCCESS) return CUDA_ERROR_OUT_OF_MEMORY;
  const uint64_t end = std::min(begin + kPart, size);
  std::vector<std::byte> now(end - begin);
  if (CUresult error = cuda.cuMemcpyDtoHAsync_v2(now.data(), base + begin, now.size(), stream)) return error;
  if (CUresult error = cuda.cuStreamSynchronize(stream)) return error;
  reply.put(end);
  std::byte* seen = at->second.seen.data() + begin;
  for (uint64_t page = 0; page < now.size(); page += kPage) {
    const uint64_t length = std::min<uint64_t>(kPage, now.size() - page);
    if (!std::memcmp(now.data() + page, seen + page, length)) continue;
    reply.put(begin + page);
    reply.blob(now.data() + page, length);
    std::memcpy(seen + page, now.data() + page, length);
  }
  return CUDA_SUCCESS;
}

namespace calls {

CUresult cuMemAllocManaged(Call& call, CUdeviceptr* out, size_t size, unsigned flags) {
  State& state = state_of(call);
  const uint32_t device = state.device_of(call.header);
  if (!state.cuda.cuMemAllocManaged) return CUDA_ERROR_NOT_SUPPORTED;
  if (!state.reserve(device, size)) return CUDA_ERROR_OUT_OF_MEMORY;
  CUresult status = state.cuda.cuMemAllocManaged(out, size, flags);
  if (status == CUDA_SUCCESS) status = state.cuda.cuMemsetD8_v2(*out, 0, size);  // as the client's copy is
  if (status == CUDA_SUCCESS && !state.coherence.add(*out, size, nullptr, 0)) status = CUDA_ERROR_OUT_OF_MEMORY;
  if (status != CUDA_SUCCESS) {
    if (*out) state.cuda.cuMemFree_v2(*out);
    state.accounts.give_back(device, size);
    return status;
  }
  state.accounts.add(*out, size, device, state.account_of(call.header));
  return CUDA_SUCCESS;
}

CUresult MemoryChanged(Call& call, uint64_t base, uint64_t size, uint64_t begin) {
  State& state = state_of(call);
  return state.coherence.changed(state.cuda, call.header.context, base, size, begin, call.reply);
}

CUresult RangeAttribute(Call& call, uint64_t address, uint64_t count, int attribute, uint64_t size) {
  State& state = state_of(call);
  if (!state.cuda.cuMemRangeGetAttribute) return CUDA_ERROR_NOT_SUPPORTED;
  if (!size || size > 4096) return CUDA_ERROR_INVALID_VALUE;
  std::vector<std::byte> data(size);
  const CUresult status =
      state.cuda.cuMemRangeGetAttribute(data.data(), size, static_cast<CUmem_range_attribute>(attribute), address, count);
  if (status == CUDA_SUCCESS) call.reply.bytes(data.data(), data.size());
  return status;
}

CUresult ModuleManaged(Call& call, uint64_t name, const std::string& variable, uint64_t* address, uint64_t* size) {
  State& state = state_of(call);
  CodeSet* set = state.code_set(name);
  if (!set || !set->library) return CUDA_ERROR_INVALID_HANDLE;
  if (!state.cuda.cuLibraryGetManaged) return CUDA_ERROR_NOT_SUPPORTED;
  CUdeviceptr base = 0;
  size_t bytes = 0;
  if (CUresult error = state.cuda.cuLibraryGetManaged(&base, &bytes, set->library, variable.c_str())) return error;
  *address = base;
  *size = bytes;
  return state.coherence.add(base, bytes, nullptr, 0) ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

// Host memory of the client gets a twin here, at the same address where that is free.
CUresult HostMap(Call& call, uint64_t base, uint64_t size, uint64_t* address) {
  State& state = state_of(call);
  const uint64_t first = base & ~(kPage - 1), length = ((base + size + kPage - 1) & ~(kPage - 1)) - first;
  if (!size || base + size < base || length > kMostMapped) return CUDA_ERROR_OUT_OF_MEMORY;
  constexpr int kAccess = PROT_READ | PROT_WRITE, kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  void* memory = mmap(reinterpret_cast<void*>(first), length, kAccess, kFlags | MAP_FIXED_NOREPLACE, -1, 0);
  if (memory == MAP_FAILED) memory = mmap(nullptr, length, kAccess, kFlags, -1, 0);
  if (memory == MAP_FAILED) return CUDA_ERROR_OUT_OF_MEMORY;
  CUdeviceptr mapped = 0;
  CUresult status = state.cuda.cuMemHostRegister_v2(memory, length, CU_MEMHOSTREGISTER_DEVICEMAP | CU_MEMHOSTREGISTER_PORTABLE);
  if (status == CUDA_SUCCESS) status = state.cuda.cuMemHostGetDevicePointer_v2(&mapped, memory, 0);
  if (status != CUDA_SUCCESS) {
    munmap(memory, length);
    return status;
  }
  *address = mapped + (base - first);
  if (state.coherence.add(*address, size, memory, length)) return CUDA_SUCCESS;
  state.cuda.cuMemHostUnregister(memory);
  munmap(memory, length);
  return CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult HostUnmap(Call& call, uint64_t address) {
  State& state = state_of(call);
  void* memory = nullptr;
  uint64_t length = 0;
  if (!state.coherence.remove(address, &memory, &length) || !memory) return CUDA_ERROR_INVALID_VALUE;
  const CUresult status = state.cuda.cuMemHostUnregister(memory);
  munmap(memory, length);
  return status;
}

}  // namespace calls
}  // namespace bitfusion::worker
