// The parts of a Link and how they hang together.
#pragma once

#include <atomic>
#include <utility>

#include "transport/bulk.h"
#include "transport/callbacks.h"
#include "transport/connect.h"
#include "transport/flusher.h"
#include "transport/link.h"
#include "transport/outbox.h"
#include "transport/pace.h"
#include "transport/receiver.h"

namespace bitfusion::transport {

class Link::Impl final : public ReceiverEvents, public CallbackHost {
 public:
  bool start(const Allocation& allocation, const LinkOptions& options, char* error, size_t error_size);

  // ReceiverEvents
  void async_error(uint32_t status) override;
  void callback(wire::Reader request, uint64_t landed, Printed printed) override;
  void mark_reached(uint32_t thread) override { pace.answered(thread); }
  void ended(const char* reason, size_t size) override;
  std::byte* reply_room(Reply* reply, size_t size) override { return Link::reply_room(*reply, size); }
  // CallbackHost
  void wait_landed(uint64_t count) override;
  void callback_done(uint64_t number, HostBytes answer) override;

  // After the connection broke: everything that waits returns, everything to come fails.
  void fail(const char* reason);
  void after_fork();

  Link link{this};
  Allocation allocation;
  Identity identity = {};
  Channel channel;
  Outbox outbox;
  Receiver receiver;
  Bulk bulk;
  Callbacks callbacks;
  Pace pace;
  Flusher flusher;
  std::atomic<bool> alive{false};
  std::atomic<uint32_t> latched{0};
  uint64_t last_sequence = 0;  // guarded by the outbox
  std::atomic<uint64_t> frames{0};
  std::atomic<uint64_t> round_trips{0};
  char reason[256] = {};
  std::atomic<bool> reason_set{false};
};

}  // namespace bitfusion::transport
