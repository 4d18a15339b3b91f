// The worker's end of a command connection: frames in, replies out, never blocking.
#pragma once

#include <sys/uio.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "transport/channel.h"
#include "wire/frame.h"
#include "worker/frame_splitter.h"

namespace bitfusion::worker {

class Port {
 public:
  void attach(std::unique_ptr<transport::Channel> channel) { channel_ = std::move(channel); }
  bool attached() const { return channel_ != nullptr; }
  int fd() const { return channel_->fd(); }

  // Takes what has arrived; false when nothing had. gone() says whether the client has closed.
  bool read();
  bool next(FrameView* frame) { return splitter_.next(frame); }
  bool gone() const { return gone_; }

  void reply(wire::ReplyHeader header, std::span<const std::byte> payload);
  // Writes what it can.
  void flush();
  bool has_unsent() const { return sent_ < out_.size(); }
  // The client does not take its replies.
  bool is_choked() const { return out_.size() - sent_ > kMaxUnsent; }

  uint64_t bytes_in() const { return bytes_in_; }
  uint64_t bytes_out() const { return bytes_out_; }

 private:
  static constexpr size_t kMaxUnsent = 256u << 20;

  std::unique_ptr<transport::Channel> channel_;
  FrameSplitter splitter_;
  std::vector<std::byte> out_;
  size_t sent_ = 0;
  bool gone_ = false;
  std::atomic<uint64_t> bytes_in_{0};
  std::atomic<uint64_t> bytes_out_{0};
};

}  // namespace bitfusion::worker
