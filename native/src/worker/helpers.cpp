#include "worker/helpers.h"

namespace bitfusion::worker {

void Helpers::submit(std::function<void()> task) {
  std::lock_guard guard(lock_);
  tasks_.push_back(std::move(task));
  // Detached: one may be in a driver call that never returns; the process ends around it.
  if (idle_ < tasks_.size())
    std::thread(&Helpers::serve, this).detach();
  else
    changed_.notify_one();
}

void Helpers::serve() {
  prepare_();
  std::unique_lock guard(lock_);
  for (;;) {
    ++idle_;
    changed_.wait(guard, [this] { return !tasks_.empty(); });
    --idle_;
    std::function<void()> task = std::move(tasks_.front());
    tasks_.pop_front();
    guard.unlock();
    task();
    task = nullptr;
    guard.lock();
  }
}

}  // namespace bitfusion::worker
