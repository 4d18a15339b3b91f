// The frames of the command stream and their bounds-checked reader and writer.
//
// A client process has one program-ordered command stream. Requests flow to the worker as FrameHeader + payload, answers flow back as
// ReplyHeader + payload. Both sizes include the header and are multiples of 8, so that payload words stay aligned. Everything is
// little-endian, as both ends are (x86-64, aarch64). What a payload means is decided by the row of native/spec that the frame names.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

namespace bitfusion::wire {

constexpr uint32_t kFrameAlignment = 8;
// Larger payloads travel on the bulk connection.
constexpr uint32_t kMaxFrame = 1u << 20;
// Most bytes behind a ReplyHeader.
constexpr uint32_t kMaxReply = kMaxFrame - 32;

enum FrameFlags : uint16_t {
  kWantsReply = 1 << 0,  // a client thread waits for the answer
  kHasBulk = 1 << 1,     // FrameHeader::bulk names a transfer, client to worker, that belongs to this frame
};

// Rows from kFirstControlRow on are the transport's own; the rows of native/spec lie below.
enum ControlRow : uint16_t {
  kFirstControlRow = 0xFF00,
  kCopyIn = kFirstControlRow,  // CopyPayload; host to device, bytes inline behind it or on the bulk connection
  kCopyOut,                    // CopyPayload; device to host, bytes in the reply or on the bulk connection
  kCallbackDone,               // u64 callback: the client's host function has returned; behind it the bytes it was asked for
  kMark,                       // answered (kMarkReached) as soon as little of the thread is held; a thread has one unanswered at most
};

struct FrameHeader {
  uint32_t size;      // of the whole frame
  uint16_t row;       // number of the spec row, or a ControlRow
  uint16_t flags;     // FrameFlags
  uint64_t sequence;  // 1, 2, 3... over the life of the client process
  uint64_t context;   // context that is current in the calling thread, as the server named it; 0: none
  uint32_t thread;    // number of the calling thread, from 1
  uint32_t bulk;      // number of the transfer when kHasBulk is set
};
static_assert(sizeof(FrameHeader) == 32);

enum class ReplyKind : uint16_t {
  kReply = 1,        // answers the frame `sequence`; payload: the call's results
  kAsyncError = 2,   // frame `sequence`, which wanted no reply, failed with `status`; payload: u32 row
  kCallback = 3,     // run a host function; payload: CallbackPayload
  kEnd = 4,          // the worker ends the session; payload: UTF-8 reason
  kOutput = 5,       // kernels printed; payload: OutputPayload and text, for standard output before the next kReply or kCallback acts
  kMarkReached = 6,  // answers the last kMark of `thread`
};

struct ReplyHeader {
  uint32_t size;
  uint16_t kind;      // ReplyKind
  uint16_t reserved;  // 0
  uint64_t sequence;  // of the request
  uint64_t landed;    // this many device-to-host transfers precede this reply: hold it until they are in client memory
  uint32_t status;    // CUresult
  uint32_t thread;    // of the request
};
static_assert(sizeof(ReplyHeader) == kMaxFrame - kMaxReply);

enum CopyWait : uint32_t {
  kNoWait = 0,     // ordered on its stream, nothing else
  kReplyWhenDone,  // the reply is sent when the copy has finished
  kHoldAll,        // no reply, but later frames of any stream run after it: a small blocking copy whose caller has gone on
};

struct CopyPayload {
  uint64_t stream;  // as frames name streams
  uint64_t device;  // device address
  uint64_t size;    // bytes
  uint32_t bulk;    // number of the transfer; 0: the bytes are inline
  uint32_t wait;    // CopyWait
};
static_assert(sizeof(CopyPayload) == 32);

// Behind it, for copies of host memory inside graphs: a piece of what has come from the device.
struct CallbackPayload {
  uint64_t callback;  // the client's number for the host function
  uint32_t status;    // status of the stream, for cuStreamAddCallback
  uint32_t piece;     // number of the piece, for copies; kNotice: nobody waits, there is no kCallbackDone
};
static_assert(sizeof(CallbackPayload) == 16);
constexpr uint32_t kNotice = 0xFFFFFFFF;
// Bytes of one piece of a copy inside a graph.
constexpr size_t kHostPiece = 512u << 10;

// Most text between two frames of kReply or kCallback; what kernels print beyond is dropped.
constexpr size_t kMaxOutput = 64u << 20;
// A longer text takes several frames.
constexpr size_t kMaxOutputFrame = kMaxFrame / 2;

struct OutputPayload {
  uint64_t dropped;  // bytes that went over kMaxOutput
  uint32_t size;     // bytes of text behind it
  uint32_t reserved;
};
static_assert(sizeof(OutputPayload) == 16);

enum class ChunkKind : uint32_t {
  kCopy = 0,        // of a copy between host and device
  kAttachment = 1,  // of a large argument (Frame::call_with_bulk); its chunks follow each other without others between
  kCredit = 2,      // worker to client, no bytes behind it: `size` more chunks may be sent of transfer `bulk`, of any copy where that is 0
  kAbandoned = 3,   // worker to client, no bytes behind it: copy `bulk` has failed, no more of it comes; it counts as landed
};

// Precedes every chunk on a bulk connection, in either direction. Chunks of copies need credit, each the same whatever its size: the worker
// has room for so many. Credit for a transfer that is over, or is not spent when it is, counts for any copy.
struct ChunkHeader {
  uint32_t bulk;      // number of the transfer
  uint32_t size;      // bytes of the chunk, 1 to kMaxChunk; chunks of kCredit
  uint64_t offset;    // within the transfer; chunks of a transfer come in order
  uint64_t total;     // bytes of the transfer
  uint32_t kind;      // ChunkKind
  uint32_t reserved;  // 0
};
static_assert(sizeof(ChunkHeader) == 32);

constexpr uint32_t kMaxChunk = 1u << 20;
// What a client may send of copies before the first kCredit.
constexpr uint32_t kFirstCredit = 24;

constexpr size_t padded(size_t size) { return (size + kFrameAlignment - 1) & ~size_t{kFrameAlignment - 1}; }

// Reads a payload that may be hostile. A read past the end returns zeroes and makes ok() false for good, so a decoder may read all its
// fields and check once.
class Reader {
 public:
  Reader() = default;
  Reader(const void* data, size_t size) : at_(static_cast<const std::byte*>(data)), end_(at_ + size) {}
  explicit Reader(std::span<const std::byte> data) : Reader(data.data(), data.size()) {}

