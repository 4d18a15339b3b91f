// Threads for calls that may block. As many as there are calls under way, kept for the next.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace bitfusion::worker {

class Helpers {
 public:
  // `prepare` runs once in every new thread.
  explicit Helpers(std::function<void()> prepare) : prepare_(std::move(prepare)) {}
  void submit(std::function<void()> task);

 private:
  void serve();

  std::function<void()> prepare_;
  std::mutex lock_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;
  size_t idle_ = 0;
};

}  // namespace bitfusion::worker
