// What the driver prints (device printf). It prints to the standard output of the process that hosts it, which is the worker; this
// catches it, so that it can be handed to the application.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace bitfusion::worker {

class Output {
 public:
  struct Text {
    std::vector<std::byte> bytes;
    uint64_t dropped = 0;  // bytes that went over the limit, the newest
  };

  // Takes descriptor 1 of this process over. Throws std::runtime_error.
  Output();
  ~Output();
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  // What has been printed since the last time.
  Text take();

 private:
  void serve();
  bool drain_locked();

  int pipe_ = -1;   // the end that we read
  int stop_ = -1;   // eventfd
  int saved_ = -1;  // descriptor 1 as it was
  std::mutex lock_;
  Text text_;
  std::thread drainer_;  // keeps the pipe from filling up while the driver prints inside a call
};

}  // namespace bitfusion::worker
