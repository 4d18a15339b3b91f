#include "transport/link.h"

#include <poll.h>
#include <pthread.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

#include "transport/link_impl.h"
#include "transport/tls.h"

namespace bitfusion::transport {
namespace {

// Copies up to this size travel inside their frame.
constexpr size_t kInlineCopy = 64 * 1024;

constexpr uint32_t kOutOfMemory = 2;  // CUDA_ERROR_OUT_OF_MEMORY, of the host
constexpr uint32_t kInvalidValue = 1;
// What a server that hangs up has said before is here by then.
constexpr int64_t kLastWordsNs = 200'000'000;

// The link that a forked child must not use.
Link::Impl* process_link;

void after_fork_in_child() {
  if (process_link) process_link->after_fork();
}

}  // namespace

Reply::~Reply() {
  if (data_ != inline_) std::free(data_);
}

std::byte* Reply::prepare(size_t size) {
  if (size > kInline) {
    auto* memory = static_cast<std::byte*>(std::malloc(size));
    if (!memory) return nullptr;
    data_ = memory;
  }
  size_ = size;
  return data_;
}

Frame::Frame(Link& link, uint16_t row, uint64_t context, size_t bound) : link_(link) {
  Link::Impl& impl = *link.impl_;
  if (!impl.alive.load(std::memory_order_relaxed)) return;
  start_ = impl.outbox.reserve(wire::padded(sizeof(wire::FrameHeader) + bound));
  if (!start_) return;
  open_ = true;
  wire::FrameHeader header{0, row, 0, ++impl.last_sequence, context, Link::thread_number(), 0};
  std::memcpy(start_, &header, sizeof(header));
  out_ = wire::Writer(start_ + sizeof(header), bound);
}

Frame::~Frame() {
  if (!open_) return;
  --link_.impl_->last_sequence;
  link_.impl_->outbox.cancel();
}

// Completes the header and lets other threads write.
uint64_t Frame::commit(uint16_t flags, uint32_t bulk) {
  wire::FrameHeader header;
  std::memcpy(&header, start_, sizeof(header));
  size_t used = sizeof(header) + out_.size();
  header.size = static_cast<uint32_t>(wire::padded(used));
  std::memset(start_ + used, 0, header.size - used);
  header.flags = flags;
  header.bulk = bulk;
  std::memcpy(start_, &header, sizeof(header));
  open_ = false;
  link_.impl_->frames.fetch_add(1, std::memory_order_relaxed);
  link_.impl_->outbox.commit(header.size);
  return header.sequence;
}

uint32_t Frame::send() {
  if (!open_) return kLinkGone;
  if (!out_.ok()) return kInvalidValue;
  return send_async(0, 0);
}

uint32_t Frame::send_async(uint16_t flags, uint32_t bulk) {
  const bool mark_due = Pace::is_mark_due(sizeof(wire::FrameHeader) + out_.size());
  commit(flags, bulk);
  if (!link_.impl_->flusher.sent_async()) return link_.lost();
  return mark_due ? link_.mark_place() : 0;
}

uint32_t Frame::call(Reply* reply) {
  if (!open_) return kLinkGone;
  if (!out_.ok()) return kInvalidValue;
  return exchange(reply, 0, nullptr);
}

uint32_t Frame::call_with_bulk(Reply* reply, const void* data, size_t size) {
  if (!open_) return kLinkGone;
  if (!out_.ok() || size == 0) return kInvalidValue;
  Outgoing item;
  item.data = static_cast<const std::byte*>(data);
  item.size = size;
  item.kind = wire::ChunkKind::kAttachment;
  return exchange(reply, wire::kHasBulk, &item);
}

uint32_t Frame::exchange(Reply* reply, uint16_t flags, Outgoing* attachment) {
  Link::Impl& impl = *link_.impl_;
  Waiter waiter;
  waiter.reply = reply;
  waiter.sequence = impl.last_sequence;
  impl.receiver.add(&waiter);
  commit(flags | wire::kWantsReply, attachment ? impl.bulk.enqueue(attachment) : 0);
  impl.flusher.sent_sync();
  impl.round_trips.fetch_add(1, std::memory_order_relaxed);
  if (!impl.outbox.flush()) link_.lost();
  if (attachment && !impl.bulk.finish(attachment)) link_.lost();
  impl.receiver.wait(&waiter);
  waiter.printed.write_out();
  if (!impl.bulk.wait_landed(waiter.landed)) return link_.lost();
  return waiter.status;
}

Link* Link::open(const Allocation& allocation, const LinkOptions& options, char* error, size_t error_size) {
  auto* impl = new (std::nothrow) Impl;
  if (!impl) {
    std::snprintf(error, error_size, "out of memory");
    return nullptr;
  }
  if (!impl->start(allocation, options, error, error_size)) {
    delete impl;
    return nullptr;
  }
  process_link = impl;
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, [] { pthread_atfork(nullptr, nullptr, after_fork_in_child); });
  return &impl->link;
}

