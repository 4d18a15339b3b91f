// Device printf on its way: the worker's end, which must neither block nor grow without limit, and the client's, which must not believe
// the worker's lengths.
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "check.h"
#include "transport/printed.h"
#include "worker/output.h"

namespace {

using bitfusion::transport::Printed;
using bitfusion::wire::kMaxOutput;
using bitfusion::wire::OutputPayload;
using bitfusion::wire::Reader;
using bitfusion::worker::Output;

std::string text_of(const Output::Text& text) { return {reinterpret_cast<const char*>(text.bytes.data()), text.bytes.size()}; }

void takes_what_was_printed() {
  Output output;
  CHECK(output.take().bytes.empty());
  std::printf("one\n");
  CHECK(write(STDOUT_FILENO, "two\n", 4) == 4);
  CHECK(text_of(output.take()) == "two\none\n");  // the C library had kept the first
  CHECK(output.take().bytes.empty());
}

void a_flood_does_not_block_and_is_cut() {
  Output output;
  std::string line(1 << 20, 'x');
  for (size_t written = 0; written < kMaxOutput + 2 * line.size(); written += line.size()) std::fwrite(line.data(), 1, line.size(), stdout);
  Output::Text text = output.take();
  CHECK(text.bytes.size() == kMaxOutput);
  CHECK(text.dropped == 2 * line.size());
  std::printf("later\n");
  CHECK(text_of(output.take()) == "later\n");
}

bool add(Printed& printed, uint32_t claimed, size_t actual) {
  OutputPayload about{0, claimed, 0};
  std::vector<std::byte> payload(sizeof(about) + actual, std::byte{'x'});
  std::memcpy(payload.data(), &about, sizeof(about));
  return printed.add(Reader(payload.data(), payload.size()));
}

void a_length_that_lies_is_refused() {
  Printed printed;
  CHECK(!add(printed, 9, 8));
  CHECK(!add(printed, UINT32_MAX, 8));
  CHECK(!printed.add(Reader("short", 5)));
  CHECK(add(printed, 5, 8));
}

void more_than_the_limit_is_refused() {
  Printed printed;
  for (size_t sum = 0; sum < kMaxOutput; sum += 1 << 20) CHECK(add(printed, 1 << 20, 1 << 20));
  CHECK(!add(printed, 1, 8));
}

void comes_out_in_order_with_the_programs_own() {
  Output output;
  Printed printed;
  CHECK(add(printed, 3, 8));
  std::printf("before ");
  printed.write_out();
  std::printf(" after");
  printed.write_out();
  CHECK(text_of(output.take()) == "before xxx after");
}

}  // namespace

int main() {
  constexpr TestCase kCases[] = {
      {"takes what was printed", takes_what_was_printed},
      {"a flood does not block and is cut", a_flood_does_not_block_and_is_cut},
      {"a length that lies is refused", a_length_that_lies_is_refused},
      {"more than the limit is refused", more_than_the_limit_is_refused},
      {"comes out in order with the program's own", comes_out_in_order_with_the_programs_own},
  };
  return run_tests(kCases);
}
