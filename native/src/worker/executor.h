// The worker's executor: one thread that takes the frames of a client process in program order and never makes a call that can block.
//
// Each frame names what it touches (its keys: streams, events, the thread...) and how it stands to the work of its context. A frame that
// cannot run yet (its stream has too much unfinished work, its bytes have not arrived, it waits, or its call may block and went to a
// helper thread) is held; later frames pass unless they share a key with a frame that is held or their Standing says that they wait for
// it. That is the whole rule of order.
//
// native/src/worker/handlers (generated) supplies the HandlerTable; the executor knows nothing of single CUDA calls.
#pragma once

#include <cuda.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "wire/frame.h"
#include "wire/stream_name.h"
#include "worker/budget.h"

namespace bitfusion::worker {

class Executor;

// A frame's bytes are not what its row says. The session ends with this reason in the logs of both sides.
struct BadFrame {
  std::string reason;
};

// Results of a call, appended to its reply.
class ReplyBuffer {
 public:
  template <typename T>
  void put(const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    bytes(&value, sizeof(T));
  }
  void bytes(const void* data, size_t size) {
    auto from = static_cast<const std::byte*>(data);
    data_.insert(data_.end(), from, from + size);
  }
  void blob(const void* data, size_t size) {
    put(static_cast<uint32_t>(size));
    bytes(data, size);
  }
  void text(std::string_view value) { blob(value.data(), value.size()); }
  void align(size_t alignment) { data_.resize((data_.size() + alignment - 1) & ~(alignment - 1)); }
  void clear() { data_.clear(); }
  std::span<const std::byte> data() const { return data_; }

 private:
  std::vector<std::byte> data_;
};

// What a handler sees of one call. Valid only while the handler runs. `args` is at the first byte of the payload.
struct Call {
  Executor& executor;
  void* session;  // the handlers' own state, from HandlerTable::create
  const wire::FrameHeader& header;
  wire::Reader args;
  std::span<const std::byte> bulk;  // bytes that came on the bulk connection with this frame (Frame::call_with_bulk)
  ReplyBuffer& reply;
  bool may_block;            // the handler runs on a helper thread
  bool would_block = false;  // set by one that has to block and may not; nothing has happened, and a helper calls it again
};

// Calls the driver and appends results to call.reply (also on failure where the call defines results). The frame's context is current.
// Throws BadFrame when the arguments cannot be decoded (check call.args.ok() after reading them).
using Handler = CUresult (*)(Call& call);

// How the executor runs a row.
enum class CallClass : uint8_t {
  kUnknown,      // no such row: ends the session
  kNow,          // cannot block: runs on the executor
  kWork,         // enqueues work on Keys::work (launch, copy, memset, event record, stream wait): counted, held while the stream is full;
                 // one that would block (Call::would_block) goes on as kBlocking
  kQuery,        // cuStreamQuery, cuEventQuery: CUDA_ERROR_NOT_READY while its keys are held, else kNow
  kBlocking,     // may block in the driver (cuMemFree, module load and unload...): runs on a helper thread, at the same time as handlers
                 // of frames that share no key with it; holds its keys and its client thread
  kWaitStream,   // Keys::work finished: cuStreamSynchronize. The handler is not called.
  kWaitEvent,    // Keys::event finished: cuEventSynchronize. The handler is not called.
  kWaitContext,  // all work of the frame's context finished: cuCtxSynchronize. The handler is not called.
};

// How a frame stands to the frames that enqueue work in its context and are held.
enum class Standing : uint8_t {
  kNone,       // nothing to do with them
  kBlocking,   // works on a stream that the legacy stream waits for and that waits for it
  kApart,      // works on a stream with CU_STREAM_NON_BLOCKING
  kLegacy,     // works on the legacy stream: after all earlier work on blocking streams, before all later
  kAfterWork,  // takes away or changes what earlier work of any stream may use (cuMemFree, cuModuleUnload): after all of it; holds up
               // nobody
};

// What a frame touches. Names are those of the wire (the handlers mint them); the executor compares them and asks HandlerTable for handles.
class Keys {
 public:
  enum Kind : uint64_t { kStream = 1ull << 60, kEvent = 2ull << 60, kOther = 3ull << 60, kThread = 4ull << 60 };
  static constexpr size_t kMax = 12;

  void stream(uint64_t name) { add(kStream, name); }
  void event(uint64_t name) { add(kEvent, name); }
  void other(uint64_t name) { add(kOther, name); }  // graphs, modules, pools...
  void thread(uint32_t number) { add(kThread, number); }
  // The call works on the context as a whole: it shares a key with every frame of the session.
  void everything() { everything_ = true; }
  // The call ends a context (names an object with which one ends): everything().
  void ends(uint64_t name) {
    ending_ = name;
    everything();
  }
  // The stream on which the call enqueues work, or that it waits for; implies stream(name).
  void work(uint64_t name) {
    work_ = name;
    has_work_ = true;
    stream(name);
    standing_ = wire::is_legacy_stream(name) ? Standing::kLegacy : Standing::kBlocking;
  }
  // The stream of work() has turned out to be a non-blocking one.
  void apart() { standing_ = Standing::kApart; }
  void after_work() { standing_ = Standing::kAfterWork; }
  // The event that the call waits for (kWaitEvent); implies event(name).
  void wait_event(uint64_t name) {
    event_ = name;
    event(name);
  }

