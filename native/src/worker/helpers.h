// Threads for calls that may block. As many as there are calls under way, kept for the next.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>

namespace bitfusion::worker {

class Helpers {
 public:
  // `prepare` runs once in every new thread.
  explicit Helpers(std::function<void()> prepare) : shared_(std::make_shared<Shared>(std::move(prepare))) {}
  ~Helpers() { finish({}); }
  void submit(std::function<void()> task);
  // Forgets the tasks that have not begun and waits, at most so long, for those that have. True: none is running, and none will.
  bool finish(std::chrono::milliseconds limit);

 private:
  // The threads' own: one that is stuck in the driver outlives us.
  struct Shared {
    explicit Shared(std::function<void()> first) : prepare(std::move(first)) {}
    const std::function<void()> prepare;
    std::mutex lock;
    std::condition_variable changed;
    std::deque<std::function<void()>> tasks;
    size_t idle = 0, running = 0;
    bool finished = false;
  };

  static void serve(Shared& shared);

  std::shared_ptr<Shared> shared_;
};

}  // namespace bitfusion::worker
