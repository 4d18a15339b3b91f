// What the client has of memory that both sides use: the part that kernels have changed since is sent when it asks.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>

#include "bitfusion/zero_pages.h"
#include "calls/cuda_driver.h"
#include "worker/executor.h"

namespace bitfusion::worker {

class Coherence {
 public:
  // A range that is zero on both sides; `mapped` is host memory of ours behind it, or null.
  bool add(uint64_t base, uint64_t size, void* mapped, uint64_t mapped_size);  // false: no memory
  // Whether one range holds all of it.
  bool contains(uint64_t address, uint64_t size) const;
  // False: there is none.
  bool remove(uint64_t base, void** mapped, uint64_t* mapped_size);
  // Answers where to go on, then offset and bytes of each page that has changed in a part from `begin` on.
  CUresult changed(const CudaDriver& cuda, uint64_t context, uint64_t base, uint64_t size, uint64_t begin, ReplyBuffer& reply);

 private:
  struct Range {
    ZeroPages seen;  // what the client was last told
    void* mapped;
    uint64_t mapped_size;
  };

  mutable std::mutex mutex_;
  std::map<uint64_t, Range> ranges_;
  std::map<uint64_t, CUstream> streams_;  // by the context's name
};

}  // namespace bitfusion::worker
