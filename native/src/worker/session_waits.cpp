// Synchronising calls: the executor looks whether they are over, and lets a helper thread wait only when it goes to sleep itself.
#include <memory>

#include "worker/session.h"

namespace bitfusion::worker {
namespace {

// A program has one for each thread that waits.
constexpr size_t kMaxWaits = 1u << 16;

}  // namespace

// The driver prints what kernels printed when it is asked to synchronise; that does not wait while nothing newer is on the stream, nor,
// where it is the legacy stream, on any other.
CUresult Session::let_print(const wire::FrameHeader& header, Streams::Stream& stream) {
  if (stream.unfinished > 0 || stream.gone || use_context(header.context) != CUDA_SUCCESS || !launched_.contains(context_))
    return CUDA_SUCCESS;
  bool idle = streams_.is_idle(context_);
  if (wire::is_legacy_stream(stream.name) && !idle) return CUDA_SUCCESS;
  if (idle) launched_.erase(context_);
  return driver_.stream_synchronize(stream.handle);
}

void Session::begin_wait() {
  if (++waits_ > kMaxWaits) throw BadFrame{"too many calls that wait"};
}

void Session::finish_wait(const wire::FrameHeader& header, CUresult status) {
  --waits_;
  finish(header, status);
}

void Session::wait_stream(const wire::FrameHeader& header, const Keys& keys) {
  CUresult status = CUDA_SUCCESS;
  Streams::Stream* stream = stream_of(header, keys.work_stream(), &status);
  if (!stream) return finish(header, status);
  begin_wait();
  status = streams_.watch(
      *stream, [this, header, stream](CUresult done) { finish_wait(header, done == CUDA_SUCCESS ? let_print(header, *stream) : done); });
  if (status != CUDA_SUCCESS) finish_wait(header, status);
}

void Session::wait_context(const wire::FrameHeader& header) {
  begin_wait();
  streams_.watch_all(context_, [this, header](CUresult done) {
    if (done == CUDA_SUCCESS && use_context(header.context) == CUDA_SUCCESS && streams_.is_idle(context_)) done = driver_.ctx_synchronize();
    finish_wait(header, done);
  });
}

void Session::wait_event(const wire::FrameHeader& header, const Keys& keys) {
  CUevent event = nullptr;
  if (!table_.event(state_, keys.waited_event(), &event)) return finish(header, CUDA_ERROR_INVALID_HANDLE);
  begin_wait();
  event_waits_.push_back({header, event, context_, false, false, CUDA_SUCCESS});
}

bool Session::poll_event_waits() {
  bool progress = false;
  for (auto wait = event_waits_.begin(); wait != event_waits_.end();) {
    CUresult status = wait->finished ? wait->status : driver_.event_query(wait->event);
    // While a helper waits for it the entry stays: the helper reports to it.
    if (status == CUDA_ERROR_NOT_READY || (wait->helped && !wait->finished)) {
      ++wait;
      continue;
    }
    // It is over, so this does not wait; the driver prints what kernels printed.
    if (status == CUDA_SUCCESS && !wait->helped) status = driver_.event_synchronize(wait->event);
    finish_wait(wait->header, status);
    wait = event_waits_.erase(wait);
    progress = true;
  }
  return progress;
}

void Session::help_event_waits() {
  for (EventWait& wait : event_waits_) {
    if (wait.helped) continue;
    wait.helped = true;
    helpers_.submit([this, &wait] {
      CUresult status = driver_.event_synchronize(wait.event);
      mailbox_.post([&wait, status] {
        wait.finished = true;
        wait.status = status;
      });
    });
  }
}

}  // namespace bitfusion::worker