  bool ok() const { return ok_; }
  size_t left() const { return static_cast<size_t>(end_ - at_); }

  template <typename T>
  T get() {
    static_assert(std::is_trivially_copyable_v<T>);
    T value{};
    if (const std::byte* from = take(sizeof(T))) std::memcpy(&value, from, sizeof(T));
    return value;
  }

  // The next `size` bytes, in place; empty and !ok() when there are fewer.
  std::span<const std::byte> bytes(size_t size) {
    const std::byte* from = take(size);
    return from ? std::span(from, size) : std::span<const std::byte>();
  }

  // A u32 length and that many bytes.
  std::span<const std::byte> blob() { return bytes(get<uint32_t>()); }
  std::string_view text() {
    auto raw = blob();
    return {reinterpret_cast<const char*>(raw.data()), raw.size()};
  }

  // Skips to the next multiple of `alignment` (a power of two) counted from `origin`, the start of the payload.
  void align(const std::byte* origin, size_t alignment) {
    size_t offset = static_cast<size_t>(at_ - origin);
    take(((offset + alignment - 1) & ~(alignment - 1)) - offset);
  }
  const std::byte* position() const { return at_; }
  std::span<const std::byte> rest() { return bytes(left()); }

 private:
  const std::byte* take(size_t size) {
    if (!ok_ || size > left()) {
      ok_ = false;
      return nullptr;
    }
    const std::byte* from = at_;
    at_ += size;
    return from;
  }

  const std::byte* at_ = nullptr;
  const std::byte* end_ = nullptr;
  bool ok_ = true;
};

// Writes into memory that the caller owns. A write past the end writes nothing and makes ok() false for good.
class Writer {
 public:
  Writer() = default;
  Writer(void* data, size_t capacity) : begin_(static_cast<std::byte*>(data)), at_(begin_), end_(begin_ + capacity) {}

  bool ok() const { return ok_; }
  size_t size() const { return static_cast<size_t>(at_ - begin_); }

  template <typename T>
  void put(const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    if (std::byte* to = take(sizeof(T))) std::memcpy(to, &value, sizeof(T));
  }
  void bytes(const void* data, size_t size) {
    std::byte* to = take(size);
    if (to && size) std::memcpy(to, data, size);
  }
  void blob(const void* data, size_t size) {
    put(static_cast<uint32_t>(size));
    bytes(data, size);
  }
  void text(std::string_view value) { blob(value.data(), value.size()); }
  // Pads with zeroes to a multiple of `alignment` (a power of two).
  void align(size_t alignment) {
    size_t gap = ((size() + alignment - 1) & ~(alignment - 1)) - size();
    if (std::byte* to = take(gap)) std::memset(to, 0, gap);
  }

 private:
  std::byte* take(size_t size) {
    if (!ok_ || size > static_cast<size_t>(end_ - at_)) {
      ok_ = false;
      return nullptr;
    }
    std::byte* to = at_;
    at_ += size;
    return to;
  }

  std::byte* begin_ = nullptr;
  std::byte* at_ = nullptr;
  std::byte* end_ = nullptr;
  bool ok_ = true;
};

}  // namespace bitfusion::wire