bool Link::alive() const { return impl_->alive.load(std::memory_order_acquire); }
const char* Link::reason() const { return impl_->reason_set.load(std::memory_order_acquire) ? impl_->reason : ""; }
uint32_t Link::peek_error() const { return impl_->latched.load(std::memory_order_relaxed); }

uint32_t Link::take_error() {
  return impl_->latched.load(std::memory_order_relaxed) ? impl_->latched.exchange(0, std::memory_order_relaxed) : 0;
}

// Something could not be sent. The server may have said why before it hung up: that is still to be read, here or by whoever reads now.
uint32_t Link::lost() {
  const int64_t give_up = now_ns() + kLastWordsNs;
  while (alive() && now_ns() < give_up) {
    if (!impl_->receiver.drain()) wait_for(impl_->channel.fd(), POLLIN, 1);
  }
  impl_->fail("the connection to the GPU server was lost");
  return kLinkGone;
}

uint32_t Link::mark_place() {
  if (!impl_->outbox.flush()) return lost();  // the mark before may still be in it
  const uint32_t thread = thread_number();
  if (!impl_->pace.begin_mark(thread)) return 0;
  return Frame(*this, wire::kMark, 0, 0).send();
}

uint32_t Link::copy_in(uint64_t context, uint64_t stream, uint64_t device, const void* source, size_t size, CopyMode mode) {
  if (size == 0) return 0;
  if (size > kInlineCopy) return copy_in_large(context, stream, device, source, size, mode);
  Frame frame(*this, wire::kCopyIn, context, sizeof(wire::CopyPayload) + size);
  uint32_t wait = mode == CopyMode::kBlocking ? wire::kHoldAll : wire::kNoWait;
  frame.out().put(wire::CopyPayload{stream, device, size, 0, wait});
  frame.out().bytes(source, size);
  return frame.send();
}

uint32_t Link::copy_in_large(uint64_t context, uint64_t stream, uint64_t device, const void* source, size_t size, CopyMode mode) {
  if (!ready_for_bulk()) return kLinkGone;
  if (!impl_->bulk.ensure_receiver()) return kOutOfMemory;
  if (mode == CopyMode::kPinned && !impl_->bulk.ensure_sender()) mode = CopyMode::kPageable;
  Outgoing on_stack;
  Outgoing* item = mode == CopyMode::kPinned ? new (std::nothrow) Outgoing : &on_stack;
  if (!item) return kOutOfMemory;
  item->data = static_cast<const std::byte*>(source);
  item->size = size;
  item->owned = item != &on_stack;
  Frame frame(*this, wire::kCopyIn, context, sizeof(wire::CopyPayload));
  if (!frame.is_open()) {
    if (item->owned) delete item;
    return kLinkGone;
  }
  uint32_t wait = mode == CopyMode::kBlocking ? wire::kReplyWhenDone : wire::kNoWait;
  if (mode == CopyMode::kBlocking) {
    frame.out().put(wire::CopyPayload{stream, device, size, impl_->bulk.next_number(), wait});
    return frame.exchange(nullptr, wire::kHasBulk, item);
  }
  frame.out().put(wire::CopyPayload{stream, device, size, impl_->bulk.next_number(), wait});
  const uint32_t status = frame.send_async(wire::kHasBulk, impl_->bulk.enqueue(item));
  return mode == CopyMode::kPinned || impl_->bulk.finish(item) ? status : lost();
}

uint32_t Link::copy_out(uint64_t context, uint64_t stream, void* destination, uint64_t device, size_t size, CopyMode mode) {
  if (size == 0) return 0;
  if (size > kInlineCopy || mode == CopyMode::kPinned) return copy_out_bulk(context, stream, destination, device, size, mode);
  Reply reply;
  Frame frame(*this, wire::kCopyOut, context, sizeof(wire::CopyPayload));
  frame.out().put(wire::CopyPayload{stream, device, size, 0, wire::kReplyWhenDone});
  uint32_t status = frame.call(&reply);
  if (status) return status;
  auto bytes = reply.in().bytes(size);
  if (bytes.size() != size) return lost();
  std::memcpy(destination, bytes.data(), size);
  return 0;
}

