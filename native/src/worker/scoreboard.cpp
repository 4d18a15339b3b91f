#include "worker/scoreboard.h"

#include <algorithm>

namespace bitfusion::worker {
namespace {

uint64_t thread_key(uint32_t thread) { return Keys::kThread ^ thread; }
size_t size_of(const Held& frame) { return sizeof(Held) + frame.payload.size(); }

template <typename Line>
bool has_earlier(const Line& line, uint64_t sequence) {
  return !line.empty() && line.begin()->first < sequence;
}

}  // namespace

bool Scoreboard::conflicts(const Keys& keys, const wire::FrameHeader& header) const {
  if (frames_.empty()) return false;
  if (keys.is_everything() || !barriers_.empty()) return true;
  if (queues_.contains(thread_key(header.thread)) || must_wait(keys.standing(), header.context, header.sequence)) return true;
  return std::ranges::any_of(keys.list(), [this](uint64_t key) { return queues_.contains(key); });
}

bool Scoreboard::must_wait(Standing standing, uint64_t context, uint64_t sequence) const {
  if (standing == Standing::kNone || standing == Standing::kApart) return false;
  auto found = work_.find(context);
  if (found == work_.end()) return false;
  const Work& work = found->second;
  if (has_earlier(work.legacy, sequence)) return true;
  if (standing == Standing::kBlocking) return false;
  return has_earlier(work.blocking, sequence) || (standing == Standing::kAfterWork && has_earlier(work.apart, sequence));
}

Scoreboard::Line* Scoreboard::line_of(const Held& frame) {
  Standing standing = frame.keys.standing();
  if (standing == Standing::kNone) return nullptr;
  Work& work = work_[frame.header.context];
  if (standing == Standing::kBlocking) return &work.blocking;
  if (standing == Standing::kApart) return &work.apart;
  return standing == Standing::kLegacy ? &work.legacy : &work.after;
}

// Those that only this frame held up are looked at: who waits for all work, the next on the legacy stream, and after a frame of the
// legacy stream what stands between the two.
void Scoreboard::leave_line(const Held& frame) {
  Line* line = line_of(frame);
  if (!line) return;
  uint64_t sequence = frame.header.sequence;
  line->erase(sequence);
  Work& work = work_.at(frame.header.context);
  for (auto& [at, waiting] : work.after) consider(waiting);
  if (!work.legacy.empty()) consider(work.legacy.begin()->second);
  if (line == &work.legacy) {
    auto last = work.legacy.empty() ? work.blocking.end() : work.blocking.lower_bound(work.legacy.begin()->first);
    for (auto next = work.blocking.upper_bound(sequence); next != last; ++next) consider(next->second);
  }
  if (work.blocking.empty() && work.apart.empty() && work.legacy.empty() && work.after.empty()) work_.erase(frame.header.context);
}

HeldOfThread Scoreboard::held_of(uint32_t thread) const {
  auto found = threads_.find(thread);
  return found == threads_.end() ? HeldOfThread{} : found->second;
}

void Scoreboard::count(const Held& frame) {
  bytes_ += size_of(frame);
  HeldOfThread& of_thread = threads_[frame.header.thread];
  ++of_thread.frames;
  of_thread.bytes += size_of(frame);
}

void Scoreboard::discount(const Held& frame) {
  bytes_ -= size_of(frame);
  auto of_thread = threads_.find(frame.header.thread);
  of_thread->second.bytes -= size_of(frame);
  if (--of_thread->second.frames == 0) threads_.erase(of_thread);
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
  if (Line* line = line_of(*frame)) line->emplace(frame->header.sequence, frame);
  count(*frame);
  frames_.emplace(frame->header.sequence, std::move(owned));
  consider(frame);
  return frame;
}

void Scoreboard::release(Held* frame) {
  bool was_barrier = frame->keys.is_everything();
  if (was_barrier) barriers_.erase(frame->header.sequence);
  discount(*frame);
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
  leave_line(*frame);
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
  if (must_wait(frame.keys.standing(), frame.header.context, frame.header.sequence)) return false;
  return std::ranges::all_of(frame.queues, [&](uint64_t key) { return queues_.at(key).front() == &frame; });
}

Held* Scoreboard::next_ready() {
  if (ready_.empty()) return nullptr;
  Held* frame = ready_.front();
  ready_.pop_front();
  return frame;
}

}  // namespace bitfusion::worker
