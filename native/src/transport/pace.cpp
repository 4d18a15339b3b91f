#include "transport/pace.h"

#include <new>

namespace bitfusion::transport {
namespace {

// The calling thread's.
struct Place {
  size_t unmarked = 0;
  unsigned holds = 0;
};
thread_local Place place __attribute__((tls_model("initial-exec")));

}  // namespace

Pace::Hold::Hold() { ++place.holds; }
Pace::Hold::~Hold() { --place.holds; }

bool Pace::is_mark_due(size_t frame_size) {
  place.unmarked += frame_size;
  if (place.unmarked < kStride || place.holds) return false;
  place.unmarked = 0;
  return true;
}

bool Pace::begin_mark(uint32_t thread) {
  wait_for_answer(thread);
  auto* mark = new (std::nothrow) Mark{thread, nullptr, nullptr};
  if (!mark) return false;
  Guard guard(lock_);
  mark->next = marks_;
  marks_ = mark;
  return true;
}

void Pace::wait_for_answer(uint32_t thread) {
  Waiter waiter;
  {
    Guard guard(lock_);
    Mark* mark = find_locked(thread);
    if (!mark) return;
    mark->waiter = &waiter;
    receiver_->add(&waiter);
  }
  receiver_->wait(&waiter);
}

void Pace::answered(uint32_t thread) {
  Guard guard(lock_);
  for (Mark** link = &marks_; *link; link = &(*link)->next) {
    if ((*link)->thread != thread) continue;
    Mark* mark = *link;
    *link = mark->next;
    if (mark->waiter) receiver_->take_back(mark->waiter);
    delete mark;
    return;
  }
}

Pace::Mark* Pace::find_locked(uint32_t thread) {
  Mark* mark = marks_;
  while (mark && mark->thread != thread) mark = mark->next;
  return mark;
}

}  // namespace bitfusion::transport
