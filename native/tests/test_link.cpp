// The client's link against the worker's session, over loopback, in the clear and under TLS.
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <future>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "check.h"
#include "loopback.h"
#include "test_handlers.h"
#include "transport/receiver.h"

namespace {

using bitfusion::test::Loopback;
using bitfusion::transport::CopyMode;
using bitfusion::transport::Frame;
using bitfusion::transport::kLinkGone;
using bitfusion::transport::Link;
using bitfusion::transport::Reply;
using namespace bitfusion::worker::test;

constexpr uint64_t kContext = 1;

Loopback make(bool tls = false) { return Loopback(tls, test_handlers()); }

void send(Link& link, TestRow row, uint64_t argument = 0, uint64_t second = 0) {
  Frame frame(link, row, kContext, 16);
  frame.out().put(argument);
  frame.out().put(second);
  CHECK(frame.send() == 0);
}

uint32_t call(Link& link, TestRow row, uint64_t argument = 0, Reply* reply = nullptr) {
  Frame frame(link, row, kContext, 8);
  frame.out().put(argument);
  return frame.call(reply);
}

uint64_t read_counter(Link& link) {
  Reply reply;
  CHECK(call(link, kRead, 0, &reply) == 0);
  return reply.in().get<uint64_t>();
}

void echo(Link& link, size_t size, char fill) {
  std::vector<char> bytes(size, fill);
  Reply reply;
  Frame frame(link, kEcho, kContext, size + 4);
  frame.out().blob(bytes.data(), size);
  CHECK(frame.call(&reply) == 0);
  auto answer = reply.in();
  auto got = answer.blob();
  CHECK(answer.ok() && std::ranges::equal(got, std::as_bytes(std::span(bytes))));
}

void answers_carry_results_of_any_size() {
  for (bool tls : {false, true}) {
    Loopback loopback = make(tls);
    for (size_t size : {size_t{0}, size_t{1}, size_t{300}, size_t{70'000}, size_t{1'000'000}}) echo(loopback.link(), size, 'x');
  }
}

void asynchronous_calls_keep_their_order() {
  Loopback loopback = make(true);
  for (uint64_t round = 1; round <= 20; ++round) {
    for (int i = 0; i < 2'000; ++i) send(loopback.link(), kCount, 5);
    CHECK(call(loopback.link(), kSyncStream, 5) == 0);
    CHECK(read_counter(loopback.link()) == round * 2'000);
  }
}

void threads_share_one_connection() {
  Loopback loopback = make(true);
  std::vector<std::thread> threads;
  for (char name = 'a'; name < 'i'; ++name) {
    threads.emplace_back([&loopback, name] {
      for (size_t i = 0; i < 300; ++i) echo(loopback.link(), 1 + i * 37 % 5'000, name);
    });
  }
  for (auto& thread : threads) thread.join();
}

void an_asynchronous_error_is_latched_once() {
  Loopback loopback = make();
  Link& link = loopback.link();
  send(link, kFailAsync);
  read_counter(link);
  CHECK(link.peek_error() == 1);
  CHECK(link.take_error() == 1);
  CHECK(link.take_error() == 0);
}

void a_blocking_call_stalls_only_its_thread() {
  Loopback loopback = make();
  Link& link = loopback.link();
  std::atomic<bool> returned{false};
  std::thread blocked([&] {
    CHECK(call(link, kBlock, 7) == 0);
    returned = true;
  });
  for (int i = 0; i < 100; ++i) echo(link, 100, 'y');
  CHECK(!returned);
  send(link, kOpen);
  blocked.join();
}

void a_full_stream_lets_others_pass() {
  Loopback loopback = make();
  Link& link = loopback.link();
  send(link, kHoldStream, 3);
  for (int i = 0; i < 5'000; ++i) send(link, kCount, 3);
  for (int i = 0; i < 10; ++i) send(link, kCount, 4);
  CHECK(call(link, kSyncStream, 4) == 0);
  CHECK(read_counter(link) == 10);
  CHECK(call(link, kQueryStream, 3) == 600);
  send(link, kOpenStream);
  CHECK(call(link, kSyncStream, 3) == 0);
  CHECK(read_counter(link) == 5'010);
}

// Other threads have come to a stop: what they count stays the same for many calls, which all return. Returns how far they are.
uint64_t wait_until_still(Link& link, const std::atomic<uint64_t>& sent) {
  constexpr uint64_t kStill = 3'000;
  uint64_t seen = 0;
  for (uint64_t still = 0; still < kStill; ++still) {
    echo(link, 100, 'y');
    if (std::exchange(seen, sent) != sent || seen == 0) still = 0;
  }
  return seen;
}

// As with the driver itself, which lets it wait in a launch. No other thread may notice.
void a_thread_far_ahead_of_its_stream_stops_alone() {
  Loopback loopback = make(true);
  Link& link = loopback.link();
  constexpr uint64_t kFrames = 400'000;
  send(link, kHoldStream, 3);
  std::atomic<uint64_t> sent{0};
  std::thread ahead([&] {
    for (; sent < kFrames; ++sent) send(link, kCount, 3);
    CHECK(call(link, kSyncStream, 3) == 0);
  });
  CHECK(wait_until_still(link, sent) < kFrames);
  for (int i = 0; i < 5'000; ++i) send(link, kCount, 4);
  CHECK(call(link, kSyncStream, 4) == 0);
  send(link, kOpenStream);
  ahead.join();
  CHECK(read_counter(link) == kFrames + 5'000);
}

// Together they have more to send than the worker holds, and what they wait for comes on the same connection.
void many_threads_far_ahead_leave_a_host_function_its_end() {
  Loopback loopback = make();
  Link& link = loopback.link();
  constexpr size_t kThreads = 10, kCopies = 2'100;
  std::vector<std::byte> source(64 * 1024), device(source.size());
  std::promise<void> gate;
  const auto wait = [](void* data, uint32_t) { static_cast<std::promise<void>*>(data)->get_future().wait(); };
  send(link, kHostCall, 3, link.remember_host_function(wait, &gate, false));
  std::atomic<uint64_t> sent{0};
  std::atomic<bool> enough{false};
  std::vector<std::thread> threads;
  for (size_t i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      const auto to = reinterpret_cast<uint64_t>(device.data());
      for (size_t copy = 0; copy < kCopies && !enough; ++copy, ++sent)
        CHECK(link.copy_in(kContext, 3, to, source.data(), source.size(), CopyMode::kPageable) == 0);
    });
  }
  CHECK(wait_until_still(link, sent) < kThreads * kCopies);
  enough = true;
  gate.set_value();
  for (auto& thread : threads) thread.join();
  CHECK(call(link, kSyncStream, 3) == 0);
}

// The legacy stream comes after what is held on blocking streams, and only on those of its context.
void the_legacy_stream_waits_for_what_is_held() {
  Loopback loopback = make();
  Link& link = loopback.link();
  constexpr uint64_t kLegacy = bitfusion::wire::legacy_stream(kContext), kNonBlocking = 100;
  send(link, kNothing, kNonBlocking);
  send(link, kHoldStream, 3);
  for (int i = 0; i < 1'500; ++i) send(link, kCount, 3);
  send(link, kCount, kLegacy);
  send(link, kCount, kNonBlocking);
  CHECK(call(link, kSyncStream, kNonBlocking) == 0);
  CHECK(call(link, kQueryStream, kLegacy) == 600);
  CHECK(read_counter(link) == 1);
  send(link, kOpenStream);
  CHECK(call(link, kSyncStream, kLegacy) == 0);
  CHECK(call(link, kSyncStream, 3) == 0);
  CHECK(read_counter(link) == 1'502);
}

void what_takes_away_waits_for_what_is_held() {
  Loopback loopback = make();
  Link& link = loopback.link();
  send(link, kHoldStream, 3);
  for (int i = 0; i < 1'500; ++i) send(link, kCount, 3);
  send(link, kTakeAway);
  std::thread([&] { send(link, kOpenStream); }).join();
  Reply reply;
  CHECK(call(link, kNoted, 0, &reply) == 0);
  CHECK(reply.in().get<uint64_t>() >= 500);  // no more than 1,000 units are left unfinished
}

void large_arguments_arrive_whole() {
  Loopback loopback = make(true);
  std::vector<unsigned char> bytes(5'000'001, 3);
  Reply reply;
  Frame frame(loopback.link(), kSum, kContext, 0);
  CHECK(frame.call_with_bulk(&reply, bytes.data(), bytes.size()) == 0);
  CHECK(reply.in().get<uint64_t>() == 3 * bytes.size());
}

std::vector<uint32_t> pattern(size_t bytes, uint32_t seed) {
  std::vector<uint32_t> words(bytes / 4);
  for (auto& word : words) word = seed = seed * 1664525 + 1013904223;
  return words;
}

void copies_of_every_size_and_mode_arrive() {
  for (bool tls : {false, true}) {
    Loopback loopback = make(tls);
    Link& link = loopback.link();
    for (size_t size : {size_t{4}, size_t{65'536}, size_t{65'540}, size_t{1} << 20, size_t{50} << 20}) {
      std::vector<uint32_t> device(size / 4), back(size / 4);
      auto address = reinterpret_cast<uint64_t>(device.data());
      for (CopyMode mode : {CopyMode::kBlocking, CopyMode::kPinned, CopyMode::kPageable}) {
        auto source = pattern(size, static_cast<uint32_t>(size) + static_cast<uint32_t>(mode));
        CHECK(link.copy_in(kContext, 6, address, source.data(), size, mode) == 0);
        CHECK(link.copy_out(kContext, 6, back.data(), address, size, mode) == 0);
        CHECK(call(link, kSyncStream, 6) == 0);
        CHECK(back == source);
      }
    }
  }
}

void many_copies_on_several_streams_interleave() {
  Loopback loopback = make();
  Link& link = loopback.link();
  constexpr size_t kSize = 3 << 20;
  std::vector<std::vector<uint32_t>> sources, devices, backs;
  for (uint32_t i = 0; i < 24; ++i) {
    sources.push_back(pattern(kSize, i));
    devices.emplace_back(kSize / 4);
    backs.emplace_back(kSize / 4);
  }
  for (uint32_t i = 0; i < 24; ++i) {
    auto address = reinterpret_cast<uint64_t>(devices[i].data());
    CHECK(link.copy_in(kContext, 2 + i % 5, address, sources[i].data(), kSize, CopyMode::kPinned) == 0);
    CHECK(link.copy_out(kContext, 2 + i % 5, backs[i].data(), address, kSize, CopyMode::kPinned) == 0);
  }
  for (uint64_t stream = 2; stream < 7; ++stream) CHECK(call(link, kSyncStream, stream) == 0);
  CHECK(backs == sources);
}

// What a stream that waits has taken must not be all there is: the copy that it waits for may come later.
void copies_behind_a_wait_do_not_keep_others_out() {
  Loopback loopback = make();
  Link& link = loopback.link();
  constexpr size_t kSize = 80 << 20;
  auto source = pattern(kSize, 1), other = pattern(kSize, 2);
  std::vector<uint32_t> waiting(kSize / 4), device(kSize / 4), back(kSize / 4), late(kSize / 4);
  auto to = reinterpret_cast<uint64_t>(waiting.data()), free = reinterpret_cast<uint64_t>(device.data());
  send(link, kHoldStream, 3);
  CHECK(link.copy_in(kContext, 3, to, source.data(), kSize, CopyMode::kPinned) == 0);
  CHECK(link.copy_in(kContext, 4, free, other.data(), kSize, CopyMode::kPageable) == 0);
  CHECK(call(link, kSyncStream, 4) == 0);
  CHECK(device == other);
  CHECK(link.copy_out(kContext, 3, late.data(), to, kSize, CopyMode::kPinned) == 0);
  CHECK(link.copy_out(kContext, 4, back.data(), free, kSize, CopyMode::kBlocking) == 0);
  CHECK(back == other);
  send(link, kOpenStream);
  CHECK(call(link, kSyncStream, 3) == 0);
  CHECK(late == source);
}

// The same with many small ones of either direction, which fill the staging as well.
void small_copies_behind_a_wait_do_not_keep_others_out() {
  Loopback loopback = make();
  Link& link = loopback.link();
  constexpr size_t kSize = 100'000, kCopies = 60;
  auto source = pattern(kSize, 1);
  std::vector<uint32_t> device(kSize / 4), other(kSize / 4), back(kSize / 4);
  std::vector<std::vector<uint32_t>> outs(kCopies, std::vector<uint32_t>(kSize / 4));
  auto to = reinterpret_cast<uint64_t>(device.data()), free = reinterpret_cast<uint64_t>(other.data());
  send(link, kHoldStream, 3);
  for (size_t i = 0; i < kCopies; ++i) CHECK(link.copy_in(kContext, 3, to, source.data(), kSize, CopyMode::kPinned) == 0);
  for (auto& out : outs) CHECK(link.copy_out(kContext, 3, out.data(), to, kSize, CopyMode::kPinned) == 0);
  CHECK(link.copy_in(kContext, 4, free, source.data(), kSize, CopyMode::kBlocking) == 0);
  CHECK(link.copy_out(kContext, 4, back.data(), free, kSize, CopyMode::kBlocking) == 0);
  CHECK(back == source);
  CHECK(link.copy_out(kContext, 4, back.data(), free, 1'000, CopyMode::kBlocking) == 0);
  send(link, kOpenStream);
  CHECK(call(link, kSyncStream, 3) == 0);
  CHECK(std::ranges::all_of(outs, [&](const auto& out) { return out == source; }));
}

// The bytes of a copy that has failed are taken all the same, also while other copies wait.
void a_failed_copy_does_not_block_the_next() {
  Loopback loopback = make();
  Link& link = loopback.link();
  constexpr size_t kSize = 40 << 20;
  auto source = pattern(kSize, 1);
  std::vector<uint32_t> waiting(kSize / 4), device(kSize / 4);
  auto to = reinterpret_cast<uint64_t>(device.data());
  send(link, kHoldStream, 3);
  CHECK(link.copy_in(kContext, 3, reinterpret_cast<uint64_t>(waiting.data()), source.data(), kSize, CopyMode::kPinned) == 0);
  constexpr uint64_t kNoStream = 200, kNoContext = 2;
  CHECK(link.copy_in(kContext, kNoStream, to, source.data(), kSize, CopyMode::kBlocking) == 400);
  CHECK(link.copy_in(kNoContext, 4, to, source.data(), kSize, CopyMode::kBlocking) == 201);
  CHECK(link.copy_in(0, 4, to, source.data(), kSize, CopyMode::kBlocking) == 201);
  CHECK(link.copy_in(kContext, 4, to, source.data(), kSize, CopyMode::kBlocking) == 0);
  CHECK(device == source);
  send(link, kOpenStream);
  CHECK(call(link, kSyncStream, 3) == 0);
}

// Also one that fails when a part of it has come: it gets the driver's error, and the connection stays.
void a_copy_out_may_fail_half_way() {
  Loopback loopback = make();
  Link& link = loopback.link();
  constexpr size_t kSize = 8 << 20;
  auto device = pattern(kSize, 1);
  std::vector<uint32_t> back(kSize / 4);
  auto from = reinterpret_cast<uint64_t>(device.data());
  for (size_t whole : {size_t{0}, kSize / 2}) {
    call(link, kLimitCopies, from + whole);
    for (CopyMode mode : {CopyMode::kBlocking, CopyMode::kPageable})
      CHECK(link.copy_out(kContext, 4, back.data(), from, kSize, mode) == CUDA_ERROR_ILLEGAL_ADDRESS);
    CHECK(link.copy_out(kContext, 4, back.data(), from, kSize, CopyMode::kPinned) == 0);
    CHECK(call(link, kSyncStream, 4) == 0);
    CHECK(link.take_error() == CUDA_ERROR_ILLEGAL_ADDRESS);
  }
  constexpr uint64_t kNoStream = 200;
  CHECK(link.copy_out(kContext, kNoStream, back.data(), from, kSize, CopyMode::kBlocking) == CUDA_ERROR_INVALID_HANDLE);
  call(link, kLimitCopies, ~uint64_t{0});
  CHECK(link.copy_out(kContext, 4, back.data(), from, kSize, CopyMode::kBlocking) == 0);
  CHECK(back == device);
}

// Sends a piece of a transfer without asking anybody.
void send_chunk(bitfusion::transport::Channel& channel, bitfusion::wire::ChunkHeader header) {
  std::vector<std::byte> bytes(header.size);
  CHECK(bitfusion::transport::write_exactly(channel.fd(), &header, sizeof(header), 5'000));
  CHECK(bitfusion::transport::write_exactly(channel.fd(), bytes.data(), bytes.size(), 5'000));
}

void a_client_that_sends_more_than_it_may_is_shown_out() {
  Loopback loopback = make();
  bitfusion::transport::Channel bulk;
  loopback.open_bulk(&bulk);
  for (uint32_t i = 1; i <= bitfusion::wire::kFirstCredit + 1; ++i) send_chunk(bulk, {i, 4, 0, 8, 0, 0});
  CHECK(loopback.wait_end().find("more bytes of copies") != std::string::npos);
}

void a_client_that_takes_no_failed_copies_is_shown_out() {
  Loopback loopback = make();
  Link& link = loopback.link();
  constexpr uint64_t kNoStream = 200;
  constexpr uint32_t kMost = 1u << 16;
  for (uint32_t number = 1; number <= kMost + 1; ++number) {
    Frame frame(link, bitfusion::wire::kCopyOut, kContext, sizeof(bitfusion::wire::CopyPayload));
    frame.out().put(bitfusion::wire::CopyPayload{kNoStream, 8, 8, number, bitfusion::wire::kNoWait});
    CHECK(frame.send() == 0 || number > kMost);
  }
  CHECK(call(link, kRead) == kLinkGone);
  CHECK(loopback.wait_end().find("failed copies that are not taken") != std::string::npos);
}

void chunks_out_of_order_end_the_session() {
  constexpr uint32_t kAttachment = 1, kUnknown = 7;
  const bitfusion::wire::ChunkHeader bad[][2] = {
      {{1, 4, 0, 8, kAttachment, 0}, {2, 4, 0, 8, kAttachment, 0}},
      {{1, 4, 0, 8, kAttachment, 0}, {1, 4, 0, 8, 0, 0}},
      {{1, 4, 0, 8, kAttachment, 0}, {1, 4, 2, 8, kAttachment, 0}},
      {{1, 4, 0, 8, 0, 0}, {1, 8, 4, 8, 0, 0}},
      {{1, 4, 0, 8, 0, 0}, {0, 4, 4, 8, 0, 0}},
      {{1, 4, 0, 8, 0, 0}, {2, 4, 0, 8, kUnknown, 0}},
      {{1, 4, 0, 8, 0, 0}, {1, 4, ~uint64_t{0}, ~uint64_t{0}, 0, 0}},
  };
  for (const auto& pair : bad) {
    Loopback loopback = make();
    bitfusion::transport::Channel bulk;
    loopback.open_bulk(&bulk);
    for (const auto& header : pair) send_chunk(bulk, header);
    CHECK(loopback.wait_end().find("in transfer") != std::string::npos);
  }
}

// Nothing of a call that fails before it runs stays behind: together these are more than a client may make its worker hold.
void large_arguments_of_failed_calls_are_dropped() {
  Loopback loopback = make();
  Link& link = loopback.link();
  std::vector<std::byte> bytes(160 << 20);
  constexpr uint64_t kNoContext = 2;
  for (int i = 0; i < 14; ++i) CHECK(Frame(link, kSum, kNoContext, 0).call_with_bulk(nullptr, bytes.data(), bytes.size()) == 201);
  echo(link, 10, 'x');
}

void an_answer_that_does_not_fit_is_an_error_of_that_call() {
  Loopback loopback = make();
  Link& link = loopback.link();
  Reply fits;
  CHECK(call(link, kZeros, bitfusion::wire::kMaxReply, &fits) == 0);
  CHECK(fits.size() == bitfusion::wire::kMaxReply);
  CHECK(call(link, kZeros, bitfusion::wire::kMaxReply + 1) == 2);
  echo(link, 10, 'x');
}

std::atomic<uint64_t> host_calls{0};

void one_host_function_may_be_asked_for_by_several_streams() {
  Loopback loopback = make();
  Link& link = loopback.link();
  host_calls = 0;
  uint64_t number =
      link.remember_host_function([](void* data, uint32_t) { ++*static_cast<std::atomic<uint64_t>*>(data); }, &host_calls, true);
  for (uint64_t round = 0; round < 20; ++round) {
    for (uint64_t stream = 2; stream < 12; ++stream) send(link, kHostCall, stream, number);
  }
  for (uint64_t stream = 2; stream < 12; ++stream) CHECK(call(link, kSyncStream, stream) == 0);
  CHECK(host_calls == 200);
}

void host_functions_run_in_the_client() {
  Loopback loopback = make();
  Link& link = loopback.link();
  host_calls = 0;
  for (int i = 0; i < 50; ++i) {
    uint64_t number =
        link.remember_host_function([](void* data, uint32_t) { ++*static_cast<std::atomic<uint64_t>*>(data); }, &host_calls, false);
    CHECK(number != 0);
    send(link, kHostCall, 9, number);
  }
  CHECK(call(link, kSyncStream, 9) == 0);
  CHECK(host_calls == 50);
}

void a_bad_frame_ends_the_session_with_a_reason() {
  Loopback loopback = make();
  Link& link = loopback.link();
  Frame frame(link, 999, kContext, 0);
  CHECK(frame.call(nullptr) == kLinkGone);
  CHECK(!link.alive());
  CHECK(std::strstr(link.reason(), "unknown number 999"));
  CHECK(loopback.wait_end().find("unknown number 999") != std::string::npos);
}

struct NoEvents : bitfusion::transport::ReceiverEvents {
  void async_error(uint32_t) override {}
  void callback(bitfusion::wire::Reader, uint64_t, bitfusion::transport::Printed) override {}
  void mark_reached(uint32_t) override {}
  void ended(const char*, size_t) override {}
  std::byte* reply_room(Reply*, size_t) override { return nullptr; }
};

// A thread that waits for its mark has sent no call, and no reply may name it.
void a_reply_to_no_call_ends_every_wait() {
  using bitfusion::wire::ReplyHeader, bitfusion::wire::ReplyKind;
  int ends[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  bitfusion::transport::Channel channel;
  channel.adopt(ends[0]);
  NoEvents events;
  bitfusion::transport::Receiver receiver;
  CHECK(receiver.init(&channel, &events));
  bitfusion::transport::Waiter waiter;
  receiver.add(&waiter);
  const ReplyHeader header{sizeof(header), static_cast<uint16_t>(ReplyKind::kReply), 0, 0, 0, 0, 0};
  CHECK(bitfusion::transport::write_exactly(ends[1], &header, sizeof(header), 5'000));
  receiver.wait(&waiter);
  CHECK(waiter.status == kLinkGone);
}

void the_end_of_the_session_fails_calls_under_way() {
  Loopback loopback = make();
  Link& link = loopback.link();
  std::thread waiting([&] { CHECK(call(link, kBlock, 7) == kLinkGone); });
  echo(link, 10, 'z');
  loopback.finish("revoked by the administrator");
  waiting.join();
  CHECK(std::strstr(link.reason(), "revoked"));
  Frame frame(link, kCount, kContext, 8);
  frame.out().put(uint64_t{5});
  CHECK(frame.send() == kLinkGone);
}

void a_forked_child_cannot_use_the_link() {
  Loopback loopback = make();
  Link& link = loopback.link();
  echo(link, 10, 'a');
  pid_t child = fork();
  if (child == 0) _exit(!link.alive() && call(link, kRead) == kLinkGone ? 0 : 1);
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  echo(link, 10, 'b');
}

const TestCase kCases[] = {
    {"answers carry results of any size", answers_carry_results_of_any_size},
    {"asynchronous calls keep their order", asynchronous_calls_keep_their_order},
    {"threads share one connection", threads_share_one_connection},
    {"an asynchronous error is latched once", an_asynchronous_error_is_latched_once},
    {"a blocking call stalls only its thread", a_blocking_call_stalls_only_its_thread},
    {"a full stream lets others pass", a_full_stream_lets_others_pass},
    {"a thread far ahead of its stream stops alone", a_thread_far_ahead_of_its_stream_stops_alone},
    {"many threads far ahead leave a host function its end", many_threads_far_ahead_leave_a_host_function_its_end},
    {"the legacy stream waits for what is held", the_legacy_stream_waits_for_what_is_held},
    {"what takes away waits for what is held", what_takes_away_waits_for_what_is_held},
    {"large arguments arrive whole", large_arguments_arrive_whole},
    {"copies of every size and mode arrive", copies_of_every_size_and_mode_arrive},
    {"many copies on several streams interleave", many_copies_on_several_streams_interleave},
    {"copies behind a wait do not keep others out", copies_behind_a_wait_do_not_keep_others_out},
    {"small copies behind a wait do not keep others out", small_copies_behind_a_wait_do_not_keep_others_out},
    {"a failed copy does not block the next", a_failed_copy_does_not_block_the_next},
    {"a copy out may fail half way", a_copy_out_may_fail_half_way},
    {"a client that sends more than it may is shown out", a_client_that_sends_more_than_it_may_is_shown_out},
    {"a client that takes no failed copies is shown out", a_client_that_takes_no_failed_copies_is_shown_out},
    {"chunks out of order end the session", chunks_out_of_order_end_the_session},
    {"large arguments of failed calls are dropped", large_arguments_of_failed_calls_are_dropped},
    {"an answer that does not fit is an error of that call", an_answer_that_does_not_fit_is_an_error_of_that_call},
    {"one host function may be asked for by several streams", one_host_function_may_be_asked_for_by_several_streams},
    {"host functions run in the client", host_functions_run_in_the_client},
    {"a bad frame ends the session with a reason", a_bad_frame_ends_the_session_with_a_reason},
    {"a reply to no call ends every wait", a_reply_to_no_call_ends_every_wait},
    {"the end of the session fails calls under way", the_end_of_the_session_fails_calls_under_way},
    {"a forked child cannot use the link", a_forked_child_cannot_use_the_link},
};

}  // namespace

int main() { return run_tests(kCases); }
