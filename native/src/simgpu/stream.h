// Streams: queues of work that run on their own, and events: places in such a queue.
//
// Work is numbered as it enters a stream and ends in that order, so "stream S has finished number n" is the only thing anybody ever waits
// for: events, waits between streams and the default stream's implicit barriers are all such pairs.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "simgpu/api.h"
#include "simgpu/work.h"

namespace simgpu {

struct Capture;
struct GraphNode;

// "Number `sequence` of `stream` has ended."
struct Milestone {
  std::shared_ptr<StreamCore> stream;
  uint64_t sequence = 0;
  bool reached() const;
  void wait() const;
};

class StreamCore : public std::enable_shared_from_this<StreamCore> {
 public:
  StreamCore(Context* context, unsigned flags, int priority, bool legacy);

  // Appends work and returns its number. Runs it at once, in the calling thread, if `here` is set and nothing is before it.
  uint64_t submit(Work work, std::vector<Milestone> after, bool here);

  // Waits for a number; the calling thread runs queued work itself rather than sleep while the stream's own thread wakes up.
  void wait(uint64_t sequence);
  void drain() { wait(submitted_.load(std::memory_order_acquire)); }
  bool reached(uint64_t sequence) const { return ended_.load(std::memory_order_acquire) >= sequence; }
  bool idle() const { return reached(submitted_.load(std::memory_order_acquire)); }
  uint64_t submitted() const { return submitted_.load(std::memory_order_acquire); }

  // Ends the stream's thread once the queue is empty.
  void stop();

  Context* const context;
  const unsigned flags;
  const int priority;
  const bool legacy;
  const uint64_t id;
  bool blocking() const { return (flags & CU_STREAM_NON_BLOCKING) == 0; }

  // Capture: set while the stream records into a graph.
  std::atomic<bool> capturing{false};
  std::shared_ptr<Capture> capture;
  std::vector<GraphNode*> capture_tail;  // what the next captured node depends on

 private:
  struct Item {
    Work work;
    std::vector<Milestone> after;
  };
  void thread_main();
  void arm_events(Work* work, uint64_t sequence);
  void run_next(std::unique_lock<std::mutex>& guard);
  void finish(std::unique_lock<std::mutex>& guard);
  void start_thread();
  void spin_for_work() const;

  std::mutex lock_;
  std::condition_variable work_ready_;
  std::condition_variable progress_;
  std::deque<Item> queue_;
  std::atomic<uint64_t> submitted_{0};
  std::atomic<uint64_t> ended_{0};
  int waiters_ = 0;
  bool running_ = false;   // somebody runs an item
  bool sleeping_ = false;  // the stream's thread waits for work
  bool started_ = false;
  bool stopping_ = false;
};

struct EventState {
  std::mutex lock;
  unsigned flags = 0;
  Context* context = nullptr;
  std::atomic<bool> done{true};
  bool recorded = false;
  Milestone place;
  uint64_t time_ns = 0;
  // Recorded by a capturing stream: a wait on it joins the capture instead.
  std::shared_ptr<Capture> capture;
  std::vector<GraphNode*> capture_tail;

  void arm(std::shared_ptr<StreamCore> stream, uint64_t sequence);
  void finish(const StreamCore* stream, uint64_t sequence);
  Milestone milestone();
};

// Handles.
struct Stream {
  std::shared_ptr<StreamCore> core;
};
struct Event {
  std::shared_ptr<EventState> state;
};

uint64_t monotonic_ns();

}  // namespace simgpu
