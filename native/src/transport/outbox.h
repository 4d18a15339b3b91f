// Frames on their way to the worker: threads append under a lock, whoever is free writes what has collected, all at once.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "transport/channel.h"
#include "transport/threads.h"

namespace bitfusion::transport {

class Receiver;

class Outbox {
 public:
  // False when memory is short.
  bool init(Channel* channel, Receiver* receiver);

  // Room for `bound` bytes, or null when the connection is gone. On success the outbox stays locked until commit() or cancel().
  std::byte* reserve(size_t bound);
  void commit(size_t size);
  void cancel() { lock_.unlock(); }

  size_t pending() const { return pending_.load(std::memory_order_relaxed); }
  // Writes all that is pending, unless another thread is at it: it looks again before it leaves. False when the connection broke.
  bool flush();

  uint64_t bytes_sent() const { return bytes_sent_.load(std::memory_order_relaxed); }

 private:
  struct Buffer {
    std::byte* data = nullptr;
    size_t size = 0;
  };
  void take_pending();
  bool write_all();
  bool make_room();

  Channel* channel_ = nullptr;
  Receiver* receiver_ = nullptr;
  Mutex lock_;
  Buffer filling_;  // guarded by lock_
  Buffer sending_;  // owned by the thread that holds sender_
  std::atomic<size_t> pending_{0};
  std::atomic<bool> sender_{false};
  std::atomic<bool> broken_{false};
  std::atomic<uint64_t> bytes_sent_{0};
};

}  // namespace bitfusion::transport
