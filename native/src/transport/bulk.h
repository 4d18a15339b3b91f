// The client's bulk connection: the bytes of large copies and large arguments. Their places are in the command stream.
//
// Out: transfers leave in the order of their frames, as far as the worker has given credit; one that its stream is ready for gets credit
// of its own and overtakes those that wait for it. A thread that must wait for its transfer anyway sends it itself; a sender thread is
// started by the first transfer that nobody waits for. In: a receiver thread, started by the first copy in either direction.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "transport/channel.h"
#include "transport/connect.h"
#include "transport/threads.h"
#include "wire/frame.h"

namespace bitfusion::transport {

// Bytes to be sent; on the stack of a thread that waits, or `owned` by the sender.
struct Outgoing {
  const std::byte* data = nullptr;
  size_t size = 0;
  wire::ChunkKind kind = wire::ChunkKind::kCopy;
  bool owned = false;
  uint32_t number = 0;
  size_t sent = 0;
  uint32_t credit = 0;  // chunks of this transfer
  bool done = false;
  Outgoing* next = nullptr;
};

class Bulk {
 public:
  void init(const Identity* identity) { identity_ = identity; }

  // Connects if need be. False with a reason when the server refuses.
  bool ensure_open(char* error, size_t error_size);

  // Numbers a transfer and puts it in line; the caller holds the outbox, so that lines and frames agree.
  uint32_t enqueue(Outgoing* item);
  // The number that the next enqueue() will give; the caller holds the outbox.
  uint32_t next_number() const { return last_number_ + 1 ? last_number_ + 1 : 1; }
  // Returns when the item's bytes have been taken by the connection; false when it broke. Sends itself if no one else does.
  bool finish(Outgoing* item);
  // Starts the thread that sends what nobody waits for.
  bool ensure_sender();
  // Starts the thread that receives, credit included: before the first copy out.
  bool ensure_receiver();

  // Announces a transfer from the worker; its number. 0 when memory is short or no receiver can be started.
  uint32_t expect(void* destination, size_t size);
  void forget(uint32_t number);
  // Waits until so many transfers have landed; false when the connection broke before.
  bool wait_landed(uint64_t count);

  void fail();
  Channel& channel() { return channel_; }
  uint64_t bytes_out() const { return bytes_out_.load(std::memory_order_relaxed); }
  uint64_t bytes_in() const { return bytes_in_.load(std::memory_order_relaxed); }

 private:
  struct Incoming {
    uint32_t number;
    std::byte* destination;
    size_t size;
    size_t received;
    Incoming* next;
  };

  // Nothing more comes of a transfer, all of it has come or the worker has given it up.
  void land(uint32_t number);
  static void* sender_main(void* bulk);
  static void* receiver_main(void* bulk);
  void send_queue();
  bool send_next();
  Outgoing* next_in_line();
  void complete(Outgoing* item);
  void add_credit(uint32_t number, uint32_t chunks);
  bool send_part(Outgoing& item);
  bool write_chunk(const wire::ChunkHeader& header, const std::byte* data);
  bool receive_chunk();
  bool read_all(void* data, size_t size);
  std::byte* place_of(const wire::ChunkHeader& header, bool* last);

  const Identity* identity_ = nullptr;
  Channel channel_;
  Mutex open_lock_;
  std::atomic<bool> open_{false};
  std::atomic<bool> failed_{false};

  Mutex send_lock_;  // guards the line
  Condition send_changed_;
  Outgoing* head_ = nullptr;
  Outgoing** tail_ = &head_;
  uint32_t credit_ = wire::kFirstCredit;  // chunks of any copy
  bool sending_ = false;
  bool sender_started_ = false;
  uint32_t last_number_ = 0;

  Mutex receive_lock_;  // guards incoming_
  Incoming* incoming_ = nullptr;
  bool receiver_started_ = false;
  uint32_t last_expected_ = 0;
  std::atomic<uint64_t> landed_{0};
  std::atomic<uint32_t> landed_changed_{0};  // futex word
  std::atomic<uint64_t> bytes_out_{0};
  std::atomic<uint64_t> bytes_in_{0};
};

}  // namespace bitfusion::transport
