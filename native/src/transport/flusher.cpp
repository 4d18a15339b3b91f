#include "transport/flusher.h"

#include <sched.h>

#include "transport/futex.h"
#include "transport/outbox.h"
#include "transport/threads.h"

namespace bitfusion::transport {

bool Flusher::sent_async() {
  if (state_.load(std::memory_order_seq_cst) == kAwake) return outbox_->pending() < kCollect || outbox_->flush();
  uint32_t streak = streak_.load(std::memory_order_relaxed) + 1;
  streak_.store(streak, std::memory_order_relaxed);
  if (streak < kStreak || spin_budget_ns() == 0) return outbox_->flush();
  wake();
  return true;
}

void Flusher::wake() {
  uint32_t before = state_.exchange(kAwake, std::memory_order_seq_cst);
  if (before == kAsleep) futex_wake(state_, 1);
  if (before != kAbsent || start_thread("bitfusion-flush", thread_main, this)) return;
  state_.store(kAbsent);
  outbox_->flush();
}

void* Flusher::thread_main(void* flusher) {
  static_cast<Flusher*>(flusher)->serve();
  return nullptr;
}

void Flusher::serve() {
  for (;;) {
    spin_and_send();
    state_.store(kAsleep, std::memory_order_seq_cst);
    // A frame committed just before still believed us awake.
    if (!outbox_->flush()) return;
    while (state_.load(std::memory_order_seq_cst) == kAsleep) futex_wait(state_, kAsleep);
  }
}

void Flusher::spin_and_send() {
  int64_t idle_since = now_ns();
  while (now_ns() - idle_since < spin_budget_ns()) {
    if (outbox_->pending() == 0) {
      sched_yield();
      continue;
    }
    if (!outbox_->flush()) return;
    idle_since = now_ns();
  }
}

}  // namespace bitfusion::transport
