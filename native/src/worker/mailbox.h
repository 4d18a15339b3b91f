// How other threads hand the executor something to do, and wake it when it sleeps.
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <vector>

namespace bitfusion::worker {

class Mailbox {
 public:
  Mailbox() : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  ~Mailbox() { close(fd_); }
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  void post(std::function<void()> message) {
    {
      std::lock_guard guard(lock_);
      messages_.push_back(std::move(message));
    }
    full_.store(true, std::memory_order_seq_cst);
    if (asleep_.load(std::memory_order_seq_cst)) eventfd_write(fd_, 1);
  }

  // Runs what has been posted; false when there was nothing.
  bool run() {
    if (!full_.load(std::memory_order_relaxed)) return false;
    full_.store(false, std::memory_order_seq_cst);
    {
      std::lock_guard guard(lock_);
      taken_.swap(messages_);
    }
    for (auto& message : taken_) message();
    taken_.clear();
    return true;
  }

  // Around a blocking poll of fd(): false when there is something to run instead.
  bool fall_asleep() {
    asleep_.store(true, std::memory_order_seq_cst);
    return !full_.load(std::memory_order_seq_cst);
  }
  void wake_up() {
    asleep_.store(false, std::memory_order_seq_cst);
    eventfd_t ignored;
    eventfd_read(fd_, &ignored);
  }
  int fd() const { return fd_; }

 private:
  int fd_;
  std::mutex lock_;
  std::vector<std::function<void()>> messages_;
  std::vector<std::function<void()>> taken_;
  std::atomic<bool> full_{false};
  std::atomic<bool> asleep_{false};
};

}  // namespace bitfusion::worker
