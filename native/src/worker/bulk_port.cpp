#include "worker/bulk_port.h"

#include <poll.h>

#include <thread>

#include "worker/executor.h"

namespace bitfusion::worker {
namespace {

struct Stopped {};

}  // namespace

void BulkPort::attach(std::unique_ptr<transport::Channel> channel) {
  channel_ = std::move(channel);
  // Detached: the process ends around them.
  std::thread(&BulkPort::receive_loop, this).detach();
  std::thread(&BulkPort::send_loop, this).detach();
}

void BulkPort::receive_loop() {
  try {
    for (;;) receive_chunk();
  } catch (const BadFrame& bad) {
    events_.broken(bad.reason);
  } catch (const std::bad_alloc&) {
    events_.broken("no memory for a large argument");
  } catch (const Stopped&) {
    events_.broken("the client closed its bulk connection");
  }
}

void BulkPort::receive_chunk() {
  wire::ChunkHeader header;
  read_all(&header, sizeof(header));
  check(header);
  if (header.kind == static_cast<uint32_t>(wire::ChunkKind::kAttachment))
    receive_attachment(header);
  else
    receive_copy(header);
}

// Transfers do not mix: a chunk goes on where the one before ended, or begins the next transfer after a complete one.
void BulkPort::check(const wire::ChunkHeader& header) {
  bool begins = expected_.offset == expected_.total;
  bool continues = header.bulk == expected_.bulk && header.offset == expected_.offset && header.total == expected_.total &&
                   header.kind == expected_.kind;
  if (begins ? header.offset != 0 || header.total == 0 || header.bulk == 0 : !continues)
    throw BadFrame{"a chunk out of order in transfer " + std::to_string(header.bulk)};
  bool is_attachment = header.kind == static_cast<uint32_t>(wire::ChunkKind::kAttachment);
  if (header.kind > static_cast<uint32_t>(wire::ChunkKind::kAttachment) || header.size == 0 || header.size > wire::kMaxChunk ||
      header.size > header.total - header.offset || (is_attachment && header.total > kMaxAttachment))
    throw BadFrame{"a chunk of " + std::to_string(header.size) + " bytes in transfer " + std::to_string(header.bulk)};
  expected_ = header;
  expected_.offset += header.size;
}

void BulkPort::receive_copy(const wire::ChunkHeader& header) {
  std::byte* data = in_.acquire();
  if (!data) throw Stopped{};
  read_all(data, header.size);
  events_.chunk({data, header});
}

void BulkPort::receive_attachment(const wire::ChunkHeader& header) {
  // Grows with what has really come, not with what was promised.
  size_t before = attachment_.size();
  attachment_.resize(before + header.size);
  read_all(attachment_.data() + before, header.size);
  if (attachment_.size() < header.total) return;
  events_.attachment(header.bulk, std::move(attachment_));
  attachment_ = {};
}

void BulkPort::read_all(void* data, size_t size) {
  auto at = static_cast<std::byte*>(data);
  while (size > 0) {
    ssize_t got = channel_->read(at, size);
    if (got < 0) throw Stopped{};
    if (got == 0) transport::wait_for(channel_->fd(), POLLIN, -1);
    at += got;
    size -= static_cast<size_t>(got);
    bytes_in_ += static_cast<uint64_t>(got);
  }
}

void BulkPort::send(LandedChunk chunk, std::function<void()> released) {
  std::lock_guard guard(lock_);
  queue_.push_back({chunk, std::move(released)});
  changed_.notify_one();
}

void BulkPort::stop() {
  std::lock_guard guard(lock_);
  stopped_ = true;
  changed_.notify_all();
  if (channel_) channel_->shut();
}

void BulkPort::send_loop() {
  std::unique_lock guard(lock_);
  for (;;) {
    changed_.wait(guard, [this] { return stopped_ || !queue_.empty(); });
    if (stopped_) return;
    Outgoing next = std::move(queue_.front());
    queue_.pop_front();
    guard.unlock();
    bool sent = write_chunk(next.chunk);
    out_.release(next.chunk.data);
    next.released();
    guard.lock();
    if (!sent) return;  // the receiving thread reports the end of the connection
  }
}

bool BulkPort::write_chunk(const LandedChunk& chunk) {
  iovec parts[] = {{const_cast<wire::ChunkHeader*>(&chunk.header), sizeof(chunk.header)}, {chunk.data, chunk.header.size}};
  size_t total = sizeof(chunk.header) + chunk.header.size;
  for (size_t done = 0; done < total;) {
    ssize_t sent = channel_->write(parts, 2, done);
    if (sent < 0) return false;
    if (sent == 0) transport::wait_for(channel_->fd(), POLLOUT, -1);
    done += static_cast<size_t>(sent);
  }
  bytes_out_ += total;
  return true;
}

}  // namespace bitfusion::worker
