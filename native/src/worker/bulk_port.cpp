#include "worker/bulk_port.h"

#include <poll.h>

#include <thread>
#include <utility>

#include "worker/executor.h"

namespace bitfusion::worker {
namespace {

struct Stopped {};

bool is_attachment(const wire::ChunkHeader& header) { return header.kind == static_cast<uint32_t>(wire::ChunkKind::kAttachment); }

}  // namespace

struct BulkPort::Growing {
  explicit Growing(std::shared_ptr<std::atomic<uint64_t>> all_, const wire::ChunkHeader& header)
      : all(std::move(all_)), number(header.bulk), total(header.total) {}
  ~Growing() { *all -= bytes.size(); }
  Growing(const Growing&) = delete;
  Growing& operator=(const Growing&) = delete;

  std::shared_ptr<std::atomic<uint64_t>> all;
  uint32_t number;
  uint64_t total;
  std::vector<std::byte> bytes;
};

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
  if (is_attachment(header))
    receive_attachment(header);
  else
    receive_copy(header);
}

// Whether the chunks of a copy come in order is seen where its frame is at hand.
void BulkPort::check(const wire::ChunkHeader& header) {
  bool known = is_attachment(header) || header.kind == static_cast<uint32_t>(wire::ChunkKind::kCopy);
  if (!known || header.bulk == 0 || header.size == 0 || header.size > wire::kMaxChunk || header.offset >= header.total ||
      header.size > header.total - header.offset)
    throw BadFrame{"a chunk of " + std::to_string(header.size) + " bytes in transfer " + std::to_string(header.bulk)};
  bool begins = header.offset == 0;
  bool continues = attachment_ && header.bulk == attachment_->number && header.offset == attachment_->bytes.size() &&
                   header.total == attachment_->total && is_attachment(header);
  if (attachment_ ? !continues : is_attachment(header) && !begins)
    throw BadFrame{"a chunk out of order in transfer " + std::to_string(header.bulk)};
}

void BulkPort::receive_copy(const wire::ChunkHeader& header) {
  std::byte* data = in_.try_acquire();
  if (!data) throw BadFrame{"more bytes of copies than the client may send"};
  read_all(data, header.size);
  events_.chunk({data, header});
}

void BulkPort::receive_attachment(const wire::ChunkHeader& header) {
  if (!attachment_) attachment_ = std::make_shared<Growing>(attached_bytes_, header);
  // Grows with what has really come, not with what was promised.
  std::vector<std::byte>& bytes = attachment_->bytes;
  size_t before = bytes.size();
  if ((*attached_bytes_ += header.size) > kMaxAttachments) throw BadFrame{"large arguments of more than 2 GiB at once"};
  bytes.resize(before + header.size);
  read_all(bytes.data() + before, header.size);
  if (bytes.size() < header.total) return;
  events_.attachment(header.bulk, Attachment(attachment_, &bytes));
  attachment_ = nullptr;
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

void BulkPort::send(StagedChunk chunk, std::function<void()> released) {
  std::lock_guard guard(lock_);
  queue_.push_back({chunk, std::move(released)});
  changed_.notify_one();
}

void BulkPort::abandon(uint32_t transfer) {
  {
    std::lock_guard guard(lock_);
    if (++abandoned_ > kMaxAbandoned) throw BadFrame{"too many failed copies that are not taken"};
  }
  send({nullptr, {transfer, 0, 0, 0, static_cast<uint32_t>(wire::ChunkKind::kAbandoned), 0}}, nullptr);
}

void BulkPort::send_credit(uint32_t transfer, uint32_t chunks) {
  std::lock_guard guard(lock_);
  credits_[transfer] += chunks;
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
    changed_.wait(guard, [this] { return stopped_ || !queue_.empty() || !credits_.empty(); });
    if (stopped_ || !send_credits(guard)) return;
    if (queue_.empty()) continue;
    Outgoing next = std::move(queue_.front());
    queue_.pop_front();
    if (!next.chunk.data) --abandoned_;
    guard.unlock();
    bool sent = write(next.chunk.header, next.chunk.data, next.chunk.header.size);
    if (next.chunk.data) {
      out_.release(next.chunk.data);
      next.released();
    }
    guard.lock();
    if (!sent) return;  // the receiving thread reports the end of the connection
  }
}

// Before the chunks: they are short, and somebody may wait for them.
bool BulkPort::send_credits(std::unique_lock<std::mutex>& guard) {
  auto credits = std::exchange(credits_, {});
  guard.unlock();
  bool sent = true;
  for (auto [transfer, chunks] : credits)
    sent = sent && write({transfer, chunks, 0, 0, static_cast<uint32_t>(wire::ChunkKind::kCredit), 0}, nullptr, 0);
  guard.lock();
  return sent;
}

bool BulkPort::write(const wire::ChunkHeader& header, const std::byte* data, size_t size) {
  iovec parts[] = {{const_cast<wire::ChunkHeader*>(&header), sizeof(header)}, {const_cast<std::byte*>(data), size}};
  size_t total = sizeof(header) + size;
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
