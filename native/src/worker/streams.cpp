#include "worker/streams.h"

#include <algorithm>
#include <utility>

#include "wire/stream_name.h"

namespace bitfusion::worker {

Streams::Stream& Streams::find(uint64_t name, CUstream handle, CUcontext context) {
  if (last_ && last_->name == name && last_->handle == handle && last_->context == context) return *last_;
  auto& stream = streams_[{name, context}];
  if (!stream || stream->gone) learn(name, handle);  // a name may be given again after its stream was destroyed
  if (!stream) stream = std::make_shared<Stream>();
  stream->name = name;
  stream->handle = handle;
  stream->context = context;
  stream->gone = false;
  last_ = stream.get();
  return *last_;
}

Streams::Stream* Streams::find_handle(CUstream handle, CUcontext context) {
  const auto is_it = [=](const Stream& stream) { return stream.handle == handle && stream.context == context && !stream.gone; };
  if (last_ && is_it(*last_)) return last_;
  auto found = std::ranges::find_if(streams_, [&](const auto& entry) { return is_it(*entry.second); });
  return found == streams_.end() ? nullptr : found->second.get();
}

void Streams::learn(uint64_t name, CUstream handle) {
  unsigned flags = 0;
  if (!wire::is_legacy_stream(name) && driver_.stream_get_flags(handle, &flags) == CUDA_SUCCESS && flags & CU_STREAM_NON_BLOCKING)
    apart_.insert(name);
  else
    apart_.erase(name);
}

void Streams::count(Stream& stream) {
  ++stream.unfinished;
  if (++stream.unmarked < kMarkerEvery) return;
  // Fails only when the context is broken, and then nothing stays unfinished.
  if (mark(stream, nullptr, false) != CUDA_SUCCESS) stream.unfinished = stream.unmarked = 0;
}

CUresult Streams::watch(Stream& stream, Done done, bool urgent) {
  if (!stream.gone) return mark(stream, std::move(done), urgent);
  if (stream.watches.empty()) {
    done(CUDA_SUCCESS);
    return CUDA_SUCCESS;
  }
  Watch& last = stream.watches.back();
  last.urgent |= urgent;
  last.done = [before = std::move(last.done), after = std::move(done)](CUresult status) {
    if (before) before(status);
    after(status);
  };
  return CUDA_SUCCESS;
}

bool Streams::is_capturing(CUstream stream) const {
  if (!may_capture_) return false;
  CUstreamCaptureStatus capture = CU_STREAM_CAPTURE_STATUS_NONE;
  driver_.stream_is_capturing(stream, &capture);
  return capture != CU_STREAM_CAPTURE_STATUS_NONE;
}

CUresult Streams::mark(Stream& stream, Done done, bool urgent) {
  if (is_capturing(stream.handle)) {
    stream.unfinished = stream.unmarked = 0;  // what is captured does not run
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  }
  std::unique_ptr<Marker> marker = new_marker(stream.context);
  if (!marker) return CUDA_ERROR_OUT_OF_MEMORY;
  CUresult status = driver_.event_record(marker->event, stream.handle);
  if (status != CUDA_SUCCESS) {
    recycle(std::move(marker));
    return status;
  }
  stream.watches.push_back({std::move(marker), stream.unmarked, urgent, std::move(done)});
  stream.unmarked = 0;
  list(stream);
  return CUDA_SUCCESS;
}

void Streams::list(Stream& stream) {
  if (!stream.listed) busy_.push_back(stream.shared_from_this());
  stream.listed = true;
}

CUresult Streams::watch_all(CUcontext context, Done done) {
  struct Shared {
    size_t left = 1;
    CUresult status = CUDA_SUCCESS;
    Done done;
  };
  auto shared = std::make_shared<Shared>();
  shared->done = std::move(done);
  auto one_done = [shared](CUresult status) {
    if (shared->status == CUDA_SUCCESS) shared->status = status;
    if (--shared->left == 0) shared->done(shared->status);
  };
  for (auto& [key, stream] : streams_) {
    if (stream->context != context || (stream->unfinished == 0 && stream->watches.empty())) continue;
    ++shared->left;
    CUresult status = watch(*stream, one_done);
    if (status != CUDA_SUCCESS) one_done(status);
  }
  one_done(CUDA_SUCCESS);
  return CUDA_SUCCESS;
}

void Streams::forget(uint64_t name, CUcontext current) {
  // Frames may have named it in other contexts than its own, too.
  for (auto at = streams_.lower_bound({name, nullptr}); at != streams_.end() && at->first.first == name; ++at) {
    Stream& stream = *at->second;
    if (stream.gone) continue;
    if (stream.unmarked > 0 && mark_last(stream, current) != CUDA_SUCCESS) stream.unfinished = stream.unmarked = 0;
    stream.gone = true;
    list(stream);
  }
}

// A stream takes events of its own context only.
CUresult Streams::mark_last(Stream& stream, CUcontext current) {
  if (stream.context == current) return mark(stream, nullptr, false);
  CUresult status = driver_.ctx_set_current(stream.context);
  if (status == CUDA_SUCCESS) status = mark(stream, nullptr, false);
  driver_.ctx_set_current(current);
  return status;
}

void Streams::let_go(CUcontext context) {
  if (last_ && last_->context == context) last_ = nullptr;
  for (auto at = streams_.begin(); at != streams_.end();) {
    if (at->second->context != context) {
      ++at;
      continue;
    }
    apart_.erase(at->second->name);
    let_go_.push_back(std::move(at->second));
    at = streams_.erase(at);
  }
  std::erase_if(busy_, [context](const auto& stream) { return stream->context == context; });
  spare_.erase(context);
  for (auto& marker : lent_) {
    if (marker->context == context) marker->ended = true;
  }
  for (auto& stream : let_go_) {
    for (Watch& watch : stream->watches) {
      watch.marker->ended = true;
      recycle(std::move(watch.marker));
    }
  }
}

void Streams::end_let_go() {
  for (auto& stream : std::exchange(let_go_, {})) {
    for (Watch& watch : stream->watches) {
      if (watch.done) watch.done(CUDA_ERROR_CONTEXT_IS_DESTROYED);
    }
  }
}

bool Streams::is_idle(CUcontext context) const {
  return std::ranges::all_of(streams_, [context](const auto& entry) {
    const Stream& stream = *entry.second;
    return stream.context != context || (stream.unfinished == 0 && stream.watches.empty());
  });
}

bool Streams::poll() {
  bool progress = false;
  for (size_t i = 0; i < busy_.size();) {
    progress |= poll_stream(*busy_[i]);
    if (!busy_[i]->watches.empty()) {
      ++i;
      continue;
    }
    std::shared_ptr<Stream> stream = std::exchange(busy_[i], busy_.back());
    busy_.pop_back();
    stream->listed = false;
    erase_if_gone(*stream);
  }
  return progress;
}

void Streams::erase_if_gone(Stream& stream) {
  if (!stream.gone) return;
  if (last_ == &stream) last_ = nullptr;
  apart_.erase(stream.name);
  streams_.erase({stream.name, stream.context});
}

bool Streams::poll_stream(Stream& stream) {
  bool progress = false;
  while (!stream.watches.empty()) {
    CUresult status = driver_.event_query(stream.watches.front().marker->event);
    if (status == CUDA_ERROR_NOT_READY) break;
    Done done = pop_watch(stream);
    if (done) done(status);
    progress = true;
  }
  return progress;
}

// Not past a marker that somebody is told of: what hears of it may start or release frames, and the caller is starting one.
bool Streams::make_room(Stream& stream) {
  while (!stream.watches.empty() && !stream.watches.front().done) {
    if (driver_.event_query(stream.watches.front().marker->event) == CUDA_ERROR_NOT_READY) break;
    pop_watch(stream);
  }
  return stream.unfinished < kMaxUnfinished;
}

Streams::Done Streams::pop_watch(Stream& stream) {
  Watch watch = std::move(stream.watches.front());
  stream.watches.pop_front();
  stream.unfinished -= std::min(stream.unfinished, watch.work);
  recycle(std::move(watch.marker));
  return std::move(watch.done);
}

bool Streams::is_waited_for() const {
  return std::ranges::any_of(busy_, [](const auto& stream) {
    return stream->awaited || std::ranges::any_of(stream->watches, [](const Watch& watch) { return watch.urgent; });
  });
}

void Streams::call_help() {
  for (const auto& stream : busy_) {
    if (stream->helped) continue;
    auto watch = std::ranges::find_if(stream->watches, [&](const Watch& entry) { return entry.urgent || stream->awaited; });
    if (watch != stream->watches.end()) help(stream, watch->marker.get());
  }
}

void Streams::help(std::shared_ptr<Stream> stream, Marker* marker) {
  stream->helped = true;
  marker->lent = true;
  helpers_.submit([this, stream = std::move(stream), marker] {
    if (!marker->ended) driver_.event_synchronize(marker->event);
    mailbox_.post([this, stream, marker] {
      stream->helped = false;
      marker->lent = false;
      auto found = std::ranges::find_if(lent_, [marker](const auto& entry) { return entry.get() == marker; });
      if (found == lent_.end()) return;
      recycle(std::move(*found));
      lent_.erase(found);
    });
  });
}

std::unique_ptr<Marker> Streams::new_marker(CUcontext context) {
  auto& spare = spare_[context];
  if (!spare.empty()) {
    auto marker = std::move(spare.back());
    spare.pop_back();
    return marker;
  }
  auto marker = std::make_unique<Marker>();
  marker->context = context;
  // Without CU_EVENT_BLOCKING_SYNC a helper that waits would spin.
  CUresult status = driver_.event_create(&marker->event, CU_EVENT_DISABLE_TIMING | CU_EVENT_BLOCKING_SYNC);
  return status == CUDA_SUCCESS ? std::move(marker) : nullptr;
}

void Streams::recycle(std::unique_ptr<Marker> marker) {
  if (marker->lent)
    lent_.push_back(std::move(marker));
  else if (!marker->ended)
    spare_[marker->context].push_back(std::move(marker));
}

}  // namespace bitfusion::worker
