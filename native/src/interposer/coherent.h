// Memory that the application and kernels use at the same address: managed memory, and page-locked memory that has been mapped.
//
// The server has its own copy. What the application has written goes there before work that may read it, what kernels have written
// comes back when the application has waited for them. Either is found by comparing with a shadow of what the other side has.
#pragma once

#include <atomic>
#include <cstdint>

#include "interposer/caller.h"

namespace bitfusion::interposer {

class Coherent {
 public:
  static constexpr uint64_t kEveryStream = ~uint64_t{0};  // the whole context was waited for

  struct Range;
  // Whether there is such memory at all; all else is skipped while there is none.
  bool any() const { return any_.load(std::memory_order_acquire); }
  // [base, base + size) is the application's, the server's copy is at `server`; the copy is zero.
  CUresult add(uint64_t base, uint64_t size, uint64_t server);
  void remove(uint64_t base);
  // Work is about to be sent that may use all of it. On failure that work would see old bytes; they are sent again before the next.
  CUresult before_work(const Caller& at, uint64_t stream) { return any() ? send_all(at, stream) : CUDA_SUCCESS; }
  // The application has waited for `stream` (0: for something on one).
  CUresult after_wait(const Caller& at, uint64_t stream);

 private:
  CUresult send_all(const Caller& at, uint64_t stream);
  CUresult fetch(const Caller& at, Range& range);

  std::atomic<bool> any_{false};
};

Coherent& coherent();

// Makes [base, base + size) usable memory of the application; it lies in a range that is kept free for the server's address.
bool open_memory(uint64_t base, uint64_t size);
void close_memory(uint64_t base, uint64_t size);

}  // namespace bitfusion::interposer
