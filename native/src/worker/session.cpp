#include "worker/session.h"

#include <poll.h>
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "transport/threads.h"

namespace bitfusion::worker {
namespace {

// A client thread of which more is held gets no answer to its mark, and stops (transport/pace.h): later than in the driver itself.
constexpr HeldOfThread kMaxHeldOfThread{2'000, 16u << 20};
// More than this held, and nothing more is read: only clients that do not stop get there, and those of many threads that have.
constexpr size_t kMaxHeldBytes = 1u << 30;
constexpr int kLastFlushMs = 1000;
constexpr std::chrono::milliseconds kLastCalls{500};

}  // namespace

// One run of a host function of the client; a thread of the driver waits for it.
struct Session::HostCall {
  uint64_t callback;
  std::span<std::byte> wanted;
  std::condition_variable changed;
  bool done = false;
};

Session::Session(const SessionConfig& config, const HandlerTable& table, const std::string& budget_path, Output* output)
    : config_(config),
      table_(table),
      driver_(Driver::load(config.cuda_library)),
      budget_(budget_path, config.memory_bytes),
      helpers_([this] {
        CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_RELAXED;
        driver_.exchange_capture_mode(&mode);
      }),
      streams_(driver_, helpers_, mailbox_),
      bulk_(staging_in_, staging_out_,
            {.chunk = [this](StagedChunk chunk) { mailbox_.post([this, chunk] { chunk_landed(chunk); }); },
             .attachment = [this](uint32_t number,
                                  Attachment bytes) { mailbox_.post([this, number, bytes] { attachments_[number] = bytes; }); },
             .broken = [this](std::string reason) { stop(std::move(reason)); }}),
      output_(output) {}

Session::~Session() = default;

void Session::attach(std::unique_ptr<transport::Channel> channel, bool bulk) {
  auto shared = std::make_shared<std::unique_ptr<transport::Channel>>(std::move(channel));
  mailbox_.post([this, bulk, shared] {
    if (bulk ? bulk_.attached() : port_.attached()) return stop("the client opened a second connection of one kind");
    if (bulk)
      bulk_.attach(std::move(*shared));
    else
      port_.attach(std::move(*shared));
  });
}

void Session::stop(std::string reason) {
  {
    std::lock_guard guard(reason_lock_);
    if (reason_.empty()) reason_ = std::move(reason);
  }
  stopping_ = true;
  mailbox_.post([] {});
}

Counters Session::counters() const { return {port_.bytes_in() + bulk_.bytes_in(), port_.bytes_out() + bulk_.bytes_out(), calls_}; }

std::string Session::run() {
  try {
    CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_RELAXED;
    driver_.exchange_capture_mode(&mode);
    state_ = table_.create(*this, config_, driver_.handle);
    idle_since_ = static_cast<uint64_t>(transport::now_ns());
    while (!stopping_) {
      if (work_once())
        idle_since_ = 0;
      else
        idle();
    }
  } catch (const BadFrame& bad) {
    stop("bad message: " + bad.reason);
  } catch (const std::exception& failure) {
    stop(failure.what());
  }
  if (port_.attached() && !port_.gone()) {
    auto bytes = std::as_bytes(std::span(reason_));
    port_.reply({0, static_cast<uint16_t>(wire::ReplyKind::kEnd), 0, 0, 0, 0, 0}, bytes);
    port_.flush();
    if (port_.has_unsent()) transport::wait_for(port_.fd(), POLLOUT, kLastFlushMs);
    port_.flush();
  }
  bulk_.stop();
  {
    // Streams that wait for the client's host functions go on without.
    std::lock_guard guard(host_calls_lock_);
    for (auto& [number, calls] : host_calls_) {
      for (HostCall* call : calls) call->changed.notify_all();
    }
  }
  // A helper that is still in the driver would come back to objects that are gone; the process's end takes them along then.
  if (helpers_.finish(kLastCalls) && state_) table_.destroy(std::exchange(state_, nullptr));
  return reason_;
}

// One look at everything that could have changed.
bool Session::work_once() {
  bool progress = mailbox_.run();
  if (port_.attached() && may_read()) progress |= read_frames();
  progress |= streams_.poll();
  progress |= poll_event_waits();
  progress |= resume_ready();
  if (!marks_.empty()) answer_marks();
  progress |= send_answers();
  if (port_.attached()) port_.flush();
  if (port_.attached() && port_.gone()) stop("the client closed its connection");
  if (port_.is_choked()) throw BadFrame{"the client does not take its replies"};
  return progress;
}

bool Session::may_read() const { return board_.bytes() < kMaxHeldBytes; }

bool Session::read_frames() {
  if (!port_.read()) return false;
  FrameView frame;
  while (port_.next(&frame)) take(frame);
  return true;
}

void Session::idle() {
  auto now = static_cast<uint64_t>(transport::now_ns());
  if (idle_since_ == 0) idle_since_ = now;
  if (should_spin() && now - idle_since_ < static_cast<uint64_t>(transport::spin_budget_ns())) {
    // Gives way to the threads that do the work we are waiting for, where cores are few.
    if (!stalled_.empty() || streams_.is_waited_for())
      sched_yield();
    else
      transport::relax();
    return;
  }
  sleep();
}

bool Session::should_spin() const { return port_.attached(); }

void Session::sleep() {
  streams_.call_help();
  help_event_waits();
  pollfd fds[2] = {{mailbox_.fd(), POLLIN, 0}, {-1, 0, 0}};
  const auto events = static_cast<short>((may_read() ? POLLIN : 0) | (port_.has_unsent() ? POLLOUT : 0));
  if (port_.attached() && events) fds[1] = {port_.fd(), events, 0};
  if (mailbox_.fall_asleep()) poll(fds, 2, -1);
  mailbox_.wake_up();
  idle_since_ = 0;
}

void Session::take(const FrameView& frame) {
  ++calls_;
  if (frame.header.row == wire::kCallbackDone) return callback_done(frame.payload);
  if (frame.header.row == wire::kMark) return take_mark(frame.header.thread);
  const Row* row = is_control(frame.header) ? nullptr : &row_of(frame.header);
  // Keys matter for what enqueues work and while frames are held.
  Keys keys;
  if (!row || row->call_class != CallClass::kNow || !board_.empty()) name_keys(frame, row, keys);
  if (board_.conflicts(keys, frame.header)) {
    if (row && row->call_class == CallClass::kQuery) return finish(frame.header, CUDA_ERROR_NOT_READY);
    return hold(frame, keys, row && row->call_class == CallClass::kBlocking);
  }
  if (start(frame.header, frame.payload, keys, nullptr)) return;
  hold(frame, keys, row && row->call_class == CallClass::kBlocking);
}

void Session::take_mark(uint32_t thread) {
  if (!marks_.insert(thread).second) throw BadFrame{"a second mark of a thread before the first was answered"};
  answer_marks();
}

void Session::answer_marks() {
  std::erase_if(marks_, [this](uint32_t thread) {
    const HeldOfThread held = board_.held_of(thread);
    if (held.frames > kMaxHeldOfThread.frames || held.bytes > kMaxHeldOfThread.bytes) return false;
    port_.reply({0, static_cast<uint16_t>(wire::ReplyKind::kMarkReached), 0, 0, 0, 0, thread}, {});
    return true;
  });
}

const Row& Session::row_of(const wire::FrameHeader& header) const {
  if (header.row >= table_.rows.size() || table_.rows[header.row].call_class == CallClass::kUnknown)
    throw BadFrame{"a call with the unknown number " + std::to_string(header.row)};
  return table_.rows[header.row];
}

void Session::name_keys(const FrameView& frame, const Row* row, Keys& keys) const {
  if (!row) {
    wire::CopyPayload copy = copy_of(frame.header, frame.payload);
    keys.work(copy.stream);
    if (copy.wait == wire::kHoldAll) keys.everything();
  } else if (row->keys) {
    row->keys(frame.header, wire::Reader(frame.payload), keys);
  }
  if (row && row->call_class == CallClass::kWaitContext) keys.after_work();
  if (keys.standing() == Standing::kBlocking && streams_.stands_apart(keys.work_stream())) keys.apart();
}

void Session::hold(const FrameView& frame, const Keys& keys, bool holds_thread) {
  auto held = std::make_unique<Held>();
  held->header = frame.header;
  held->payload.assign(frame.payload.begin(), frame.payload.end());
  held->keys = keys;
  held->holds_thread = holds_thread;
  board_.hold(std::move(held));
}

bool Session::resume_ready() {
  bool progress = false;
  if (!discarded_.empty()) grant_discarded();
  std::vector<Held*> again;
  again.swap(stalled_);
  for (Held* held : again) resume(held);
  while (Held* held = board_.next_ready()) {
    resume(held);
    progress = true;
  }
  return progress || stalled_.size() < again.size();
}

void Session::resume(Held* held) {
  if (start(held->header, held->payload, held->keys, held))
    board_.release(held);
  else if (!held->started)
    stalled_.push_back(held);
}

bool Session::start(const wire::FrameHeader& header, std::span<const std::byte> payload, const Keys& keys, Held* held) {
  if ((header.flags & wire::kHasBulk) && !is_control(header) && !attachments_.contains(header.bulk)) return false;
  CUresult status = use_context(header.context);
  if (is_control(header) && !header.context) status = CUDA_ERROR_INVALID_CONTEXT;
  if (status != CUDA_SUCCESS) {
    if (is_control(header)) return fail_copy(header, copy_of(header, payload), status), true;
    take_attachment(header);  // nobody else will
    return finish(header, status), true;
  }
  if (is_control(header)) return start_copy(header, payload, held);
  return start_row(row_of(header), header, payload, keys, held);
}

bool Session::start_row(const Row& row, const wire::FrameHeader& header, std::span<const std::byte> payload, const Keys& keys, Held* held) {
  switch (row.call_class) {
    case CallClass::kBlocking:
      return held ? start_blocking(row, held) : false;
    case CallClass::kWaitStream:
      return wait_stream(header, keys), true;
    case CallClass::kWaitEvent:
      return wait_event(header, keys), true;
    case CallClass::kWaitContext:
      return wait_context(header), true;
    default:
      break;
  }
  if (held && held->started) return false;
  Streams::Stream* stream = nullptr;
  CUresult status = CUDA_SUCCESS;
  if (row.call_class == CallClass::kWork && keys.has_work()) stream = stream_of(header, keys.work_stream(), &status);
  if (stream && !streams_.has_room(*stream)) {
    stream->awaited = true;
    return false;
  }
  reply_.clear();
  if (stream) stream->awaited = false;
  Attachment attachment = take_attachment(header);
  if (status == CUDA_SUCCESS) {
    std::optional<CUresult> done = call(row, header, payload, attachment, false, reply_);
    if (!done) {
      if (attachment) attachments_[header.bulk] = attachment;
      return held ? start_blocking(row, held) : false;
    }
    status = *done;
  }
  if (stream) {
    if (status == CUDA_SUCCESS) streams_.count(*stream);
    launched_.insert(context_);
  }
  finish(header, status, reply_.data());
  return true;
}

// The helper runs the handler; the frame stays held until the executor has heard of the result.
bool Session::start_blocking(const Row& row, Held* held) {
  if (held->started) return false;
  held->started = true;
  if (held->keys.ending()) begin_end(held->keys.ending());
  helpers_.submit([this, &row, held, attachment = take_attachment(held->header), context = context_] {
    auto reply = std::make_shared<ReplyBuffer>();
    CUresult status = CUDA_SUCCESS;
    try {
      status = driver_.ctx_set_current(context);
      if (status == CUDA_SUCCESS) status = call(row, held->header, held->payload, attachment, true, *reply).value();
    } catch (const BadFrame& bad) {
      stop("bad message: " + bad.reason);
    } catch (const std::exception& failure) {
      stop(std::string(row.name) + ": " + failure.what());
    }
    mailbox_.post([this, held, status, reply] {
      context_known_ = false;  // the call may have destroyed a context
      streams_.end_let_go();
      finish(held->header, status, reply->data());
      board_.release(held);
    });
  });
  return false;
}

// The context takes the executor's own events along, and what it has page-locked there.
void Session::begin_end(uint64_t name) {
  CUcontext context = nullptr;
  if (!table_.ending || !table_.ending(state_, name, &context)) return;
  streams_.let_go(context);
  launched_.erase(context);
  for (EventWait& wait : event_waits_) {
    if (wait.context != context || wait.helped) continue;
    wait.finished = true;
    wait.status = CUDA_ERROR_CONTEXT_IS_DESTROYED;
  }
  if (staging_context_ == context) staging_context_ = nullptr;
}

Attachment Session::take_attachment(const wire::FrameHeader& header) {
  auto node = attachments_.extract(header.bulk);
  return node ? std::move(node.mapped()) : nullptr;
}

std::optional<CUresult> Session::call(const Row& row, const wire::FrameHeader& header, std::span<const std::byte> payload,
                                      const Attachment& attachment, bool may_block, ReplyBuffer& reply) {
  auto bulk = attachment ? std::span<const std::byte>(*attachment) : std::span<const std::byte>();
  Call call{*this, state_, header, wire::Reader(payload), bulk, reply, may_block};
  CUresult status = row.handler(call);
  return call.would_block ? std::nullopt : std::optional(status);
}

void Session::finish(const wire::FrameHeader& header, CUresult status, std::span<const std::byte> results) {
  bool wanted = header.flags & wire::kWantsReply;
  if (!wanted && status == CUDA_SUCCESS) return;
  uint32_t row = header.row;
  if (!wanted) results = std::as_bytes(std::span(&row, 1));
  if (results.size() > wire::kMaxReply) {  // handlers bound what they answer; the client has no room for more
    results = {};
    status = CUDA_ERROR_OUT_OF_MEMORY;
  }
  auto kind = static_cast<uint16_t>(wanted ? wire::ReplyKind::kReply : wire::ReplyKind::kAsyncError);
  answers_.push_back({{0, kind, 0, header.sequence, 0, static_cast<uint32_t>(status), header.thread},
                      {results.begin(), results.end()},
                      wanted && waits(header)});
}

// Copies that finished before these calls did have to be counted before the calls are answered, so the streams are looked at once more.
bool Session::send_answers() {
  bool any = !answers_.empty();
  while (!answers_.empty()) {
    std::vector<Answer> answers;
    answers.swap(answers_);
    streams_.poll();
    for (Answer& answer : answers) {
      if (answer.waited) send_output();
      answer.header.landed = out_completed_;
      port_.reply(answer.header, answer.payload);
    }
  }
  return any;
}

// Whether the call may have waited for kernels.
bool Session::waits(const wire::FrameHeader& header) const {
  if (is_control(header)) return true;
  CallClass call_class = row_of(header).call_class;
  return call_class != CallClass::kNow && call_class != CallClass::kQuery;
}

void Session::send_output() {
  if (!output_) return;
  Output::Text text = output_->take();
  std::span<const std::byte> left = text.bytes;
  while (!left.empty() || text.dropped) {
    auto part = left.first(std::min(left.size(), wire::kMaxOutputFrame));
    left = left.subspan(part.size());
    wire::OutputPayload about{std::exchange(text.dropped, 0), static_cast<uint32_t>(part.size()), 0};
    std::vector<std::byte> payload(sizeof(about) + part.size());
    std::memcpy(payload.data(), &about, sizeof(about));
    std::ranges::copy(part, payload.begin() + sizeof(about));
    port_.reply({0, static_cast<uint16_t>(wire::ReplyKind::kOutput), 0, 0, 0, 0, 0}, payload);
  }
}

CUresult Session::use_context(uint64_t name) {
  if (context_known_ && name == context_name_) return CUDA_SUCCESS;
  CUcontext context = nullptr;
  if (name && !table_.context(state_, name, &context)) return CUDA_ERROR_INVALID_CONTEXT;
  CUresult status = driver_.ctx_set_current(context);
  context_known_ = status == CUDA_SUCCESS;
  context_name_ = name;
  context_ = context;
  return status;
}

Streams::Stream* Session::stream_of(const wire::FrameHeader& header, uint64_t name, CUresult* status) {
  CUstream handle = nullptr;
  if (table_.stream(state_, header, name, &handle)) return &streams_.find(name, handle, context_);
  *status = CUDA_ERROR_INVALID_HANDLE;
  return nullptr;
}

CUresult Session::enqueue_callback(CUstream stream, uint64_t callback, bool with_status) {
  struct Once {
    Session* session;
    uint64_t callback;
  };
  static constexpr auto run = [](void* data, CUresult status) {
    std::unique_ptr<Once> once(static_cast<Once*>(data));
    once->session->run_host_function(once->callback, status);
  };
  auto once = std::make_unique<Once>(this, callback);
  const CUresult status = with_status ? driver_.stream_add_callback(
                                            stream, [](CUstream, CUresult state, void* data) { run(data, state); }, once.get(), 0)
                                      : driver_.launch_host_func(stream, [](void* data) { run(data, CUDA_SUCCESS); }, once.get());
  if (status == CUDA_SUCCESS) once.release();
  return status;
}

CUresult Session::when_done(CUstream handle, std::function<void()> then) {
  Streams::Stream* stream = streams_.find_handle(handle, context_);
  if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  return streams_.watch(*stream, [then = std::move(then)](CUresult) { then(); });
}

void Session::run_host_function(uint64_t callback, CUresult status) {
  HostCall call{callback, {}, {}, false};
  ask_host(&call, status, 0, {});
}

void Session::copy_host_memory(uint64_t callback, std::span<const std::byte> arrived, std::span<std::byte> wanted) {
  const size_t size = std::max(arrived.size(), wanted.size());
  for (size_t offset = 0; offset < size; offset += wire::kHostPiece) {
    const size_t length = std::min(size - offset, wire::kHostPiece);
    HostCall call{callback, wanted.empty() ? wanted : wanted.subspan(offset, length), {}, false};
    ask_host(&call, 0, static_cast<uint32_t>(offset / wire::kHostPiece), arrived.empty() ? arrived : arrived.subspan(offset, length));
  }
}

void Session::notify_host(uint64_t callback) {
  mailbox_.post([this, callback] { send_callback({callback, 0, wire::kNotice}, {}); });
}

// `call` and `bytes` live until this returns.
void Session::ask_host(HostCall* call, uint32_t status, uint32_t piece, std::span<const std::byte> bytes) {
  std::unique_lock guard(host_calls_lock_);
  if (stopping_) return;
  host_calls_[call->callback].push_back(call);
  mailbox_.post([this, call, payload = wire::CallbackPayload{call->callback, status, piece}, bytes] {
    streams_.poll();  // what the function may look at has to be on its way before the request
    send_output();
    std::lock_guard still(host_calls_lock_);
    auto waiting = host_calls_.find(payload.callback);
    if (waiting != host_calls_.end() && std::ranges::find(waiting->second, call) != waiting->second.end()) send_callback(payload, bytes);
  });
  call->changed.wait(guard, [&] { return call->done || stopping_; });
  auto waiting = host_calls_.find(call->callback);
  if (waiting == host_calls_.end()) return;
  std::erase(waiting->second, call);
  if (waiting->second.empty()) host_calls_.erase(waiting);
}

void Session::send_callback(const wire::CallbackPayload& payload, std::span<const std::byte> bytes) {
  std::vector<std::byte> request(sizeof(payload) + bytes.size());
  std::memcpy(request.data(), &payload, sizeof(payload));
  std::ranges::copy(bytes, request.begin() + sizeof(payload));
  port_.reply({0, static_cast<uint16_t>(wire::ReplyKind::kCallback), 0, 0, out_completed_, 0, 0}, request);
}

void Session::callback_done(std::span<const std::byte> payload) {
  wire::Reader in(payload);
  auto number = in.get<uint64_t>();
  std::lock_guard guard(host_calls_lock_);
  auto found = host_calls_.find(number);
  if (!in.ok() || found == host_calls_.end()) throw BadFrame{"the end of a host function that was not asked for"};
  HostCall* call = found->second.front();
  const auto bytes = in.bytes(call->wanted.size());
  if (!in.ok()) throw BadFrame{"a piece of host memory that is cut short"};
  std::ranges::copy(bytes, call->wanted.begin());
  found->second.pop_front();
  if (found->second.empty()) host_calls_.erase(found);
  call->done = true;
  call->changed.notify_all();
}

}  // namespace bitfusion::worker
