// The pipes alone, in one process over loopback with made-up calls: what the transport and the executor can do before any CUDA call is
// remoted. Prints one JSON object; argument `tls` measures under TLS.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <vector>

#include "loopback.h"
#include "test_handlers.h"
#include "transport/channel.h"

namespace {

using bitfusion::test::Loopback;
using bitfusion::transport::CopyMode;
using bitfusion::transport::Frame;
using bitfusion::transport::Link;
using bitfusion::transport::now_ns;
using namespace bitfusion::worker::test;

constexpr uint64_t kContext = 1;
constexpr uint64_t kStream = 5;
constexpr size_t kCopy = 256u << 20;
// On a busy machine a measurement is cut short rather than drawn out.
constexpr int64_t kMeasureNs = 3'000'000'000;

void launch(Link& link) {
  char parameters[64] = {};
  Frame frame(link, kNothing, kContext, 80);
  frame.out().put(kStream);
  frame.out().bytes(parameters, sizeof(parameters));
  frame.send();
}

void synchronize(Link& link, TestRow row = kSyncStream) {
  Frame frame(link, row, kContext, 8);
  frame.out().put(kStream);
  frame.call(nullptr);
}

void measure_round_trips(Link& link, const char* name, bool with_launch) {
  constexpr int kRounds = 20'000;
  std::vector<double> times;
  int64_t end = now_ns() + kMeasureNs;
  for (int i = 0; i < kRounds && now_ns() < end; ++i) {
    int64_t start = now_ns();
    if (with_launch) launch(link);
    synchronize(link, kRead);
    times.push_back(static_cast<double>(now_ns() - start) / 1000);
  }
  double sum = 0;
  for (double time : times) sum += time;
  std::sort(times.begin(), times.end());
  std::printf("\"%s\": {\"p50\": %.2f, \"mean\": %.2f, \"p999\": %.2f}, ", name, times[times.size() / 2],
              sum / static_cast<double>(times.size()), times[times.size() * 999 / 1000]);
}

void measure_launches(Link& link) {
  constexpr int kLaunches = 300'000;
  double best = 0;
  for (int round = 0; round < 3; ++round) {
    int64_t start = now_ns();
    for (int i = 0; i < kLaunches; ++i) launch(link);
    synchronize(link);
    best = std::max(best, kLaunches * 1e9 / static_cast<double>(now_ns() - start));
  }
  std::printf("\"launches_per_s\": %.0f, ", best);
}

void measure_copies(Link& link) {
  std::vector<char> host(kCopy, 1), device(kCopy, 2);
  auto address = reinterpret_cast<uint64_t>(device.data());
  double in = 0, out = 0;
  for (int round = 0; round < 4; ++round) {
    int64_t start = now_ns();
    link.copy_in(kContext, kStream, address, host.data(), kCopy, CopyMode::kBlocking);
    in = std::max(in, static_cast<double>(kCopy) / static_cast<double>(now_ns() - start));
    start = now_ns();
    link.copy_out(kContext, kStream, host.data(), address, kCopy, CopyMode::kBlocking);
    out = std::max(out, static_cast<double>(kCopy) / static_cast<double>(now_ns() - start));
  }
  std::printf("\"h2d_gb_s\": %.2f, \"d2h_gb_s\": %.2f", in, out);
}

}  // namespace

int main(int count, char** arguments) {
  std::setvbuf(stdout, nullptr, _IONBF, 0);
  Loopback loopback(count > 1 && !std::strcmp(arguments[1], "tls"), test_handlers());
  std::printf("{");
  measure_round_trips(loopback.link(), "call_us", false);
  measure_round_trips(loopback.link(), "launch_call_us", true);
  measure_launches(loopback.link());
  measure_copies(loopback.link());
  std::printf("}\n");
  std::fflush(stdout);
  std::_Exit(0);
}
