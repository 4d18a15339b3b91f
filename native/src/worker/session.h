// One client process's session: the executor itself. See executor.h for the rules; copies are in session_copies.cpp, waits in
// session_waits.cpp.
#pragma once

#include <atomic>
#include <deque>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "worker/bulk_port.h"
#include "worker/credit.h"
#include "worker/driver.h"
#include "worker/executor.h"
#include "worker/helpers.h"
#include "worker/mailbox.h"
#include "worker/output.h"
#include "worker/port.h"
#include "worker/scoreboard.h"
#include "worker/staging.h"
#include "worker/streams.h"

namespace bitfusion::worker {

struct Counters {
  uint64_t bytes_in, bytes_out, calls;
};

class Session final : public Executor {
 public:
  // `output`: what the driver prints in this process; null: it stays here.
  Session(const SessionConfig& config, const HandlerTable& table, const std::string& budget_path, Output* output = nullptr);
  ~Session() override;

  // A connection whose handshake is done; from any thread.
  void attach(std::unique_ptr<transport::Channel> channel, bool bulk);
  // Serves until the client goes, sends something bad, or stop(). Returns the reason.
  std::string run();
  // From any thread.
  void stop(std::string reason);
  Counters counters() const;

  // Executor
  Budget& budget() override { return budget_; }
  CUresult enqueue_callback(CUstream stream, uint64_t callback, bool with_status) override;
  CUresult when_done(CUstream stream, std::function<void()> then) override;
  void run_host_function(uint64_t callback, CUresult status) override;
  void copy_host_memory(uint64_t callback, std::span<const std::byte> arrived, std::span<std::byte> wanted) override;
  void notify_host(uint64_t callback) override;
  void note_capture() override { streams_.note_capture(); }
  void forget_stream(uint64_t name) override { streams_.forget(name, current_context()); }
  void context_changed() override { context_known_ = false; }
  void end(std::string_view reason) override { stop(std::string(reason)); }

 private:
  struct IncomingChunk {
    StagedChunk staged;
    Credit::Source source;
  };
  struct HostCall;
  struct Answer {
    wire::ReplyHeader header;
    std::vector<std::byte> payload;
    bool waited;  // the driver may have printed what kernels printed
  };

  // The loop (session.cpp).
  bool work_once();
  bool may_read() const;
  bool read_frames();
  void idle();
  void sleep();
  bool should_spin() const;

  // Frames (session.cpp).
  void take(const FrameView& frame);
  void take_mark(uint32_t thread);
  void answer_marks();
  const Row& row_of(const wire::FrameHeader& header) const;
  void name_keys(const FrameView& frame, const Row* row, Keys& keys) const;
  bool is_control(const wire::FrameHeader& header) const { return header.row >= wire::kFirstControlRow; }
  // Runs a frame that nothing stands before. False: it has to be held (again) and is to be resumed later.
  bool start(const wire::FrameHeader& header, std::span<const std::byte> payload, const Keys& keys, Held* held);
  bool start_row(const Row& row, const wire::FrameHeader& header, std::span<const std::byte> payload, const Keys& keys, Held* held);
  bool start_blocking(const Row& row, Held* held);
  void begin_end(uint64_t name);
  void hold(const FrameView& frame, const Keys& keys, bool holds_thread);
  void resume(Held* held);
  bool resume_ready();
  // The call is over: answers it, or latches its error in the client.
  void finish(const wire::FrameHeader& header, CUresult status, std::span<const std::byte> results = {});
  bool send_answers();
  bool waits(const wire::FrameHeader& header) const;
  void send_output();
  // Nothing: it would block and may not.
  std::optional<CUresult> call(const Row& row, const wire::FrameHeader& header, std::span<const std::byte> payload,
                               const Attachment& attachment, bool may_block, ReplyBuffer& reply);
  Attachment take_attachment(const wire::FrameHeader& header);
  CUresult use_context(uint64_t name);
  CUcontext current_context() const { return context_; }
  // Null with a status when there is no such stream.
  Streams::Stream* stream_of(const wire::FrameHeader& header, uint64_t name, CUresult* status);
  void ask_host(HostCall* call, uint32_t status, uint32_t piece, std::span<const std::byte> bytes);
  void send_callback(const wire::CallbackPayload& payload, std::span<const std::byte> bytes);
  void callback_done(std::span<const std::byte> payload);

