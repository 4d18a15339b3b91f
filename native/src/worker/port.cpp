#include "worker/port.h"

namespace bitfusion::worker {

bool Port::read() {
  std::span<std::byte> room = splitter_.room();
  if (room.empty()) return false;
  ssize_t got = channel_->read(room.data(), room.size());
  if (got < 0) gone_ = true;
  if (got <= 0) return false;
  splitter_.filled(static_cast<size_t>(got));
  bytes_in_ += static_cast<uint64_t>(got);
  return true;
}

void Port::reply(wire::ReplyHeader header, std::span<const std::byte> payload) {
  size_t size = wire::padded(sizeof(header) + payload.size());
  header.size = static_cast<uint32_t>(size);
  auto from = reinterpret_cast<const std::byte*>(&header);
  size_t end = out_.size() + size;
  out_.insert(out_.end(), from, from + sizeof(header));
  out_.insert(out_.end(), payload.begin(), payload.end());
  out_.resize(end);
}

void Port::flush() {
  while (has_unsent()) {
    iovec part{out_.data(), out_.size()};
    ssize_t sent = channel_->write(&part, 1, sent_);
    if (sent < 0) gone_ = true;
    if (sent <= 0) return;
    sent_ += static_cast<size_t>(sent);
    bytes_out_ += static_cast<uint64_t>(sent);
  }
  out_.clear();
  sent_ = 0;
}

}  // namespace bitfusion::worker
