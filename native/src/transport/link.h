// The client's end of the connection between one process and its worker. It lives inside other people's processes: no exceptions,
// signals blocked in its threads, no SIGPIPE, unusable (but harmless) in a forked child.
//
// One Link per process, opened by the first call that needs the server and never destroyed. All methods are safe from any thread.
// Statuses are CUresult values; a link that is gone answers kLinkGone for good.
//
//   async:  Frame frame(link, kRowLaunch, context, bound);  frame.out().put(x);  frame.send();
//   sync:   Frame frame(link, kRowAlloc, context, bound);   frame.out().put(size);
//           Reply reply;  uint32_t status = frame.call(&reply);  auto pointer = reply.in().get<uint64_t>();
#pragma once

#include <cstddef>
#include <cstdint>

#include "transport/allocation.h"
#include "wire/frame.h"

namespace bitfusion::transport {

// CUDA_ERROR_DEVICE_UNAVAILABLE: the status of every call after the connection has been lost, and in a forked child.
constexpr uint32_t kLinkGone = 46;

class Link;
struct Outgoing;

// The answer to a synchronous call. Keeps up to kInline bytes without allocating.
class Reply {
 public:
  Reply() = default;
  ~Reply();
  Reply(const Reply&) = delete;
  Reply& operator=(const Reply&) = delete;

  wire::Reader in() const { return wire::Reader(data_, size_); }
  size_t size() const { return size_; }

 private:
  friend class Link;
  static constexpr size_t kInline = 256;
  std::byte* prepare(size_t size);  // room for `size` bytes; null when memory is short

  std::byte* data_ = inline_;
  size_t size_ = 0;
  alignas(8) std::byte inline_[kInline];
};

// A frame being written, straight into the outbox. Holds the outbox lock from construction to send()/call()/drop(): write the
// arguments and be done; never call anything that may block or re-enter the Link between.
class Frame {
 public:
  // `bound` is the most payload bytes that will be written, at most wire::kMaxFrame - sizeof(FrameHeader).
  Frame(Link& link, uint16_t row, uint64_t context, size_t bound);
  ~Frame();  // drops a frame that was neither sent nor called
  Frame(const Frame&) = delete;
  Frame& operator=(const Frame&) = delete;

  wire::Writer& out() { return out_; }

  // Sends without waiting for an answer; a thread that is far ahead of its streams waits for them. Returns 0, or kLinkGone.
  uint32_t send();
  // Sends and waits. Returns the call's CUresult; the results are in `reply`, which may be null when there are none.
  uint32_t call(Reply* reply);
  // The same for a call with a large host-memory argument, which travels on the bulk connection (module images and the like).
  uint32_t call_with_bulk(Reply* reply, const void* data, size_t size);

  bool is_open() const { return open_; }

 private:
  friend class Link;
  uint64_t commit(uint16_t flags, uint32_t bulk);
  uint32_t send_async(uint16_t flags, uint32_t bulk);
  uint32_t exchange(Reply* reply, uint16_t flags, Outgoing* attachment);

  Link& link_;
  wire::Writer out_;
  std::byte* start_ = nullptr;
  bool open_ = false;
};

enum class CopyMode : uint8_t {
  kBlocking,  // returns when the copy has finished: cuMemcpyHtoD, cuMemcpyDtoH
  kPinned,    // asynchronous, host memory stays valid and unchanged until the stream gets there: returns at once
  kPageable,  // asynchronous from pageable memory: in: returns when the bytes have been taken; out: when they have arrived
};

// A host function asked for by the worker (cuLaunchHostFunc, cuStreamAddCallback); runs on the link's callback thread.
using HostFunction = void (*)(void* user_data, uint32_t stream_status);

// A copy of host memory inside a graph, one piece at a time: `arrived` are its bytes from the device, empty when the piece is asked for. It
// then says where they are; they stay there until the graph has run on.
struct HostBytes {
  const std::byte* data = nullptr;
  size_t size = 0;
};
using HostCopyFunction = HostBytes (*)(void* user_data, uint32_t piece, HostBytes arrived);

struct LinkOptions {
  uint8_t spec_hash[32] = {};  // of native/spec; both ends must have been generated from the same one, see hello.h
};

class Link {
 public:
  // Connects, authenticates, starts nothing else. On failure returns null and says why in `error`.
  static Link* open(const Allocation& allocation, const LinkOptions& options, char* error, size_t error_size);

  // False after the connection has been lost or in a forked child; reason() then says why.
  bool alive() const;
  const char* reason() const;

  // First status of an asynchronous call that failed since the last take_error(); 0: none. Reported by the next call that may report it.
  // Errors of frames sent before a synchronous call are known when that call returns.
  uint32_t peek_error() const;
  uint32_t take_error();

  // Linear copies between host memory and the device, ordered on `stream` (named as frames name streams). Any size.
  uint32_t copy_in(uint64_t context, uint64_t stream, uint64_t device, const void* source, size_t size, CopyMode mode);
  uint32_t copy_out(uint64_t context, uint64_t stream, void* destination, uint64_t device, size_t size, CopyMode mode);

  // Remembers a host function and returns the number by which a frame names it; 0 when memory is short. Once: forgotten when it runs.
  // `persistent` (graph host nodes) ones may run many times, until forget_host_function().
  uint64_t remember_host_function(HostFunction function, void* user_data, bool persistent);
  // True: it will not run (again); what it would have freed is the caller's.
  bool forget_host_function(uint64_t number);
  // The same for a copy; persistent.
  uint64_t remember_host_copy(HostCopyFunction function, void* user_data);

  // Number of the calling thread in this process, from 1; FrameHeader::thread of its frames.
  static uint32_t thread_number();

  struct Counters {
    uint64_t frames, round_trips, bytes_out, bytes_in;
  };
  Counters counters() const;

  class Impl;

 private:
  friend class Frame;
  explicit Link(Impl* impl) : impl_(impl) {}
  static std::byte* reply_room(Reply& reply, size_t size) { return reply.prepare(size); }
  uint32_t copy_in_large(uint64_t context, uint64_t stream, uint64_t device, const void* source, size_t size, CopyMode mode);
  uint32_t copy_out_bulk(uint64_t context, uint64_t stream, void* destination, uint64_t device, size_t size, CopyMode mode);
  bool ready_for_bulk();
  uint32_t mark_place();
  uint32_t lost();

  Impl* impl_;
};

}  // namespace bitfusion::transport
