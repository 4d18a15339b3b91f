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

// A piece of a copy that has arrived.
struct LandedChunk {
  std::byte* data;  // of the incoming staging
  wire::ChunkHeader header;
};

// What the executor is told, in the receiving thread.
struct BulkEvents {
  std::function<void(LandedChunk)> chunk;
  std::function<void(uint32_t number, std::vector<std::byte> bytes)> attachment;
  std::function<void(std::string reason)> broken;
};

class BulkPort {
 public:
  BulkPort(Staging& in, Staging& out, BulkEvents events) : in_(in), out_(out), events_(std::move(events)) {}

  // Starts both threads on a connection whose handshake is done.
  void attach(std::unique_ptr<transport::Channel> channel);
  bool attached() const { return channel_ != nullptr; }
  // Sends a chunk of the outgoing staging and releases it. May be called before attach().
  void send(LandedChunk chunk, std::function<void()> released);
  void stop();

  uint64_t bytes_in() const { return bytes_in_; }
  uint64_t bytes_out() const { return bytes_out_; }

 private:
  struct Outgoing {
    LandedChunk chunk;
    std::function<void()> released;
  };

  void receive_loop();
  void receive_chunk();
  void receive_copy(const wire::ChunkHeader& header);
  void receive_attachment(const wire::ChunkHeader& header);
  void check(const wire::ChunkHeader& header);
  void read_all(void* data, size_t size);
  void send_loop();
  bool write_chunk(const LandedChunk& chunk);

  // Attachments (module images) are kept in ordinary memory.
  static constexpr uint64_t kMaxAttachment = 4ull << 30;

  Staging& in_;
  Staging& out_;
  BulkEvents events_;
  std::unique_ptr<transport::Channel> channel_;
  wire::ChunkHeader expected_ = {};  // of the transfer under way
  std::vector<std::byte> attachment_;
  std::mutex lock_;
  std::condition_variable changed_;
  std::deque<Outgoing> queue_;
  bool stopped_ = false;
  std::atomic<uint64_t> bytes_in_{0};
  std::atomic<uint64_t> bytes_out_{0};
};

}  // namespace bitfusion::worker
