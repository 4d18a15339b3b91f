// Sends frames made from the spec, right and wrong, to sessions of the product's own handlers: `fuzz_calls FRAMES [SEED]`.
//
// What may happen: an error of the call, or the end of that session. What may not: a crash, an answer that never comes. The frames are the
// same at every run with one seed. After each session the simulated GPUs are reset.
#include <dlfcn.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "calls/fuzz_rows.h"
#include "check.h"
#include "worker/session.h"

namespace {

using namespace bitfusion;
using fuzz::Field;
using fuzz::FieldKind;

constexpr uint64_t kContext = (uint64_t{1} << 52) | 1;
constexpr uint32_t kLastThread = 1000;  // of the frame whose answer is waited for
constexpr size_t kFramesOfSession = 300;
constexpr int kWithinMs = 60'000;
constexpr uint64_t kPartition = 256u << 20;

class Frames {
 public:
  explicit Frames(uint64_t seed) : random_(seed) {}

  void begin() {
    bytes_.clear();
    sequence_ = 0;
    put(kContextRetain, 0, 1, [&] { value(kContext), value(int32_t{0}); });
    put(kContextRetain, 0, 1, [&] { value(kContext + 1), value(int32_t{1}); });
  }
  void add() {
    const fuzz::RowFields& row = fuzz::kRows[below(std::size(fuzz::kRows))];
    if ((row.number == kContextRelease || row.number == kContextDestroy) && below(20)) return;  // the calls after it would all fail
    const size_t start = bytes_.size();
    put(row.number, below(16) ? kContext + below(2) : number(), 1 + static_cast<uint32_t>(below(3)), [&] {
      for (const Field& field : row.fields) put_field(field);
      if (below(800) == 0) bytes_.resize(bytes_.size() - std::min<size_t>(below(24), bytes_.size() - start - sizeof(wire::FrameHeader)));
    });
    if (below(30) == 0)
      bytes_[start + sizeof(wire::FrameHeader) + below(std::max<size_t>(1, bytes_.size() - start - 32))] ^= std::byte(1 << below(8));
    if (below(1000) == 0) spoil_header(start);
  }
  uint64_t end() {
    put(kSnapshot, 0, kLastThread, [] {});
    return sequence_;
  }
  const std::vector<std::byte>& bytes() const { return bytes_; }

 private:
  uint64_t below(uint64_t limit) { return random_() % limit; }
  uint64_t number() {
    constexpr uint64_t kInteresting[] = {0, 1, 2, 7, 64, 4096, 1u << 20, 0x7FFFFFFF, 0xFFFFFFFF, ~uint64_t{0}, uint64_t{1} << 63};
    return below(3) ? kInteresting[below(std::size(kInteresting))] : random_() >> below(64);
  }
  uint64_t name(uint64_t tag) {
    if (tag == 6 && below(3) == 0) return (61 + below(2)) << 52 | (kContext & 0xFFF);  // the default streams
    return below(30) ? tag << 52 | (1 + below(6)) : number();
  }
  template <typename T>
  void value(const T& from) {
    auto raw = reinterpret_cast<const std::byte*>(&from);
    bytes_.insert(bytes_.end(), raw, raw + sizeof(T));
  }
  void noise(size_t size) {
    for (size_t done = 0; done < size; done += 8) {
      const uint64_t word = number();
      auto raw = reinterpret_cast<const std::byte*>(&word);
      bytes_.insert(bytes_.end(), raw, raw + std::min<size_t>(8, size - done));
    }
  }
  uint32_t count() { return static_cast<uint32_t>(below(800) ? below(5) : number()); }

  void put_field(const Field& field) {
    uint32_t many = 0;
    switch (field.kind) {
      case FieldKind::kNone:
        return;
      case FieldKind::kName:
        return value(name(field.tag));
      case FieldKind::kPointer:
        return value(number());
      case FieldKind::kValue:
        return noise(field.size);
      case FieldKind::kOptional:
        value(many = static_cast<uint32_t>(below(5)));
        return many ? noise(field.size) : void();
      case FieldKind::kRoom:
        return value(count());
      case FieldKind::kNames:
        value(many = count());
        for (uint32_t i = 0; i < std::min(many, 8u); ++i) value(name(field.tag));
        return;
      case FieldKind::kArray:
      case FieldKind::kText:
      case FieldKind::kBytes:
        value(many = count());
        return noise(std::min<size_t>(many, 64) * (field.kind == FieldKind::kArray ? field.size : 1));
    }
  }

