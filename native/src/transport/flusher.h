// The thread that sends for threads that issue asynchronous calls in a row, so that each call costs them only the writing of its frame.
//
// A single asynchronous call is sent by its own thread. From the kStreak-th in a row without a synchronous call between, the flusher
// takes over: it spins for a bounded time, sends whatever has collected whenever it looks, and goes to sleep when nothing comes.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace bitfusion::transport {

class Outbox;

class Flusher {
 public:
  void init(Outbox* outbox) { outbox_ = outbox; }

  // Sees that an asynchronous frame, just committed, gets sent. False when the connection broke.
  bool sent_async();
  // A synchronous call ends a row of asynchronous ones.
  void sent_sync() { streak_.store(0, std::memory_order_relaxed); }

 private:
  enum State : uint32_t { kAbsent, kAsleep, kAwake };
  static constexpr uint32_t kStreak = 6;
  // So much unsent is worth a system call of the calling thread even while the flusher is awake.
  static constexpr size_t kCollect = 48 * 1024;

  static void* thread_main(void* flusher);
  void serve();
  void spin_and_send();
  void wake();

  Outbox* outbox_ = nullptr;
  std::atomic<uint32_t> state_{kAbsent};
  std::atomic<uint32_t> streak_{0};
};

}  // namespace bitfusion::transport
