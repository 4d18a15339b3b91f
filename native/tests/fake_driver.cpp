// A CUDA driver of a dozen calls for tests of the worker's core: every stream is a thread, device memory is host memory.
#include <cuda.h>

#include <atomic>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace {

class FakeStream {
 public:
  FakeStream() { std::thread(&FakeStream::serve, this).detach(); }

  void push(std::function<void()> work) {
    std::lock_guard guard(lock_);
    work_.push_back(std::move(work));
    changed_.notify_all();
  }

  void wait_idle() {
    std::unique_lock guard(lock_);
    changed_.wait(guard, [this] { return work_.empty() && !busy_; });
  }

 private:
  void serve() {
    std::unique_lock guard(lock_);
    for (;;) {
      changed_.wait(guard, [this] { return !work_.empty(); });
      auto work = std::move(work_.front());
      work_.pop_front();
      busy_ = true;
      guard.unlock();
      work();
      guard.lock();
      busy_ = false;
      changed_.notify_all();
    }
  }

  std::mutex lock_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> work_;
  bool busy_ = false;
};

struct FakeEvent {
  std::mutex lock;
  std::condition_variable changed;
  uint64_t recorded = 0;
  uint64_t reached = 0;
  std::atomic<bool> ended{false};
  CUcontext context = nullptr;
};

thread_local CUcontext current_context = nullptr;

std::mutex events_lock;
std::vector<FakeEvent*> events;  // never freed
std::atomic<int> waiting{0};     // threads in cuEventSynchronize

FakeStream& stream_of(CUstream handle) {
  static std::mutex lock;
  static std::map<CUstream, std::unique_ptr<FakeStream>> streams;
  std::lock_guard guard(lock);
  auto& stream = streams[handle];
  if (!stream) stream = std::make_unique<FakeStream>();
  return *stream;
}

std::atomic<uint64_t> copies_end{~uint64_t{0}};  // device memory from here on cannot be read

// An event that has ended with its context is not to be used.
FakeEvent* event_of(CUevent handle) {
  auto* event = reinterpret_cast<FakeEvent*>(handle);
  if (event->ended) std::abort();
  return event;
}

}  // namespace

#define FAKE extern "C" __attribute__((visibility("default"))) CUresult

FAKE cuCtxSetCurrent(CUcontext context) {
  current_context = context;
  return CUDA_SUCCESS;
}
FAKE cuCtxSynchronize() { return CUDA_SUCCESS; }
FAKE cuThreadExchangeStreamCaptureMode(CUstreamCaptureMode*) { return CUDA_SUCCESS; }
FAKE cuMemHostRegister(void*, size_t, unsigned) { return CUDA_SUCCESS; }

// Streams from 100 on are non-blocking ones.
FAKE cuStreamGetFlags(CUstream stream, unsigned* flags) {
  *flags = reinterpret_cast<uint64_t>(stream) >= 100 ? CU_STREAM_NON_BLOCKING : CU_STREAM_DEFAULT;
  return CUDA_SUCCESS;
}

FAKE cuStreamIsCapturing(CUstream, CUstreamCaptureStatus* status) {
  *status = CU_STREAM_CAPTURE_STATUS_NONE;
  return CUDA_SUCCESS;
}

FAKE cuStreamSynchronize(CUstream stream) {
  stream_of(stream).wait_idle();
  return CUDA_SUCCESS;
}

FAKE cuEventCreate(CUevent* event, unsigned) {
  auto* made = new FakeEvent;
  made->context = current_context;
  std::lock_guard guard(events_lock);
  events.push_back(made);
  *event = reinterpret_cast<CUevent>(made);
  return CUDA_SUCCESS;
}

extern "C" __attribute__((visibility("default"))) int fakeWaiting() { return waiting; }

extern "C" __attribute__((visibility("default"))) void fakeEndEvents() {
  std::lock_guard guard(events_lock);
  for (FakeEvent* event : events) event->ended = true;
}

FAKE cuEventRecord(CUevent handle, CUstream stream) {
  FakeEvent* event = event_of(handle);
  if (event->context != current_context) return CUDA_ERROR_INVALID_CONTEXT;
  std::unique_lock guard(event->lock);
  uint64_t ticket = ++event->recorded;
  guard.unlock();
  stream_of(stream).push([event, ticket] {
    std::lock_guard inner(event->lock);
    event->reached = ticket;
    event->changed.notify_all();
  });
  return CUDA_SUCCESS;
}

FAKE cuEventQuery(CUevent handle) {
  FakeEvent* event = event_of(handle);
  std::lock_guard guard(event->lock);
  return event->reached == event->recorded ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}

FAKE cuEventSynchronize(CUevent handle) {
  FakeEvent* event = event_of(handle);
  std::unique_lock guard(event->lock);
  ++waiting;
  event->changed.wait(guard, [event] { return event->reached == event->recorded; });
  --waiting;
  return CUDA_SUCCESS;
}

FAKE cuMemcpyHtoDAsync(CUdeviceptr to, const void* from, size_t size, CUstream stream) {
  if (size <= 64 * 1024) {
    // Pageable memory is staged before the driver returns.
    auto staged = std::make_shared<std::string>(static_cast<const char*>(from), size);
    stream_of(stream).push([=] { std::memcpy(reinterpret_cast<void*>(to), staged->data(), size); });
  } else {
    stream_of(stream).push([=] { std::memcpy(reinterpret_cast<void*>(to), from, size); });
  }
  return CUDA_SUCCESS;
}

extern "C" __attribute__((visibility("default"))) void fakeLimitCopies(uint64_t address) { copies_end = address; }

FAKE cuMemcpyDtoHAsync(void* to, CUdeviceptr from, size_t size, CUstream stream) {
  if (from + size > copies_end) return CUDA_ERROR_ILLEGAL_ADDRESS;
  stream_of(stream).push([=] { std::memcpy(to, reinterpret_cast<const void*>(from), size); });
  return CUDA_SUCCESS;
}

FAKE cuLaunchHostFunc(CUstream stream, CUhostFn function, void* data) {
  stream_of(stream).push([=] { function(data); });
  return CUDA_SUCCESS;
}

FAKE cuStreamAddCallback(CUstream stream, CUstreamCallback callback, void* data, unsigned) {
  stream_of(stream).push([=] { callback(stream, CUDA_SUCCESS, data); });
  return CUDA_SUCCESS;
}