  template <typename Body>
  void put(RowNumber row, uint64_t context, uint32_t thread, Body body) {
    const size_t start = bytes_.size();
    const uint16_t flags = thread == kLastThread || below(2) ? wire::kWantsReply : 0;
    value(wire::FrameHeader{0, row, flags, ++sequence_, context, thread, 0});
    body();
    bytes_.resize(start + wire::padded(bytes_.size() - start));
    const auto size = static_cast<uint32_t>(bytes_.size() - start);
    std::memcpy(bytes_.data() + start, &size, sizeof(size));
  }
  // Row, sequence, context or thread; another size or a transfer that never comes would only make the session wait, as it must.
  void spoil_header(size_t start) { bytes_[start + (below(2) ? 4 + below(2) : 8 + below(20))] ^= std::byte(1 << below(8)); }

  std::mt19937_64 random_;
  std::vector<std::byte> bytes_;
  uint64_t sequence_ = 0;
};

// Writes what there is and reads until the last frame has been answered or the session has ended.
bool exchange(int fd, const std::vector<std::byte>& out, uint64_t last) {
  std::vector<std::byte> in;
  for (size_t sent = 0;;) {
    const short ready = transport::wait_for(fd, static_cast<short>(POLLIN | (sent < out.size() ? POLLOUT : 0)), kWithinMs);
    if (!ready) return false;
    if (ready & POLLOUT) {
      const ssize_t put = send(fd, out.data() + sent, out.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (put < 0 && errno != EAGAIN) return true;
      sent += put > 0 ? static_cast<size_t>(put) : 0;
    }
    if (!(ready & (POLLIN | POLLHUP | POLLERR))) continue;
    std::byte room[65536];
    const ssize_t got = recv(fd, room, sizeof(room), MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN)) return true;
    if (got > 0) in.insert(in.end(), room, room + got);
    wire::ReplyHeader header;
    size_t at = 0;
    for (; in.size() - at >= sizeof(header); at += header.size) {
      std::memcpy(&header, in.data() + at, sizeof(header));
      CHECK(header.size >= sizeof(header) && header.size <= wire::kMaxFrame);
      if (in.size() - at < header.size) break;
      if (header.kind == static_cast<uint16_t>(wire::ReplyKind::kReply) && header.sequence == last) return true;
    }
    in.erase(in.begin(), in.begin() + static_cast<ptrdiff_t>(at));
  }
}

void serve(Frames& frames, size_t count) {
  frames.begin();
  for (size_t i = 0; i < count; ++i) frames.add();
  const uint64_t last = frames.end();
  worker::SessionConfig config{"fuzz", std::getenv("BITFUSION_CUDA_LIBRARY"), "", {}, kPartition};
  worker::Session session(config, worker::cuda_handlers(), "");
  int ends[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  auto channel = std::make_unique<transport::Channel>();
  channel->adopt(ends[0]);
  session.attach(std::move(channel), false);
  std::thread runner([&] {
    session.run();
    shutdown(ends[1], SHUT_RDWR);  // as the end of a worker's process does
  });
  const bool answered = exchange(ends[1], frames.bytes(), last);
  close(ends[1]);
  CHECK(answered);
  runner.join();
}

void reset_gpus(void* driver) {
  auto reset = reinterpret_cast<decltype(&::cuDevicePrimaryCtxReset)>(dlsym(driver, "cuDevicePrimaryCtxReset_v2"));
  for (int device : {0, 1}) reset(device);
}

}  // namespace

int main(int count, char** arguments) {
  const size_t wanted = count > 1 ? std::strtoul(arguments[1], nullptr, 10) : 10'000;
  uint64_t seed = count > 2 ? std::strtoull(arguments[2], nullptr, 10) : 1;
  void* driver = dlopen(std::getenv("BITFUSION_CUDA_LIBRARY"), RTLD_NOW);
  CHECK(driver);
  for (size_t sent = 0; sent < wanted; sent += kFramesOfSession, ++seed) {
    std::fprintf(stderr, "\rseed %lu", static_cast<unsigned long>(seed));
    Frames frames(seed);
    serve(frames, std::min(kFramesOfSession, wanted - sent));
    reset_gpus(driver);
  }
  std::fprintf(stderr, "\n%zu frames\n", wanted);
  std::_Exit(0);
}
