#include "simgpu/stream.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

#include <utility>

#include "simgpu/graph_exec.h"
#include "simgpu/log.h"

namespace simgpu {

namespace {

constexpr uint64_t kSpinNs = 15'000;  // waking a thread costs more than this
constexpr size_t kThreadStack = 8u << 20;

uint64_t next_stream_id() {
  static std::atomic<uint64_t> next{1};
  return next.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

uint64_t monotonic_ns() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

bool Milestone::reached() const { return stream == nullptr || stream->reached(sequence); }

void Milestone::wait() const {
  if (stream != nullptr) stream->wait(sequence);
}

StreamCore::StreamCore(Context* owner, unsigned stream_flags, int stream_priority, bool is_legacy)
    : context(owner), flags(stream_flags), priority(stream_priority), legacy(is_legacy), id(next_stream_id()) {}

uint64_t StreamCore::submit(Work work, std::vector<Milestone> after, bool here) {
  std::erase_if(after, [](const Milestone& milestone) { return milestone.reached(); });
  std::unique_lock<std::mutex> guard(lock_);
  const uint64_t sequence = submitted_.load(std::memory_order_relaxed) + 1;
  submitted_.store(sequence, std::memory_order_release);
  arm_events(&work, sequence);
  const bool first = queue_.empty() && !running_;
  queue_.push_back({std::move(work), std::move(after)});
  if (here && first && queue_.front().after.empty()) {
    run_next(guard);
    if (!queue_.empty() && sleeping_) work_ready_.notify_one();
    return sequence;
  }
  if (!started_) start_thread();
  if (sleeping_) work_ready_.notify_one();
  return sequence;
}

// An event stands for its new place from the moment of the call, whether recorded directly or by a node of a graph.
void StreamCore::arm_events(Work* work, uint64_t sequence) {
  if (auto* record = std::get_if<RecordWork>(work)) {
    record->sequence = sequence;
    record->event->arm(shared_from_this(), sequence);
  } else if (auto* graph = std::get_if<GraphWork>(work)) {
    graph->sequence = sequence;
    visit_nodes(graph->graph.get(), [&](Executable::Node& node) {
      if (auto* inner = std::get_if<RecordWork>(&node.work)) inner->event->arm(shared_from_this(), sequence);
    });
  }
}

// Takes the first item and runs it without the lock. The caller holds the lock, the queue is not empty and nobody runs.
void StreamCore::run_next(std::unique_lock<std::mutex>& guard) {
  Item item = std::move(queue_.front());
  queue_.pop_front();
  running_ = true;
  guard.unlock();
  for (const Milestone& milestone : item.after) milestone.wait();
  run_work(context, this, &item.work);
  item = Item{};  // what the work held is gone before anybody learns that it has ended
  guard.lock();
  finish(guard);
}

void StreamCore::finish(std::unique_lock<std::mutex>&) {
  running_ = false;
  ended_.store(ended_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  if (waiters_ > 0) progress_.notify_all();
}

void StreamCore::wait(uint64_t sequence) {
  if (reached(sequence)) return;
  std::unique_lock<std::mutex> guard(lock_);
  waiters_++;
  while (!reached(sequence)) {
    if (!running_ && !queue_.empty()) {
      run_next(guard);
    } else {
      progress_.wait(guard);
    }
  }
  waiters_--;
}

// The thread's reference keeps the stream alive until it has stopped.
void StreamCore::start_thread() {
  started_ = true;
  auto* self = new std::shared_ptr<StreamCore>(shared_from_this());
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attributes, kThreadStack);
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);  // signals are the application's business
  pthread_t thread;
  const int failed = pthread_create(
      &thread, &attributes,
      [](void* argument) -> void* {
        auto* stream = static_cast<std::shared_ptr<StreamCore>*>(argument);
        (*stream)->thread_main();
        delete stream;
        return nullptr;
      },
      self);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  if (failed == 0) return;
  log_line("cannot start a thread for a stream (error %d); its work runs when somebody waits for it", failed);
  delete self;
}

void StreamCore::spin_for_work() const {
  const uint64_t until = monotonic_ns() + kSpinNs;
  while (idle() && monotonic_ns() < until) {
    for (int i = 0; i < 20; i++) __builtin_ia32_pause();
  }
}

void StreamCore::thread_main() {
  std::unique_lock<std::mutex> guard(lock_);
  while (true) {
    if (!running_ && !queue_.empty()) {
      run_next(guard);
      if (queue_.empty()) {
        guard.unlock();
        spin_for_work();
        guard.lock();
      }
    } else if (running_) {  // a waiting thread has taken over; it may leave items behind
      waiters_++;
      progress_.wait(guard);
      waiters_--;
    } else if (stopping_) {
      return;
    } else {
      sleeping_ = true;
      work_ready_.wait(guard);
      sleeping_ = false;
    }
  }
}

void StreamCore::stop() {
  std::lock_guard<std::mutex> guard(lock_);
  stopping_ = true;
  work_ready_.notify_all();
}

// --- Events -----------------------------------------------------------------------------------------------------------------------------

void EventState::arm(std::shared_ptr<StreamCore> stream, uint64_t sequence) {
  std::lock_guard<std::mutex> guard(lock);
  done.store(false, std::memory_order_release);
  recorded = true;
  place = {std::move(stream), sequence};
  capture.reset();
  capture_tail.clear();
}

void EventState::finish(const StreamCore* stream, uint64_t sequence) {
  std::lock_guard<std::mutex> guard(lock);
  if (place.stream.get() != stream || place.sequence != sequence) return;  // recorded anew since
  time_ns = monotonic_ns();
  done.store(true, std::memory_order_release);
}

Milestone EventState::milestone() {
  std::lock_guard<std::mutex> guard(lock);
  return place;
}

}  // namespace simgpu
