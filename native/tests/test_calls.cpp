// The product's own handlers on the simulated driver, called by a client that does not keep to the rules of ours.
#include <cstdlib>

#include "bitfusion/product.h"
#include "calls/rows.h"
#include "check.h"
#include "loopback.h"

namespace {

using namespace bitfusion;
using test::Loopback;
using transport::CopyMode;
using transport::Frame;
using transport::Link;
using transport::Reply;

constexpr uint64_t kMiB = 1 << 20, kPartition = 1024 * kMiB;
constexpr uint64_t kFirst = (uint64_t{1} << 52) | 1, kSecond = (uint64_t{1} << 52) | 2;  // names of contexts
constexpr uint64_t kLegacyStream = uint64_t{61} << 52;
constexpr uint32_t kInvalidValue = 1, kOutOfMemory = 2, kInvalidContext = 201;

Loopback make() {
  worker::SessionConfig config;
  config.cuda_library = std::getenv("BITFUSION_CUDA_LIBRARY");
  config.memory_bytes = kPartition;
  return Loopback(false, worker::cuda_handlers(), config);
}

template <typename... Values>
uint32_t call(Link& link, RowNumber row, uint64_t context, Reply* reply, Values... values) {
  Frame frame(link, row, context, 128);
  (frame.out().put(values), ...);
  return frame.call(reply);
}

uint32_t retain(Link& link, uint64_t name, int32_t device = 0) { return call(link, kContextRetain, 0, nullptr, name, device); }
uint32_t release(Link& link, uint64_t name, int32_t device = 0) {
  return call(link, kContextRelease, 0, nullptr, name, device, int32_t{0});
}

uint32_t allocate(Link& link, uint64_t context, uint64_t size, uint64_t* address = nullptr) {
  Reply reply;
  const uint32_t status = call(link, kcuMemAlloc_v2, context, &reply, size);
  if (address) *address = reply.in().get<uint64_t>();
  return status;
}

void memory_of_a_context_with_two_names_stays_booked() {
  Loopback loopback = make();
  Link& link = loopback.link();
  CHECK(retain(link, kFirst) == 0 && retain(link, kSecond) == 0);
  CHECK(allocate(link, kFirst, 600 * kMiB) == 0);
  CHECK(release(link, kFirst) == 0);
  CHECK(allocate(link, kSecond, 600 * kMiB) == kOutOfMemory);
  CHECK(release(link, kSecond) == 0);
  CHECK(retain(link, kFirst) == 0);
  CHECK(allocate(link, kFirst, 600 * kMiB) == 0);
  CHECK(release(link, kFirst) == 0);
}

void only_what_a_context_is_can_be_done_to_it() {
  Loopback loopback = make();
  Link& link = loopback.link();
  CHECK(retain(link, kFirst) == 0);
  CHECK(allocate(link, kFirst, 600 * kMiB) == 0);
  CHECK(call(link, kContextDestroy, 0, nullptr, kFirst) == kInvalidContext);
  CHECK(release(link, kFirst, 1) == kInvalidContext);
  CHECK(release(link, kSecond) == kInvalidContext);
  CHECK(allocate(link, kFirst, 600 * kMiB) == kOutOfMemory);
  CHECK(release(link, kFirst) == 0);
  CHECK(release(link, kFirst) == kInvalidContext);
  CHECK(call(link, kContextCreate, 0, nullptr, kSecond, uint32_t{0}, int32_t{0}) == 0);
  CHECK(release(link, kSecond) == kInvalidContext);
  CHECK(call(link, kContextDestroy, 0, nullptr, kSecond) == 0);
}

// Whatever context was current for the frame before: this one must not allocate on its device for the account of another.
void a_frame_without_context_has_none() {
  Loopback loopback = make();
  Link& link = loopback.link();
  CHECK(retain(link, kFirst, 1) == 0);
  CHECK(allocate(link, kFirst, kMiB) == 0);
  CHECK(allocate(link, 0, kMiB) == kInvalidContext);
  uint64_t word = 0;
  CHECK(link.copy_in(0, kLegacyStream, reinterpret_cast<uint64_t>(&word), &word, sizeof(word), CopyMode::kBlocking) == 0);
  CHECK(allocate(link, kFirst, kMiB) == 0);
  CHECK(link.take_error() == kInvalidContext);
  CHECK(release(link, kFirst, 1) == 0);
}

void copies_stay_within_the_memory_of_the_session() {
  Loopback loopback = make();
  Link& link = loopback.link();
  uint64_t address = 0, word = 0;
  CHECK(retain(link, kFirst) == 0);
  CHECK(allocate(link, kFirst, 4096, &address) == 0);
  const auto ours = reinterpret_cast<uint64_t>(&word);
  for (uint64_t bad : {ours, uint64_t{0}, address - 8, address + 4096 - 4}) {
    CHECK(link.copy_out(kFirst, kLegacyStream, &word, bad, sizeof(word), CopyMode::kBlocking) == kInvalidValue);
    CHECK(call(link, kcuMemcpyDtoDAsync_v2, kFirst, nullptr, bad, address, uint64_t{8}, kLegacyStream) == kInvalidValue);
    CHECK(call(link, kcuMemcpyDtoDAsync_v2, kFirst, nullptr, address, bad, uint64_t{8}, kLegacyStream) == kInvalidValue);
    CHECK(call(link, kcuMemsetD8Async, kFirst, nullptr, bad, uint8_t{1}, uint64_t{8}, kLegacyStream) == kInvalidValue);
  }
  CHECK(call(link, kcuMemsetD32Async, kFirst, nullptr, address, uint32_t{7}, ~uint64_t{0} / 4 + 2, kLegacyStream) == kInvalidValue);
  CHECK(call(link, kcuMemsetD32Async, kFirst, nullptr, address, uint32_t{7}, uint64_t{1024}, kLegacyStream) == 0);
  CHECK(link.copy_out(kFirst, kLegacyStream, &word, address + 4088, sizeof(word), CopyMode::kBlocking) == 0);
  CHECK(word == 0x700000007);
  CHECK(release(link, kFirst) == 0);
}

// A driver might look at each of so many empty rows, and the executor would wait for it.
void what_touches_nothing_is_over_at_once() {
  Loopback loopback = make();
  Link& link = loopback.link();
  constexpr uint64_t kHuge = ~uint64_t{0}, kNone = 0;
  uint64_t address = 0;
  CHECK(retain(link, kFirst) == 0);
  CHECK(allocate(link, kFirst, 4096, &address) == 0);
  CHECK(call(link, kcuMemsetD2D8Async, kFirst, nullptr, address, kNone, uint8_t{1}, kNone, kHuge, kLegacyStream) == 0);
  CHECK(call(link, kcuMemsetD2D32Async, kFirst, nullptr, address, kHuge, uint32_t{1}, kHuge, kNone, kLegacyStream) == 0);
  for (CopyBox box : {CopyBox{address, 8, 1, address, 8, 1, kNone, kHuge, kHuge}, CopyBox{address, 8, 1, address, 8, 1, 8, kHuge, kNone}})
    CHECK(call(link, kCopy3D, kFirst, nullptr, kLegacyStream, box) == 0);
  for (CopyBox box : {CopyBox{address, 0, 1, address, 0, 1, 1, kHuge, 1}, CopyBox{address, 1, 0, address, 1, 0, 1, 1, kHuge},
                      CopyBox{address, kHuge, kHuge, address, kHuge, kHuge, 1, kHuge, kHuge}})
    CHECK(call(link, kCopy3D, kFirst, nullptr, kLegacyStream, box) == kInvalidValue);
  CHECK(release(link, kFirst) == 0);
}

const TestCase kCases[] = {
    {"memory of a context with two names stays booked", memory_of_a_context_with_two_names_stays_booked},
    {"only what a context is can be done to it", only_what_a_context_is_can_be_done_to_it},
    {"a frame without context has none", a_frame_without_context_has_none},
    {"copies stay within the memory of the session", copies_stay_within_the_memory_of_the_session},
    {"what touches nothing is over at once", what_touches_nothing_is_over_at_once},
};

}  // namespace

int main() { return run_tests(kCases); }