  // Copies (session_copies.cpp).
  wire::CopyPayload copy_of(const wire::FrameHeader& header, std::span<const std::byte> payload) const;
  bool start_copy(const wire::FrameHeader& header, std::span<const std::byte> payload, Held* held);
  bool copy_in_inline(const wire::FrameHeader& header, const wire::CopyPayload& copy, const std::byte* bytes, Streams::Stream& stream,
                      Held* held);
  void chunk_landed(StagedChunk staged);
  void release_incoming(const IncomingChunk& chunk);
  void grant(uint32_t transfer, uint64_t bytes_left);
  bool is_at_head(Held* held, Streams::Stream& stream);
  std::byte* acquire_outgoing(Held* held, Streams::Stream& stream);
  bool copy_in_bulk(const wire::FrameHeader& header, const wire::CopyPayload& copy, Streams::Stream& stream, Held* held);
  void enqueue_chunk(const IncomingChunk& chunk, const wire::CopyPayload& copy, Streams::Stream& stream, Held* held);
  bool copy_out_inline(const wire::FrameHeader& header, const wire::CopyPayload& copy, Streams::Stream& stream, Held* held);
  bool copy_out_bulk(const wire::FrameHeader& header, const wire::CopyPayload& copy, Streams::Stream& stream, Held* held);
  CUresult enqueue_out(const wire::FrameHeader& header, const wire::CopyPayload& copy, Streams::Stream& stream, const StagedChunk& chunk,
                       std::shared_ptr<bool> over);
  void send_out(const wire::FrameHeader& header, const StagedChunk& chunk, bool* over, CUresult status);
  void finish_copy(const wire::FrameHeader& header, const wire::CopyPayload& copy, Streams::Stream& stream, CUresult status);
  void fail_copy(const wire::FrameHeader& header, const wire::CopyPayload& copy, CUresult status);
  void abandon_out(uint32_t transfer);
  void discard(const IncomingChunk& chunk);
  void grant_discarded();
  void register_staging();

  // Waits (session_waits.cpp).
  struct EventWait {
    wire::FrameHeader header;
    CUevent event;
    CUcontext context;
    bool helped;
    bool finished;
    CUresult status;
  };
  void begin_wait();
  void finish_wait(const wire::FrameHeader& header, CUresult status);
  CUresult let_print(const wire::FrameHeader& header, Streams::Stream& stream);
  void wait_stream(const wire::FrameHeader& header, const Keys& keys);
  void wait_event(const wire::FrameHeader& header, const Keys& keys);
  void wait_context(const wire::FrameHeader& header);
  bool poll_event_waits();
  void help_event_waits();

  SessionConfig config_;
  const HandlerTable& table_;
  Driver driver_;
  Budget budget_;
  Mailbox mailbox_;
  Helpers helpers_;
  Streams streams_;
  Scoreboard board_;
  Port port_;
  Staging staging_in_;
  Staging staging_out_;
  BulkPort bulk_;
  Output* output_;
  std::unordered_set<CUcontext> launched_;  // got work since the driver last printed what their kernels print
  void* state_ = nullptr;                   // the handlers' own

  CUcontext context_ = nullptr;
  uint64_t context_name_ = 0;
  bool context_known_ = false;
  std::vector<Held*> stalled_;          // nothing stands before them; they wait for room, bytes or staging
  std::unordered_set<uint32_t> marks_;  // threads whose mark is not answered
  Credit credit_;
  std::unordered_map<uint32_t, std::deque<IncomingChunk>> incoming_;  // chunks that their frames could not use yet, by transfer
  std::unordered_map<uint32_t, uint64_t> discarded_;                  // transfers of copies that have failed: bytes still to come
  std::unordered_map<uint32_t, Attachment> attachments_;
  std::vector<Answer> answers_;          // not yet numbered
  uint64_t out_completed_ = 0;           // transfers to the client whose last byte, or the news that they have failed, is in line
  CUcontext staging_context_ = nullptr;  // in which the staging is page-locked
  std::list<EventWait> event_waits_;
  size_t waits_ = 0;  // calls that wait and are not answered yet
  ReplyBuffer reply_;
  uint64_t idle_since_ = 0;

  std::mutex host_calls_lock_;
  std::unordered_map<uint64_t, std::deque<HostCall*>> host_calls_;  // by the client's number, oldest first
  std::atomic<bool> stopping_{false};
  std::mutex reason_lock_;
  std::string reason_;
  std::atomic<uint64_t> calls_{0};
};

}  // namespace bitfusion::worker
