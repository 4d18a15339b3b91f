#include "transport/bulk.h"

#include <poll.h>

#include <algorithm>
#include <cstdio>
#include <new>

#include "transport/futex.h"

namespace bitfusion::transport {

bool Bulk::ensure_open(char* error, size_t error_size) {
  if (open_.load(std::memory_order_acquire)) return !failed_.load(std::memory_order_relaxed);
  Guard guard(open_lock_);
  if (open_.load(std::memory_order_relaxed)) return true;
  if (!open_connection(*identity_, wire::ConnectionKind::kBulk, &channel_, error, error_size)) return false;
  open_.store(true, std::memory_order_release);
  return true;
}

uint32_t Bulk::enqueue(Outgoing* item) {
  Guard guard(send_lock_);
  if (++last_number_ == 0) ++last_number_;  // 0 means none
  item->number = last_number_;
  *tail_ = item;
  tail_ = &item->next;
  send_changed_.notify_all();
  return last_number_;
}

// With send_lock_ held: sends a chunk, or an attachment, of the first that may go; the lock is released meanwhile. False: none may.
bool Bulk::send_next() {
  Outgoing* item = next_in_line();
  if (!item) return false;
  if (item->kind == wire::ChunkKind::kCopy) --(item->credit ? item->credit : credit_);
  sending_ = true;
  send_lock_.unlock();
  bool sent = !failed_.load(std::memory_order_relaxed) && send_part(*item);
  if (!sent) fail();
  send_lock_.lock();
  sending_ = false;
  if (!sent || item->sent == item->size) complete(item);
  send_changed_.notify_all();
  return true;
}

Outgoing* Bulk::next_in_line() {
  bool any = credit_ > 0 || failed_.load(std::memory_order_relaxed);
  Outgoing* item = head_;
  while (item && !any && !item->credit && item->kind == wire::ChunkKind::kCopy) item = item->next;
  return item;
}

void Bulk::complete(Outgoing* item) {
  Outgoing** link = &head_;
  while (*link != item) link = &(*link)->next;
  *link = item->next;
  if (!*link) tail_ = link;
  credit_ += item->credit;
  if (item->owned)
    delete item;
  else
    item->done = true;
}

void Bulk::add_credit(uint32_t number, uint32_t chunks) {
  Guard guard(send_lock_);
  Outgoing* item = head_;
  while (item && item->number != number) item = item->next;
  (item ? item->credit : credit_) += chunks;
  send_changed_.notify_all();
}

bool Bulk::finish(Outgoing* item) {
  Guard guard(send_lock_);
  while (!item->done) {
    if (sending_ || !send_next()) send_changed_.wait(send_lock_);
  }
  return !failed_.load(std::memory_order_relaxed);
}

bool Bulk::ensure_sender() {
  Guard guard(send_lock_);
  if (!sender_started_) sender_started_ = start_thread("bitfusion-send", sender_main, this);
  return sender_started_;
}

void* Bulk::sender_main(void* bulk) {
  static_cast<Bulk*>(bulk)->send_queue();
  return nullptr;
}

void Bulk::send_queue() {
  Guard guard(send_lock_);
  for (;;) {
    if (sending_ || !send_next()) send_changed_.wait(send_lock_);
  }
}

bool Bulk::send_part(Outgoing& item) {
  char why[320];
  if (!ensure_open(why, sizeof(why))) {
    std::fprintf(stderr, "bitfusion: %s\n", why);
    return false;
  }
  do {
    auto size = static_cast<uint32_t>(std::min<size_t>(item.size - item.sent, wire::kMaxChunk));
    wire::ChunkHeader header{item.number, size, item.sent, item.size, static_cast<uint32_t>(item.kind), 0};
    if (!write_chunk(header, item.data + item.sent)) return false;
    item.sent += size;
  } while (item.kind == wire::ChunkKind::kAttachment && item.sent < item.size);
  return true;
}

bool Bulk::write_chunk(const wire::ChunkHeader& header, const std::byte* data) {
  iovec parts[] = {{const_cast<wire::ChunkHeader*>(&header), sizeof(header)}, {const_cast<std::byte*>(data), header.size}};
  size_t total = sizeof(header) + header.size;
  for (size_t done = 0; done < total;) {
    ssize_t sent = channel_.write(parts, 2, done);
    if (sent < 0) return false;
    if (sent == 0) wait_for(channel_.fd(), POLLOUT, -1);
    done += static_cast<size_t>(sent);
  }
  bytes_out_.fetch_add(total, std::memory_order_relaxed);
  return true;
}

bool Bulk::ensure_receiver() {
  Guard guard(receive_lock_);
  if (!receiver_started_) receiver_started_ = start_thread("bitfusion-recv", receiver_main, this);
  return receiver_started_;
}

uint32_t Bulk::expect(void* destination, size_t size) {
  if (!ensure_receiver()) return 0;
  auto* item = new (std::nothrow) Incoming{0, static_cast<std::byte*>(destination), size, 0, nullptr};
  if (!item) return 0;
  Guard guard(receive_lock_);
  if (++last_expected_ == 0) ++last_expected_;
  item->number = last_expected_;
  item->next = incoming_;
  incoming_ = item;
  return item->number;
}

void Bulk::forget(uint32_t number) {
  Guard guard(receive_lock_);
  for (Incoming** link = &incoming_; *link; link = &(*link)->next) {
    if ((*link)->number != number) continue;
    Incoming* item = *link;
    *link = item->next;
    delete item;
    return;
  }
}

bool Bulk::wait_landed(uint64_t count) {
  int64_t spin_until = 0;
  while (landed_.load(std::memory_order_acquire) < count) {
    if (failed_.load(std::memory_order_acquire)) return false;
    uint32_t seen = landed_changed_.load(std::memory_order_acquire);
    if (landed_.load(std::memory_order_acquire) >= count) break;
    if (!spin_until) spin_until = now_ns() + spin_budget_ns();
    if (now_ns() < spin_until)
      relax();
    else
      futex_wait(landed_changed_, seen);
  }
  return true;
}

void* Bulk::receiver_main(void* argument) {
  auto* bulk = static_cast<Bulk*>(argument);
  while (bulk->receive_chunk()) {
  }
  bulk->fail();
  return nullptr;
}

bool Bulk::receive_chunk() {
  wire::ChunkHeader header;
  if (!read_all(&header, sizeof(header))) return false;
  if (header.kind == static_cast<uint32_t>(wire::ChunkKind::kCredit)) return add_credit(header.bulk, header.size), true;
  if (header.kind == static_cast<uint32_t>(wire::ChunkKind::kAbandoned)) return land(header.bulk), true;
  bool last = false;
  std::byte* place = place_of(header, &last);
  if (!place || !read_all(place, header.size)) return false;
  if (last) land(header.bulk);
  return true;
}

void Bulk::land(uint32_t number) {
  forget(number);
  landed_.fetch_add(1, std::memory_order_release);
  landed_changed_.fetch_add(1, std::memory_order_release);
  futex_wake(landed_changed_);
}

// Where a chunk belongs: in memory that the application gave us for this transfer, or nowhere (null).
std::byte* Bulk::place_of(const wire::ChunkHeader& header, bool* last) {
  Guard guard(receive_lock_);
  for (Incoming* item = incoming_; item; item = item->next) {
    if (item->number != header.bulk) continue;
    if (header.total != item->size || header.offset != item->received || header.size == 0) return nullptr;
    if (header.size > item->size - item->received) return nullptr;
    item->received += header.size;
    *last = item->received == item->size;
    return item->destination + header.offset;
  }
  return nullptr;
}

bool Bulk::read_all(void* data, size_t size) {
  auto at = static_cast<std::byte*>(data);
  while (size > 0) {
    ssize_t got = channel_.read(at, size);
    if (got < 0) return false;
    if (got == 0) wait_for(channel_.fd(), POLLIN, -1);
    at += got;
    size -= static_cast<size_t>(got);
    bytes_in_.fetch_add(static_cast<uint64_t>(got), std::memory_order_relaxed);
  }
  return true;
}

void Bulk::fail() {
  if (failed_.exchange(true)) return;
  channel_.shut();
  {
    Guard guard(send_lock_);
    send_changed_.notify_all();
  }
  landed_changed_.fetch_add(1, std::memory_order_release);
  futex_wake(landed_changed_);
}

}  // namespace bitfusion::transport
