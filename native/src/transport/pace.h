// Keeps a thread that only issues asynchronous calls from running ever further ahead of its streams, and with it the other threads of its
// process: what cannot run yet the worker has to hold.
//
// After every kStride bytes of asynchronous frames a thread marks its place, and before it does so again it waits for the answer to the
// mark before. The worker answers when it holds little of that thread, as a rule at once, so that the answer has long been there.
#pragma once

#include <cstddef>
#include <cstdint>

#include "transport/receiver.h"
#include "transport/threads.h"

namespace bitfusion::transport {

class Pace {
 public:
  // What is small on the wire is larger when it is held: two strides of the smallest frames are some 15 MiB in the worker.
  static constexpr size_t kStride = 1u << 20;

  // While one lives its thread does not mark its place, and so does not wait: for who sends under a lock. The first frame after it does.
  class Hold {
   public:
    Hold();
    ~Hold();
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;
  };

  void init(Receiver* receiver) { receiver_ = receiver; }

  // The calling thread has sent an asynchronous frame; whether it is to mark its place now.
  static bool is_mark_due(size_t frame_size);
  // Waits for the answer to the thread's last mark, if there is none yet, and expects another. False when memory is short.
  bool begin_mark(uint32_t thread);
  // The worker has answered a thread's mark; from the thread that reads the connection.
  void answered(uint32_t thread);

 private:
  // A mark that has not been answered; a thread has one at most.
  struct Mark {
    uint32_t thread;
    Waiter* waiter;  // set while the thread waits
    Mark* next;
  };

  void wait_for_answer(uint32_t thread);
  Mark* find_locked(uint32_t thread);

  Receiver* receiver_ = nullptr;
  Mutex lock_;
  Mark* marks_ = nullptr;
};

}  // namespace bitfusion::transport
