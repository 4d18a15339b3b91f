#include "worker/handlers/limits.h"

#include <algorithm>
#include <limits>

namespace bitfusion::worker {
namespace {

uint64_t product(uint64_t a, uint64_t b) { return a && b > std::numeric_limits<uint64_t>::max() / a ? ~uint64_t{0} : a * b; }

}  // namespace

CUresult Limits::set(uint64_t context, uint32_t device, CUlimit limit, size_t value) {
  const uint64_t times = copies(device, limit);
  if (!times) return cuda_.cuCtxSetLimit(limit, value);
  std::lock_guard lock(mutex_);
  size_t before = 0;
  if (CUresult error = cuda_.cuCtxGetLimit(&before, limit)) return error;
  auto [at, fresh] = charges_.try_emplace({context, limit}, Charge{device, product(before, times)});
  Charge& entry = at->second;
  const uint64_t old = entry.charged;
  if (!charge(entry, product(value, times))) return CUDA_ERROR_OUT_OF_MEMORY;
  const CUresult status = cuda_.cuCtxSetLimit(limit, value);
  if (status != CUDA_SUCCESS) charge(entry, entry.initial + old);
  return status;
}

void Limits::forget(uint64_t context) {
  std::lock_guard lock(mutex_);
  std::erase_if(charges_, [&](const auto& entry) {
    if (entry.first.first != context) return false;
    budget_.release(entry.second.device, entry.second.charged);
    return true;
  });
}

// How many times the driver allocates what the limit says; 0: the limit is none of memory.
uint64_t Limits::copies(uint32_t device, CUlimit limit) const {
  if (limit == CU_LIMIT_MALLOC_HEAP_SIZE || limit == CU_LIMIT_PRINTF_FIFO_SIZE) return 1;
  if (limit != CU_LIMIT_STACK_SIZE) return 0;
  int processors = 0, threads = 0;  // every thread that can be resident has a stack
  cuda_.cuDeviceGetAttribute(&processors, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, static_cast<CUdevice>(device));
  cuda_.cuDeviceGetAttribute(&threads, CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR, static_cast<CUdevice>(device));
  return static_cast<uint64_t>(processors) * static_cast<uint64_t>(threads);
}

bool Limits::charge(Charge& entry, uint64_t bytes) {
  const uint64_t now = bytes - std::min(bytes, entry.initial);
  if (now > entry.charged && !budget_.reserve(entry.device, now - entry.charged)) return false;
  if (now < entry.charged) budget_.release(entry.device, entry.charged - now);
  entry.charged = now;
  return true;
}

}  // namespace bitfusion::worker
