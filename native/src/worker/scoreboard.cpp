#include "worker/scoreboard.h"

#include <algorithm>

namespace bitfusion::worker {
namespace {

uint64_t thread_key(uint32_t thread) { return Keys::kThread ^ thread; }

}  // namespace

bool Scoreboard::conflicts(const Keys& keys, uint32_t thread) const {
  if (frames_.empty()) return false;
  if (keys.is_everything() || !barriers_.empty()) return true;
  if (queues_.contains(thread_key(thread))) return true;
  return std::ranges::any_of(keys.list(), [this](uint64_t key) { return queues_.contains(key); });
}

Held* Scoreboard::hold(std::unique_ptr<Held> owned) {
  Held* frame = owned.get();
  for (uint64_t key : frame->keys.list()) {
    if (std::ranges::find(frame->queues, key) == frame->queues.end()) frame->queues.push_back(key);
  }
  uint64_t thread = thread_key(frame->header.thread);
  if (frame->holds_thread || queues_.contains(thread)) frame->queues.push_back(thread);
  for (uint64_t key : frame->queues) queues_[key].push_back(frame);
  if (frame->keys.is_everything()) barriers_.emplace(frame->header.sequence, frame);
  bytes_ += sizeof(Held) + frame->payload.size();
  frames_.emplace(frame->header.sequence, std::move(owned));
  consider(frame);
  return frame;
}

void Scoreboard::release(Held* frame) {
  bool was_barrier = frame->keys.is_everything();
  if (was_barrier) barriers_.erase(frame->header.sequence);
  bytes_ -= sizeof(Held) + frame->payload.size();
  auto owned = std::move(frames_.at(frame->header.sequence));
  frames_.erase(frame->header.sequence);
  for (uint64_t key : frame->queues) {
    auto queue = queues_.find(key);
    queue->second.pop_front();  // only the first of all its queues has run
    if (queue->second.empty())
      queues_.erase(queue);
    else
      consider(queue->second.front());
  }
  if (was_barrier || !barriers_.empty()) consider_around_barriers();
}

// After a barrier has gone, or what stood before one, frames may run that no key leads to.
void Scoreboard::consider_around_barriers() {
  for (auto& [sequence, frame] : frames_) {
    consider(frame.get());
    if (frame->keys.is_everything()) return;
  }
}

void Scoreboard::consider(Held* frame) {
  if (frame->ready || !is_first(*frame)) return;
  frame->ready = true;
  ready_.push_back(frame);
}

bool Scoreboard::is_first(const Held& frame) const {
  if (frame.keys.is_everything()) return frames_.begin()->second.get() == &frame;
  if (!barriers_.empty() && barriers_.begin()->first < frame.header.sequence) return false;
  return std::ranges::all_of(frame.queues, [&](uint64_t key) { return queues_.at(key).front() == &frame; });
}

Held* Scoreboard::next_ready() {
  if (ready_.empty()) return nullptr;
  Held* frame = ready_.front();
  ready_.pop_front();
  return frame;
}

}  // namespace bitfusion::worker