  std::span<const uint64_t> list() const { return {keys_, count_}; }
  Standing standing() const { return standing_; }
  bool is_everything() const { return everything_; }
  bool has_work() const { return has_work_; }
  uint64_t work_stream() const { return work_; }
  uint64_t waited_event() const { return event_; }
  uint64_t ending() const { return ending_; }  // 0: none

 private:
  void add(Kind kind, uint64_t name) {
    if (count_ == kMax)
      everything_ = true;  // more handles than we list: conflict with all, which is always right
    else
      keys_[count_++] = kind ^ name;
  }

  uint64_t keys_[kMax];
  size_t count_ = 0;
  uint64_t work_ = 0;
  uint64_t event_ = 0;
  uint64_t ending_ = 0;
  Standing standing_ = Standing::kNone;
  bool everything_ = false;
  bool has_work_ = false;
};

// Reads the arguments of a frame as far as needed to name its keys. Must not throw; an undecodable frame may name anything.
using KeysFunction = void (*)(const wire::FrameHeader& header, wire::Reader args, Keys& keys);

struct Row {
  const char* name = nullptr;  // "cuLaunchKernel"
  CallClass call_class = CallClass::kUnknown;
  Handler handler = nullptr;
  KeysFunction keys = nullptr;  // null: touches nothing
};

struct SessionConfig {
  std::string session;
  std::string cuda_library;
  std::string cache;
  std::vector<std::string> gpus;  // UUIDs, in the order of the client's ordinals
  uint64_t memory_bytes = 0;      // partition of each GPU; 0: all of it
};

// Everything the executor needs to know of CUDA calls. One constant instance, generated.
struct HandlerTable {
  std::span<const Row> rows;  // by row number
  // Once per session, on the executor's thread, before the first frame; `driver` is the handle of cuda_library. Throws std::runtime_error.
  void* (*create)(Executor& executor, const SessionConfig& config, void* driver);
  void (*destroy)(void* session);  // releases the client's objects; may block
  // Names on the wire to handles of the driver. False: no such object (the call then fails with CUDA_ERROR_INVALID_HANDLE).
  bool (*stream)(void* session, const wire::FrameHeader& header, uint64_t name, CUstream* stream);
  bool (*event)(void* session, uint64_t name, CUevent* event);
  bool (*context)(void* session, uint64_t name, CUcontext* context);
  // The context that ends with an object, which may be a green context.
  bool (*ending)(void* session, uint64_t name, CUcontext* context) = nullptr;
  // Whether a range is device memory of the session; a copy of any other fails with CUDA_ERROR_INVALID_VALUE. Null: all of it is.
  bool (*owns)(void* session, uint64_t address, uint64_t size) = nullptr;
  // Of the rows the handlers were generated from; a client of other rows is refused (wire/hello.h).
  std::array<uint8_t, 32> spec_hash = {};
};

// The table of the product, defined in native/src/worker/handlers.
const HandlerTable& cuda_handlers();

// What handlers may ask of the executor.
class Executor {
 public:
  virtual ~Executor() = default;

  virtual Budget& budget() = 0;
  // Enqueues, on `stream`, a request that the client run its host function `callback` and holds the stream until it has
  // (cuLaunchHostFunc; with `status`, cuStreamAddCallback).
  virtual CUresult enqueue_callback(CUstream stream, uint64_t callback, bool with_status) = 0;
  // From a handler that enqueues work (kWork) on `stream`: calls `then`, on the executor's thread, when all that is on the stream now has
  // finished. On failure (returned) it is not called.
  virtual CUresult when_done(CUstream stream, std::function<void()> then) = 0;
  // Asks the client to run its host function `callback` and waits until it has; on a thread of the driver, in a host function. Of a copy
  // inside a graph `arrived` are the bytes from the device, and `wanted` is filled with those for it.
  virtual void run_host_function(uint64_t callback, CUresult status) = 0;
  virtual void copy_host_memory(uint64_t callback, std::span<const std::byte> arrived, std::span<std::byte> wanted) = 0;
  // The same without waiting, for what the client only has to hear of.
  virtual void notify_host(uint64_t callback) = 0;
  // From now on streams may be capturing: ask before putting the executor's own events into one.
  virtual void note_capture() = 0;
  // The stream is about to be destroyed in the driver; the frame's context is current.
  virtual void forget_stream(uint64_t name) = 0;
  // The handler has changed which context is current in its thread (cuCtxCreate, cuCtxDestroy...); it is set anew before the next call.
  virtual void context_changed() = 0;
  // Ends the session with a reason in the logs of both sides.
  virtual void end(std::string_view reason) = 0;
};

}  // namespace bitfusion::worker
