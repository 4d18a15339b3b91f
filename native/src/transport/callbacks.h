// Host functions that the application put into a stream, and the one thread that runs them.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "transport/link.h"
#include "transport/receiver.h"
#include "transport/threads.h"

namespace bitfusion::transport {

// What the callback thread needs of the link.
class CallbackHost {
 public:
  // Holds until so many transfers have landed.
  virtual void wait_landed(uint64_t count) = 0;
  virtual void callback_done(uint64_t number, HostBytes answer) = 0;

 protected:
  ~CallbackHost() = default;
};

class Callbacks {
 public:
  void init(Receiver* receiver, CallbackHost* host) {
    receiver_ = receiver;
    host_ = host;
  }

  // 0 when memory is short or the thread cannot be started.
  uint64_t remember(HostFunction function, void* user_data, bool persistent);
  uint64_t remember_copy(HostCopyFunction function, void* user_data);
  // False: it is not remembered any more, or has begun to run for the last time.
  bool forget(uint64_t number);
  // A request of the worker, from the thread that reads the connection. False when memory is short.
  bool arrived(wire::Reader request, uint64_t landed, Printed printed);
  void fail();

 private:
  struct Entry {
    uint64_t number;
    HostFunction function;
    HostCopyFunction copy;  // instead of a function
    void* user_data;
    bool persistent;
    Entry* next;
  };
  struct Request {
    wire::CallbackPayload payload;
    uint64_t landed;
    Printed printed;
    std::unique_ptr<std::byte[]> bytes;
    size_t size;
    Request* next;
  };

  uint64_t remember(Entry wanted);
  static void* thread_main(void* callbacks);
  void serve();
  Request* next_request();
  bool take(uint64_t number, Entry* found);
  bool remove_locked(uint64_t number);
  void run(Request& request);

  Receiver* receiver_ = nullptr;
  CallbackHost* host_ = nullptr;
  Mutex lock_;
  Condition outstanding_changed_;
  Entry* entries_ = nullptr;
  Request* first_ = nullptr;
  Request** last_ = &first_;
  Waiter* thread_waiter_ = nullptr;  // set while the thread waits for a request
  uint64_t last_number_ = 0;
  uint32_t outstanding_ = 0;  // host functions that may still be asked for
  bool started_ = false;
  bool failed_ = false;
};

}  // namespace bitfusion::transport
