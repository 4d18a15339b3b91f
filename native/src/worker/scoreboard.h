// The frames that could not run when they arrived, and who may run next: a frame runs when no earlier held frame shares a key with it.
//
// Work of a context is ordered once more than by keys: the legacy stream with the blocking ones, and what waits for all (Standing).
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include "wire/frame.h"
#include "worker/executor.h"

namespace bitfusion::worker {

// A frame that is held, with its own copy of its bytes and the state of whatever it has begun.
struct Held {
  wire::FrameHeader header;
  std::vector<std::byte> payload;
  Keys keys;
  bool holds_thread = false;   // its client thread's later frames wait for it, as they would in a blocking call
  bool ready = false;          // in the line of those to be resumed
  bool started = false;        // a helper is at it
  bool checked = false;        // a copy of the session's own memory
  uint64_t progress = 0;       // bytes of a copy that have been enqueued
  std::shared_ptr<bool> head;  // set when all that was on the stream before has finished; null: nobody has asked yet
  std::shared_ptr<bool> over;  // of a large copy out: set when its last byte is in line, or the copy has failed
  CUresult status = CUDA_SUCCESS;
  std::vector<uint64_t> queues;  // keys under which it stands
};

// What is held of one client thread, with the room it takes.
struct HeldOfThread {
  size_t frames = 0;
  size_t bytes = 0;
};

class Scoreboard {
 public:
  bool empty() const { return frames_.empty(); }
  size_t bytes() const { return bytes_; }
  HeldOfThread held_of(uint32_t thread) const;

  // Whether a frame with these keys has to wait for one that is held.
  bool conflicts(const Keys& keys, const wire::FrameHeader& header) const;
  Held* hold(std::unique_ptr<Held> frame);
  // Forgets a frame that has run; frames that only waited for it become ready.
  void release(Held* frame);
  // The next frame that may run, or null. Each is handed out once.
  Held* next_ready();

 private:
  // Held frames of one context by sequence, each under its Standing.
  using Line = std::map<uint64_t, Held*>;
  struct Work {
    Line blocking, apart, legacy, after;
  };

  Line* line_of(const Held& frame);
  bool must_wait(Standing standing, uint64_t context, uint64_t sequence) const;
  void leave_line(const Held& frame);
  void count(const Held& frame);
  void discount(const Held& frame);
  bool is_first(const Held& frame) const;
  void consider(Held* frame);
  void consider_around_barriers();

  std::map<uint64_t, std::unique_ptr<Held>> frames_;        // by sequence
  std::map<uint64_t, Held*> barriers_;                      // those that conflict with everything, by sequence
  std::unordered_map<uint64_t, std::deque<Held*>> queues_;  // by key, oldest first
  std::unordered_map<uint64_t, Work> work_;                 // by context
  std::deque<Held*> ready_;
  size_t bytes_ = 0;
  std::unordered_map<uint32_t, HeldOfThread> threads_;
};

}  // namespace bitfusion::worker
