// What the driver keeps per client thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "simgpu/api.h"

namespace simgpu {

struct Context;
class StreamCore;

struct ThreadState {
  std::vector<Context*> stack;      // current context last
  bool per_thread_default = false;  // inside a _ptsz/_ptds entry point: stream 0 means this thread's stream
  bool in_callback = false;         // this is a callback thread: CUDA calls are not permitted
  CUstreamCaptureMode capture_mode = CU_STREAM_CAPTURE_MODE_GLOBAL;
  std::map<uint64_t, std::shared_ptr<StreamCore>> default_streams;  // by the number of the context's legacy stream, which is never reused
  ~ThreadState();
};

ThreadState& thread_state();

// For the time of one entry point, stream 0 is the per-thread default stream.
class PerThreadDefault {
 public:
  PerThreadDefault() : state_(thread_state()), before_(state_.per_thread_default) { state_.per_thread_default = true; }
  ~PerThreadDefault() { state_.per_thread_default = before_; }
  PerThreadDefault(const PerThreadDefault&) = delete;
  PerThreadDefault& operator=(const PerThreadDefault&) = delete;

 private:
  ThreadState& state_;
  bool before_;
};

}  // namespace simgpu
