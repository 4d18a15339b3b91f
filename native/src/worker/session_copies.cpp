// Linear copies between the client's memory and the device. Small ones are in their frames, large ones pass through staging in chunks.
#include <algorithm>
#include <utility>

#include "worker/session.h"

namespace bitfusion::worker {
namespace {

constexpr size_t kMaxDiscarded = 1u << 16;

CUdeviceptr device_at(const wire::CopyPayload& copy, uint64_t offset) { return static_cast<CUdeviceptr>(copy.device + offset); }

}  // namespace

wire::CopyPayload Session::copy_of(const wire::FrameHeader& header, std::span<const std::byte> payload) const {
  wire::Reader in(payload);
  auto copy = in.get<wire::CopyPayload>();
  bool in_frame = copy.bulk == 0;
  bool ok = in.ok() && copy.size > 0 && copy.wait <= wire::kHoldAll && copy.device + copy.size > copy.device;
  if (header.row == wire::kCopyIn)
    ok = ok && copy.bulk == header.bulk && (!in_frame || in.left() >= copy.size);
  else if (header.row == wire::kCopyOut)
    ok = ok && header.bulk == 0 && (!in_frame || copy.size <= wire::kMaxChunk / 2);
  else
    throw BadFrame{"an unknown control frame " + std::to_string(header.row)};
  if (!ok) throw BadFrame{"a copy that does not add up"};
  return copy;
}

bool Session::start_copy(const wire::FrameHeader& header, std::span<const std::byte> payload, Held* held) {
  wire::CopyPayload copy = copy_of(header, payload);
  CUresult status = CUDA_SUCCESS;
  Streams::Stream* stream = stream_of(header, copy.stream, &status);
  if (stream && !(held ? std::exchange(held->checked, true) : copy.bulk != 0) && table_.owns &&
      !table_.owns(state_, copy.device, copy.size))
    status = CUDA_ERROR_INVALID_VALUE;
  if (status != CUDA_SUCCESS) return fail_copy(header, copy, status), true;
  if (!streams_.has_room(*stream)) {
    stream->awaited = true;
    return false;
  }
  stream->awaited = false;
  if (header.row == wire::kCopyIn && copy.bulk == 0)
    return copy_in_inline(header, copy, payload.data() + sizeof(wire::CopyPayload), *stream, held);
  if (header.row == wire::kCopyIn) return held && copy_in_bulk(header, copy, *stream, held);
  return copy.bulk ? held && copy_out_bulk(header, copy, *stream, held) : copy_out_inline(header, copy, *stream, held);
}

// The driver takes copies of up to 64 KiB from pageable memory before it returns.
bool Session::copy_in_inline(const wire::FrameHeader& header, const wire::CopyPayload& copy, const std::byte* bytes,
                             Streams::Stream& stream, Held* held) {
  if (held && held->started) return false;
  bool hold_all = copy.wait == wire::kHoldAll;
  if (hold_all && !held) return false;
  CUresult status = driver_.copy_in(device_at(copy, 0), bytes, copy.size, stream.handle);
  if (status == CUDA_SUCCESS && hold_all) {
    held->started = true;
    status = streams_.watch(stream, [this, held](CUresult done) {
      finish(held->header, done);
      board_.release(held);
    });
    if (status == CUDA_SUCCESS) return false;
  }
  if (status == CUDA_SUCCESS) streams_.count(stream);
  finish(header, status);
  return true;
}

void Session::chunk_landed(StagedChunk staged) {
  uint32_t number = staged.header.bulk;
  IncomingChunk chunk{staged, credit_.spend(number)};
  if (chunk.source == Credit::Source::kNone) throw BadFrame{"more bytes of copies than the client may send"};
  if (discarded_.contains(number))
    discard(chunk);
  else
    incoming_[number].push_back(chunk);
}

void Session::release_incoming(const IncomingChunk& chunk) {
  staging_in_.release(chunk.staged.data);
  if (credit_.give_back(chunk.source)) bulk_.send_credit(0, 1);
}

// Lets the client send more of a transfer whose bytes can be used at once.
void Session::grant(uint32_t transfer, uint64_t bytes_left) {
  uint32_t chunks = credit_.grant(transfer, (bytes_left + wire::kMaxChunk - 1) / wire::kMaxChunk);
  if (chunks) bulk_.send_credit(transfer, chunks);
}

// Whether nothing stands before the copy on its stream, so that chunks which it gets come free again by themselves.
bool Session::is_at_head(Held* held, Streams::Stream& stream) {
  if (held->head) return *held->head;
  held->head = std::make_shared<bool>(false);
  // A stream that takes no marker takes no copy either: it fails at once.
  if (streams_.watch(stream, [head = held->head](CUresult) { *head = true; }) != CUDA_SUCCESS) *held->head = true;
  return *held->head;
}

std::byte* Session::acquire_outgoing(Held* held, Streams::Stream& stream) {
  if (std::byte* data = staging_out_.try_acquire(Credit::kReserve)) return data;
  return held && is_at_head(held, stream) ? staging_out_.try_acquire() : nullptr;
}

bool Session::copy_in_bulk(const wire::FrameHeader& header, const wire::CopyPayload& copy, Streams::Stream& stream, Held* held) {
  register_staging();
  auto arrived = incoming_.find(copy.bulk);
  while (arrived != incoming_.end() && !arrived->second.empty()) {
    IncomingChunk chunk = arrived->second.front();
    arrived->second.pop_front();
    const wire::ChunkHeader& header_of_chunk = chunk.staged.header;
    if (header_of_chunk.total != copy.size || header_of_chunk.offset != held->progress) throw BadFrame{"a copy and its bytes do not agree"};
    enqueue_chunk(chunk, copy, stream, held);
  }
  if (held->progress < copy.size) {
    if (credit_.is_spent() && is_at_head(held, stream)) grant(copy.bulk, copy.size - held->progress);
    return false;
  }
  incoming_.erase(copy.bulk);
  finish_copy(header, copy, stream, held->status);
  return true;
}

void Session::enqueue_chunk(const IncomingChunk& chunk, const wire::CopyPayload& copy, Streams::Stream& stream, Held* held) {
  const auto& [data, header] = chunk.staged;
  held->progress += header.size;
  if (held->status == CUDA_SUCCESS) held->status = driver_.copy_in(device_at(copy, header.offset), data, header.size, stream.handle);
  if (held->status == CUDA_SUCCESS) held->status = streams_.watch(stream, [this, chunk](CUresult) { release_incoming(chunk); });
  if (held->status != CUDA_SUCCESS) release_incoming(chunk);
}

bool Session::copy_out_inline(const wire::FrameHeader& header, const wire::CopyPayload& copy, Streams::Stream& stream, Held* held) {
  register_staging();
  std::byte* data = acquire_outgoing(held, stream);
  if (!data) return false;
  CUresult status = driver_.copy_out(data, device_at(copy, 0), copy.size, stream.handle);
  if (status == CUDA_SUCCESS) {
    status = streams_.watch(stream, [this, header, data, size = copy.size, &stream](CUresult done) {
      if (done == CUDA_SUCCESS) done = let_print(header, stream);
      finish(header, done, done == CUDA_SUCCESS ? std::span(data, size) : std::span<std::byte>());
      staging_out_.release(data);
    });
  }
  if (status == CUDA_SUCCESS) return true;
  staging_out_.release(data);
  finish(header, status);
  return true;
}

bool Session::copy_out_bulk(const wire::FrameHeader& header, const wire::CopyPayload& copy, Streams::Stream& stream, Held* held) {
  register_staging();
  if (!held->over) held->over = std::make_shared<bool>(false);
  while (held->progress < copy.size && !*held->over) {
    std::byte* data = acquire_outgoing(held, stream);
    if (!data) return false;
    auto size = static_cast<uint32_t>(std::min<uint64_t>(copy.size - held->progress, wire::kMaxChunk));
    const StagedChunk chunk{data, {copy.bulk, size, held->progress, copy.size, static_cast<uint32_t>(wire::ChunkKind::kCopy), 0}};
    CUresult status = enqueue_out(header, copy, stream, chunk, held->over);
    if (status != CUDA_SUCCESS) send_out(header, chunk, held->over.get(), status);
    held->progress += size;
  }
  return true;
}

// One chunk on its way out: device, staging, bulk connection.
CUresult Session::enqueue_out(const wire::FrameHeader& header, const wire::CopyPayload& copy, Streams::Stream& stream,
                              const StagedChunk& chunk, std::shared_ptr<bool> over) {
  CUresult status = driver_.copy_out(chunk.data, device_at(copy, chunk.header.offset), chunk.header.size, stream.handle);
  if (status != CUDA_SUCCESS) return status;
  return streams_.watch(stream, [this, header, chunk, over = std::move(over), &stream](CUresult done) {
    bool last = chunk.header.offset + chunk.header.size == chunk.header.total;
    if (last && !*over && done == CUDA_SUCCESS && (header.flags & wire::kWantsReply)) done = let_print(header, stream);
    send_out(header, chunk, over.get(), done);
  });
}

// A chunk is in staging, or its copy has failed. The last one completes the transfer and answers the call, the first that fails ends both.
void Session::send_out(const wire::FrameHeader& header, const StagedChunk& chunk, bool* over, CUresult status) {
  if (*over || status != CUDA_SUCCESS) {
    staging_out_.release(chunk.data);
    if (!std::exchange(*over, true)) {
      abandon_out(chunk.header.bulk);
      finish(header, status);
    }
    return;
  }
  bulk_.send(chunk, [this] { mailbox_.post([] {}); });
  if (chunk.header.offset + chunk.header.size < chunk.header.total) return;
  *over = true;
  ++out_completed_;
  if (header.flags & wire::kWantsReply) finish(header, status);
}

// The client keeps the place of a transfer until it has landed, or hears that it will not.
void Session::abandon_out(uint32_t transfer) {
  bulk_.abandon(transfer);
  ++out_completed_;
}

void Session::finish_copy(const wire::FrameHeader& header, const wire::CopyPayload& copy, Streams::Stream& stream, CUresult status) {
  if (status == CUDA_SUCCESS && copy.wait == wire::kReplyWhenDone)
    status = streams_.watch(
        stream, [this, header, &stream](CUresult done) { finish(header, done == CUDA_SUCCESS ? let_print(header, stream) : done); });
  else if (status == CUDA_SUCCESS)
    return;
  if (status != CUDA_SUCCESS) finish(header, status);
}

// The bytes of a copy that cannot run are still to come; they are thrown away as they land.
void Session::fail_copy(const wire::FrameHeader& header, const wire::CopyPayload& copy, CUresult status) {
  if (header.row == wire::kCopyOut && copy.bulk) abandon_out(copy.bulk);
  finish(header, status);
  if (header.row != wire::kCopyIn || !header.bulk) return;
  if (discarded_.size() == kMaxDiscarded) throw BadFrame{"too many copies without their bytes"};
  discarded_[header.bulk] = copy.size;
  if (auto arrived = incoming_.extract(header.bulk)) {
    for (const IncomingChunk& chunk : arrived.mapped()) discard(chunk);
  }
}

void Session::discard(const IncomingChunk& chunk) {
  auto transfer = discarded_.find(chunk.staged.header.bulk);
  if (transfer == discarded_.end() || chunk.staged.header.size > transfer->second) throw BadFrame{"a copy and its bytes do not agree"};
  transfer->second -= chunk.staged.header.size;
  if (transfer->second == 0) discarded_.erase(transfer);
  release_incoming(chunk);
}

void Session::grant_discarded() {
  for (const auto& [transfer, left] : discarded_) {
    if (!credit_.has_reserve()) return;
    grant(transfer, left);
  }
}

// Page-locks the staging in the first context that copies, and in the next when that has ended. If it fails, copies are slower but right.
void Session::register_staging() {
  if (staging_context_) return;
  staging_context_ = context_;
  driver_.host_register(staging_in_.memory(), Staging::size(), CU_MEMHOSTREGISTER_PORTABLE);
  driver_.host_register(staging_out_.memory(), Staging::size(), CU_MEMHOSTREGISTER_PORTABLE);
}

}  // namespace bitfusion::worker
