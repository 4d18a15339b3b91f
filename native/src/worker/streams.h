// What is unfinished on each stream. The executor never asks the driver to wait: it puts marker events into streams and looks at them.
#pragma once

#include <cuda.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "worker/driver.h"
#include "worker/helpers.h"
#include "worker/mailbox.h"

namespace bitfusion::worker {

// One marker event; recorded again and again.
struct Marker {
  CUevent event = nullptr;
  CUcontext context = nullptr;
  std::atomic<bool> ended{false};  // with its context
  bool lent = false;               // a helper thread is waiting on it
};

class Streams {
 public:
  // The driver blocks in a launch at about 1,024 unfinished ones.
  static constexpr uint32_t kMaxUnfinished = 1000;
  static constexpr uint32_t kMarkerEvery = 64;

  using Done = std::function<void(CUresult)>;

  struct Watch {
    std::unique_ptr<Marker> marker;
    uint32_t work;  // units that are finished when the marker is
    bool urgent;    // somebody waits for it
    Done done;
  };
  struct Stream : std::enable_shared_from_this<Stream> {
    uint64_t name = 0;
    CUstream handle = nullptr;
    CUcontext context = nullptr;
    uint32_t unfinished = 0;
    uint32_t unmarked = 0;
    bool awaited = false;  // a frame is held until there is room
    bool helped = false;   // a helper thread waits for one of its markers
    bool listed = false;   // in busy_
    bool gone = false;     // destroyed; its last marker covers all it had
    std::deque<Watch> watches;
  };

  Streams(const Driver& driver, Helpers& helpers, Mailbox& mailbox) : driver_(driver), helpers_(helpers), mailbox_(mailbox) {}

  Stream& find(uint64_t name, CUstream handle, CUcontext context);
  // Null for one that no frame has named. The one that was named last is found at once.
  Stream* find_handle(CUstream handle, CUcontext context);
  // Looks at the stream's markers when it seems to be full: many frames may be started between two polls.
  bool has_room(Stream& stream) { return stream.unfinished < kMaxUnfinished || make_room(stream); }
  // One more unit of work has been enqueued.
  void count(Stream& stream);
  // Calls `done` when all that is on the stream now has finished. On failure (returned) it is not called.
  CUresult watch(Stream& stream, Done done, bool urgent = true);
  // Calls `done` when all streams of the context have finished what they have now.
  CUresult watch_all(CUcontext context, Done done);
  // The stream is about to be destroyed: a last marker covers what is on it. `current` is the context that is, and is again afterwards.
  void forget(uint64_t name, CUcontext current);
  // The driver is about to end a context: its streams and markers are not looked at any more.
  void let_go(CUcontext context);
  // It has: who waited for work on them hears of it.
  void end_let_go();
  // From now on streams may be capturing.
  void note_capture() { may_capture_ = true; }
  bool is_capturing(CUstream stream) const;

  bool is_idle(CUcontext context) const;
  size_t size() const { return streams_.size(); }
  // Whether the legacy stream neither waits for the stream nor it for that one, as far as is known: a stream is asked at its first work.
  bool stands_apart(uint64_t name) const { return apart_.contains(name); }

  // Looks at the oldest marker of each busy stream; true when something had finished.
  bool poll();
  bool is_waited_for() const;
  // Before the executor sleeps: lets helper threads wait for what somebody waits for.
  void call_help();

 private:
  std::unique_ptr<Marker> new_marker(CUcontext context);
  void recycle(std::unique_ptr<Marker> marker);
  void list(Stream& stream);
  void erase_if_gone(Stream& stream);
  bool poll_stream(Stream& stream);
  bool make_room(Stream& stream);
  // The oldest watch is over; what is to be called for that.
  Done pop_watch(Stream& stream);
  void learn(uint64_t name, CUstream handle);
  CUresult mark(Stream& stream, Done done, bool urgent);
  CUresult mark_last(Stream& stream, CUcontext current);
  void help(std::shared_ptr<Stream> stream, Marker* marker);

  const Driver& driver_;
  Helpers& helpers_;
  Mailbox& mailbox_;
  std::map<std::pair<uint64_t, CUcontext>, std::shared_ptr<Stream>> streams_;
  Stream* last_ = nullptr;
  std::unordered_set<uint64_t> apart_;         // names of streams with CU_STREAM_NON_BLOCKING
  std::vector<std::shared_ptr<Stream>> busy_;  // those with watches, and those that are gone
  std::vector<std::shared_ptr<Stream>> let_go_;
  std::unordered_map<CUcontext, std::vector<std::unique_ptr<Marker>>> spare_;
  std::vector<std::unique_ptr<Marker>> lent_;
  bool may_capture_ = false;
};

}  // namespace bitfusion::worker
