#include "worker/helpers.h"

#include <thread>

namespace bitfusion::worker {

void Helpers::submit(std::function<void()> task) {
  std::lock_guard guard(shared_->lock);
  shared_->tasks.push_back(std::move(task));
  // Detached: one may be in a driver call that never returns; the process ends around it.
  if (shared_->idle < shared_->tasks.size())
    std::thread([shared = shared_] { serve(*shared); }).detach();
  else
    shared_->changed.notify_one();
}

bool Helpers::finish(std::chrono::milliseconds limit) {
  std::unique_lock guard(shared_->lock);
  shared_->finished = true;
  shared_->tasks.clear();
  shared_->changed.notify_all();
  return shared_->changed.wait_for(guard, limit, [this] { return shared_->running == 0; });
}

void Helpers::serve(Shared& shared) {
  std::unique_lock guard(shared.lock);
  if (shared.finished) return;
  ++shared.running;
  guard.unlock();
  shared.prepare();
  guard.lock();
  --shared.running;
  for (;;) {
    ++shared.idle;
    shared.changed.wait(guard, [&] { return shared.finished || !shared.tasks.empty(); });
    --shared.idle;
    if (shared.finished) break;
    std::function<void()> task = std::move(shared.tasks.front());
    shared.tasks.pop_front();
    ++shared.running;
    guard.unlock();
    task();
    task = nullptr;
    guard.lock();
    --shared.running;
  }
  shared.changed.notify_all();
}

}  // namespace bitfusion::worker
