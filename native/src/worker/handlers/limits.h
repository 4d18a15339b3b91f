// What the limits of contexts cost the partition: stacks, malloc's heap and printf's buffer beyond the sizes that a context begins with.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <utility>

#include "calls/cuda_driver.h"
#include "worker/budget.h"

namespace bitfusion::worker {

class Limits {
 public:
  // `cuda` may be filled later than this is made.
  Limits(const CudaDriver& cuda, Budget& budget) : cuda_(cuda), budget_(budget) {}

  // cuCtxSetLimit in the current context, which the client calls `context`.
  CUresult set(uint64_t context, uint32_t device, CUlimit limit, size_t value);
  // The context has gone, and its memory with it.
  void forget(uint64_t context);

 private:
  struct Charge {
    uint32_t device;
    uint64_t initial;  // bytes that the context began with: part of its overhead, outside the partition
    uint64_t charged = 0;
  };

  uint64_t copies(uint32_t device, CUlimit limit) const;
  bool charge(Charge& charge, uint64_t bytes);

  const CudaDriver& cuda_;
  Budget& budget_;
  std::mutex mutex_;
  std::map<std::pair<uint64_t, CUlimit>, Charge> charges_;
};

}  // namespace bitfusion::worker
