#include "transport/outbox.h"

#include <poll.h>
#include <sched.h>
#include <sys/mman.h>

#include <utility>

#include "transport/receiver.h"
#include "wire/frame.h"

namespace bitfusion::transport {
namespace {

constexpr size_t kCapacity = 2 * size_t{wire::kMaxFrame};

std::byte* map_buffer() {
  void* memory = mmap(nullptr, kCapacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return memory == MAP_FAILED ? nullptr : static_cast<std::byte*>(memory);
}

}  // namespace

bool Outbox::init(Channel* channel, Receiver* receiver) {
  channel_ = channel;
  receiver_ = receiver;
  filling_.data = map_buffer();
  sending_.data = map_buffer();
  return filling_.data && sending_.data;
}

std::byte* Outbox::reserve(size_t bound) {
  if (bound > wire::kMaxFrame) return nullptr;
  lock_.lock();
  while (kCapacity - filling_.size < bound) {
    lock_.unlock();
    if (!make_room()) return nullptr;
    lock_.lock();
  }
  return filling_.data + filling_.size;
}

void Outbox::commit(size_t size) {
  filling_.size += size;
  pending_.store(filling_.size, std::memory_order_seq_cst);
  lock_.unlock();
}

bool Outbox::flush() {
  while (pending_.load(std::memory_order_seq_cst) > 0) {
    if (sender_.exchange(true, std::memory_order_seq_cst)) return true;
    take_pending();
    bool sent = write_all();
    sender_.store(false, std::memory_order_seq_cst);
    if (!sent) return false;
  }
  return !broken_.load(std::memory_order_relaxed);
}

void Outbox::take_pending() {
  Guard guard(lock_);
  std::swap(filling_, sending_);
  filling_.size = 0;
  pending_.store(0, std::memory_order_relaxed);
}

bool Outbox::write_all() {
  iovec part{sending_.data, sending_.size};
  size_t done = 0;
  while (done < sending_.size) {
    ssize_t sent = channel_->write(&part, 1, done);
    if (sent < 0) {
      broken_ = true;
      return false;
    }
    done += static_cast<size_t>(sent);
    // Who cannot send keeps receiving: the worker may be waiting for us to take its replies.
    if (sent == 0 && !receiver_->drain()) wait_for(channel_->fd(), POLLOUT | POLLIN, -1);
  }
  bytes_sent_.fetch_add(done, std::memory_order_relaxed);
  sending_.size = 0;
  return true;
}

bool Outbox::make_room() {
  if (!flush()) return false;
  // Another thread is sending; it takes our bytes when it is through with its own.
  if (pending_.load(std::memory_order_relaxed) > 0) sched_yield();
  return true;
}

}  // namespace bitfusion::transport
