// Answers on their way from the worker. There is no receiving thread: of the threads that wait for an answer one reads the connection
// (the leader) and hands the others theirs; when it has its own it passes the lead on.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "transport/channel.h"
#include "transport/printed.h"
#include "transport/threads.h"
#include "wire/frame.h"

namespace bitfusion::transport {

class Reply;

// A thread that waits, on its own stack.
struct Waiter {
  enum State : uint32_t { kWaiting, kAsleep, kPromoted, kDone };

  uint64_t sequence = 0;
  Reply* reply = nullptr;
  uint32_t status = 0;
  uint64_t landed = 0;
  Printed printed;  // what kernels had printed when the call was over
  std::atomic<uint32_t> state{kWaiting};
  Waiter* next = nullptr;
};

// What the receiver does not keep itself.
class ReceiverEvents {
 public:
  virtual void async_error(uint32_t status) = 0;
  virtual void callback(wire::Reader request, uint64_t landed, Printed printed) = 0;
  virtual void mark_reached(uint32_t thread) = 0;
  virtual void ended(const char* reason, size_t size) = 0;
  virtual std::byte* reply_room(Reply* reply, size_t size) = 0;

 protected:
  ~ReceiverEvents() = default;
};

class Receiver {
 public:
  // False when memory is short.
  bool init(Channel* channel, ReceiverEvents* events);

  // Announces a waiter before its frame is sent; wait() returns when its answer has come or the connection is gone (status kLinkGone).
  void add(Waiter* waiter);
  void wait(Waiter* waiter);
  // Takes what has arrived, if no other thread is reading. True when there was something.
  bool drain();
  // Wakes every waiter with kLinkGone, now and from now on.
  void fail();
  // Ends the wait of a waiter that no answer names (the callback thread's, a mark's; sequence 0).
  void take_back(Waiter* waiter);

  uint64_t bytes_received() const { return bytes_received_.load(std::memory_order_relaxed); }

 private:
  void lead(Waiter* waiter);
  void follow(Waiter* waiter, int64_t spin_until);
  void promote_next();
  // Reads once. >0: bytes came; 0: nothing there; <0: gone.
  ssize_t read_once();
  void parse();
  void dispatch(const wire::ReplyHeader& header, const std::byte* payload, size_t size);
  void answer(const wire::ReplyHeader& header, const std::byte* payload, size_t size);
  Waiter* take(uint64_t sequence);
  void finish(Waiter* waiter);
  void malformed();

  Channel* channel_ = nullptr;
  ReceiverEvents* events_ = nullptr;
  Mutex reading_;  // held by the leader
  Mutex lock_;     // guards waiters_
  Waiter* waiters_ = nullptr;
  std::atomic<bool> failed_{false};
  std::byte* buffer_ = nullptr;  // guarded by reading_, as are begin_ and end_
  size_t begin_ = 0;
  size_t end_ = 0;
  Printed printed_;  // for the next reply or callback; guarded by reading_
  std::atomic<uint64_t> bytes_received_{0};
};

}  // namespace bitfusion::transport
