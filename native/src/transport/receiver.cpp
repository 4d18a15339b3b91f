#include "transport/receiver.h"

#include <poll.h>
#include <sys/mman.h>

#include <cstring>
#include <utility>

#include "transport/futex.h"
#include "transport/link.h"

namespace bitfusion::transport {
namespace {

// The largest reply is a frame; another one's worth lets reads be long.
constexpr size_t kCapacity = 2 * size_t{wire::kMaxFrame};
// The clock is read once in so many spins.
constexpr int kSpinsPerClock = 32;

}  // namespace

bool Receiver::init(Channel* channel, ReceiverEvents* events) {
  channel_ = channel;
  events_ = events;
  void* memory = mmap(nullptr, kCapacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  buffer_ = memory == MAP_FAILED ? nullptr : static_cast<std::byte*>(memory);
  return buffer_ != nullptr;
}

void Receiver::add(Waiter* waiter) {
  Guard guard(lock_);
  waiter->next = waiters_;
  waiters_ = waiter;
}

void Receiver::wait(Waiter* waiter) {
  int64_t spin_until = now_ns() + spin_budget_ns();
  while (waiter->state.load(std::memory_order_acquire) != Waiter::kDone) {
    if (failed_.load(std::memory_order_acquire))
      fail();
    else if (reading_.try_lock()) {
      lead(waiter);
      reading_.unlock();
      promote_next();
    } else {
      follow(waiter, spin_until);
    }
  }
}

void Receiver::lead(Waiter* waiter) {
  int64_t spin_until = now_ns() + spin_budget_ns();
  int spins = 0;
  while (waiter->state.load(std::memory_order_relaxed) != Waiter::kDone) {
    ssize_t got = read_once();
    if (got < 0) return;
    if (got > 0) continue;
    relax();
    if (++spins % kSpinsPerClock == 0 && now_ns() > spin_until) wait_for(channel_->fd(), POLLIN, -1);
  }
}

// Spins, then sleeps, until the answer has come, the lead is free or this waiter is given the lead.
void Receiver::follow(Waiter* waiter, int64_t spin_until) {
  for (int spins = 0; spins < kSpinsPerClock; ++spins) {
    if (waiter->state.load(std::memory_order_acquire) != Waiter::kWaiting) break;
    relax();
  }
  uint32_t expected = Waiter::kPromoted;
  if (waiter->state.compare_exchange_strong(expected, Waiter::kWaiting) || now_ns() < spin_until) return;
  expected = Waiter::kWaiting;
  if (!waiter->state.compare_exchange_strong(expected, Waiter::kAsleep)) return;
  // The leader may have left before it could see us asleep.
  if (!reading_.try_lock()) {
    futex_wait(waiter->state, Waiter::kAsleep);
  } else {
    reading_.unlock();
  }
  expected = Waiter::kAsleep;
  if (!waiter->state.compare_exchange_strong(expected, Waiter::kWaiting)) {
    expected = Waiter::kPromoted;
    waiter->state.compare_exchange_strong(expected, Waiter::kWaiting);
  }
}

// Gives the lead to a waiter that sleeps; one that spins finds the lead free by itself.
void Receiver::promote_next() {
  Guard guard(lock_);
  for (Waiter* waiter = waiters_; waiter; waiter = waiter->next) {
    uint32_t expected = Waiter::kAsleep;
    if (!waiter->state.compare_exchange_strong(expected, Waiter::kPromoted)) continue;
    futex_wake(waiter->state, 1);
    return;
  }
}

bool Receiver::drain() {
  if (!reading_.try_lock()) return false;
  ssize_t got = read_once();
  reading_.unlock();
  promote_next();
  return got != 0;
}

ssize_t Receiver::read_once() {
  if (failed_.load(std::memory_order_relaxed)) return -1;
  ssize_t got = channel_->read(buffer_ + end_, kCapacity - end_);
  if (got < 0) {
    constexpr char kReason[] = "the connection to the GPU server was lost";
    events_->ended(kReason, sizeof(kReason) - 1);
    fail();
  }
  if (got <= 0) return got;
  end_ += static_cast<size_t>(got);
  bytes_received_.fetch_add(static_cast<uint64_t>(got), std::memory_order_relaxed);
  parse();
  return got;
}

void Receiver::parse() {
  while (end_ - begin_ >= sizeof(wire::ReplyHeader)) {
    wire::ReplyHeader header;
    std::memcpy(&header, buffer_ + begin_, sizeof(header));
    if (header.size < sizeof(header) || header.size > wire::kMaxFrame || header.size % wire::kFrameAlignment) return malformed();
    if (end_ - begin_ < header.size) break;
    dispatch(header, buffer_ + begin_ + sizeof(header), header.size - sizeof(header));
    begin_ += header.size;
  }
  if (begin_ == 0) return;
  std::memmove(buffer_, buffer_ + begin_, end_ - begin_);
  end_ -= begin_;
  begin_ = 0;
}

void Receiver::dispatch(const wire::ReplyHeader& header, const std::byte* payload, size_t size) {
  switch (static_cast<wire::ReplyKind>(header.kind)) {
    case wire::ReplyKind::kReply:
      return answer(header, payload, size);
    case wire::ReplyKind::kAsyncError:
      return events_->async_error(header.status);
    case wire::ReplyKind::kCallback:
      return events_->callback(wire::Reader(payload, size), header.landed, std::move(printed_));
    case wire::ReplyKind::kMarkReached:
      return events_->mark_reached(header.thread);
    case wire::ReplyKind::kEnd:
      return events_->ended(reinterpret_cast<const char*>(payload), size);
    case wire::ReplyKind::kOutput:
      if (printed_.add(wire::Reader(payload, size))) return;
      break;
  }
  malformed();
}

void Receiver::answer(const wire::ReplyHeader& header, const std::byte* payload, size_t size) {
  Waiter* waiter = header.sequence ? take(header.sequence) : nullptr;
  if (!waiter) return malformed();
  waiter->status = header.status;
  waiter->landed = header.landed;
  waiter->printed = std::move(printed_);
  std::byte* room = waiter->reply ? events_->reply_room(waiter->reply, size) : nullptr;
  if (room)
    std::memcpy(room, payload, size);
  else if (waiter->reply && size)
    waiter->status = 2;  // CUDA_ERROR_OUT_OF_MEMORY: the answer does not fit
  finish(waiter);
}

void Receiver::take_back(Waiter* waiter) {
  {
    Guard guard(lock_);
    Waiter** link = &waiters_;
    while (*link && *link != waiter) link = &(*link)->next;
    if (!*link) return;  // fail() has ended it
    *link = waiter->next;
  }
  finish(waiter);
}

Waiter* Receiver::take(uint64_t sequence) {
  Guard guard(lock_);
  for (Waiter** link = &waiters_; *link; link = &(*link)->next) {
    if ((*link)->sequence != sequence) continue;
    Waiter* waiter = *link;
    *link = waiter->next;
    return waiter;
  }
  return nullptr;
}

// The waiter may be gone from its stack as soon as it is done: the wake-up passes only the address.
void Receiver::finish(Waiter* waiter) {
  if (waiter->state.exchange(Waiter::kDone, std::memory_order_acq_rel) == Waiter::kAsleep) futex_wake(waiter->state, 1);
}

void Receiver::fail() {
  failed_.store(true, std::memory_order_release);
  Guard guard(lock_);
  while (Waiter* waiter = waiters_) {
    waiters_ = waiter->next;
    waiter->status = kLinkGone;
    finish(waiter);
  }
}

void Receiver::malformed() {
  constexpr char kReason[] = "the GPU server sent bytes that are not a reply";
  events_->ended(kReason, sizeof(kReason) - 1);
  fail();
}

}  // namespace bitfusion::transport