uint32_t Link::copy_out_bulk(uint64_t context, uint64_t stream, void* destination, uint64_t device, size_t size, CopyMode mode) {
  if (!ready_for_bulk()) return kLinkGone;
  uint32_t number = impl_->bulk.expect(destination, size);
  if (!number) return kOutOfMemory;
  bool blocking = mode != CopyMode::kPinned;
  Frame frame(*this, wire::kCopyOut, context, sizeof(wire::CopyPayload));
  frame.out().put(wire::CopyPayload{stream, device, size, number, blocking ? wire::kReplyWhenDone : wire::kNoWait});
  uint32_t status = blocking ? frame.call(nullptr) : frame.send();
  if (status == kLinkGone) impl_->bulk.forget(number);  // of one that the driver refuses the worker says so behind what has come of it
  return status;
}

bool Link::ready_for_bulk() {
  char why[320];
  if (!alive()) return false;
  if (impl_->bulk.ensure_open(why, sizeof(why))) return true;
  impl_->fail(why);
  return false;
}

uint64_t Link::remember_host_function(HostFunction function, void* user_data, bool persistent) {
  return impl_->callbacks.remember(function, user_data, persistent);
}

uint64_t Link::remember_host_copy(HostCopyFunction function, void* user_data) {
  return impl_->callbacks.remember_copy(function, user_data);
}

bool Link::forget_host_function(uint64_t number) { return impl_->callbacks.forget(number); }

uint32_t Link::thread_number() {
  static std::atomic<uint32_t> last{0};
  static thread_local uint32_t number __attribute__((tls_model("initial-exec"))) = 0;
  if (!number) number = last.fetch_add(1, std::memory_order_relaxed) + 1;
  return number;
}

Link::Counters Link::counters() const {
  return {impl_->frames, impl_->round_trips, impl_->outbox.bytes_sent() + impl_->bulk.bytes_out(),
          impl_->receiver.bytes_received() + impl_->bulk.bytes_in()};
}

bool Link::Impl::start(const Allocation& from, const LinkOptions& options, char* error, size_t error_size) {
  allocation = from;
  identity.allocation = &allocation;
  std::memcpy(identity.spec_hash, options.spec_hash, sizeof(identity.spec_hash));
  if (!tls::random_bytes(identity.process, sizeof(identity.process)) || !outbox.init(&channel, &receiver) ||
      !receiver.init(&channel, this)) {
    std::snprintf(error, error_size, "out of memory or of random bytes");
    return false;
  }
  bulk.init(&identity);
  callbacks.init(&receiver, this);
  pace.init(&receiver);
  flusher.init(&outbox);
  if (!open_connection(identity, wire::ConnectionKind::kCommand, &channel, error, error_size)) return false;
  alive = true;
  return true;
}

void Link::Impl::async_error(uint32_t status) {
  uint32_t none = 0;
  latched.compare_exchange_strong(none, status);
}

// The worker waits for the answer, and with it a stream.
void Link::Impl::callback(wire::Reader request, uint64_t landed, Printed printed) {
  if (!callbacks.arrived(request, landed, std::move(printed))) fail("there is no memory for a host function that the GPU server asks for");
}

void Link::Impl::ended(const char* why, size_t size) {
  char text[sizeof(reason)];
  std::snprintf(text, sizeof(text), "%.*s", static_cast<int>(size), why);
  fail(text);
}

void Link::Impl::wait_landed(uint64_t count) { bulk.wait_landed(count); }

void Link::Impl::callback_done(uint64_t number, HostBytes answer) {
  Frame frame(link, wire::kCallbackDone, 0, sizeof(number) + answer.size);
  frame.out().put(number);
  frame.out().bytes(answer.data, answer.size);
  frame.send();
}

void Link::Impl::fail(const char* why) {
  if (!alive.exchange(false)) return;
  std::snprintf(reason, sizeof(reason), "%s", why);
  reason_set.store(true, std::memory_order_release);
  std::fprintf(stderr, "bitfusion: %s\n", reason);
  channel.shut();
  bulk.fail();
  receiver.fail();
  callbacks.fail();
}

void Link::Impl::after_fork() {
  alive = false;
  channel.abandon();
  bulk.channel().abandon();
}

}  // namespace bitfusion::transport
