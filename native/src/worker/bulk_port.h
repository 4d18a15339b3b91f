// The worker's end of a bulk connection: one thread receives chunks into staging, another sends chunks from it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "transport/channel.h"
#include "wire/frame.h"
#include "worker/staging.h"

namespace bitfusion::worker {

// A piece of a copy in staging.
struct StagedChunk {
  std::byte* data;
  wire::ChunkHeader header;
};

// A large argument (a module image). Counted, for as long as it exists, against what a client may make its worker hold.
using Attachment = std::shared_ptr<const std::vector<std::byte>>;

// What the executor is told, in the receiving thread.
struct BulkEvents {
  std::function<void(StagedChunk)> chunk;
  std::function<void(uint32_t number, Attachment bytes)> attachment;
  std::function<void(std::string reason)> broken;
};

class BulkPort {
 public:
  BulkPort(Staging& in, Staging& out, BulkEvents events) : in_(in), out_(out), events_(std::move(events)) {}

  // Starts both threads on a connection whose handshake is done.
  void attach(std::unique_ptr<transport::Channel> channel);
  bool attached() const { return channel_ != nullptr; }
  // Sends a chunk of the outgoing staging and releases it. May be called before attach().
  void send(StagedChunk chunk, std::function<void()> released);
  // Tells the client, behind what has been sent of it, that the rest of a transfer will not come. Throws BadFrame when it takes none of
  // that.
  void abandon(uint32_t transfer);
  // Lets the client send so many more chunks of a transfer (0: of any copy).
  void send_credit(uint32_t transfer, uint32_t chunks);
  void stop();

  uint64_t bytes_in() const { return bytes_in_; }
  uint64_t bytes_out() const { return bytes_out_; }

 private:
  struct Outgoing {
    StagedChunk chunk;  // no data: the end of a transfer that is abandoned
    std::function<void()> released;
  };
  struct Growing;  // an attachment under way

  void receive_loop();
  void receive_chunk();
  void receive_copy(const wire::ChunkHeader& header);
  void receive_attachment(const wire::ChunkHeader& header);
  void check(const wire::ChunkHeader& header);
  void read_all(void* data, size_t size);
  void send_loop();
  bool send_credits(std::unique_lock<std::mutex>& guard);
  bool write(const wire::ChunkHeader& header, const std::byte* data, size_t size);

  // All attachments together, those that handlers work on included.
  static constexpr uint64_t kMaxAttachments = 2ull << 30;
  // In the queue; staging bounds the chunks in it.
  static constexpr size_t kMaxAbandoned = 1u << 16;

  Staging& in_;
  Staging& out_;
  BulkEvents events_;
  std::unique_ptr<transport::Channel> channel_;
  std::shared_ptr<Growing> attachment_;
  std::shared_ptr<std::atomic<uint64_t>> attached_bytes_ = std::make_shared<std::atomic<uint64_t>>(0);
  std::mutex lock_;
  std::condition_variable changed_;
  std::deque<Outgoing> queue_;
  size_t abandoned_ = 0;                  // of the queue
  std::map<uint32_t, uint32_t> credits_;  // chunks by transfer, not yet told
  bool stopped_ = false;
  std::atomic<uint64_t> bytes_in_{0};
  std::atomic<uint64_t> bytes_out_{0};
};

}  // namespace bitfusion::worker
