// A client of the made-up calls, for tests of the dispatcher: `bitfusion_pipe_client ALLOCATION [wait]` connects, has some bytes echoed,
// copies some, and prints "ok"; with `wait` it then calls until the session ends and prints why it did.
#include <cstdio>
#include <cstring>
#include <vector>

#include "test_handlers.h"
#include "transport/link.h"

namespace {

using namespace bitfusion::transport;
using namespace bitfusion::worker::test;

uint32_t echo(Link& link) {
  Reply reply;
  Frame frame(link, kEcho, 0, 16);
  frame.out().text("hello");
  uint32_t status = frame.call(&reply);
  auto answer = reply.in();
  return status ? status : answer.text() == "hello" ? 0 : 1;
}

uint32_t sum(Link& link) {
  std::vector<char> bytes(3'000'000, 1);
  Reply reply;
  Frame frame(link, kSum, 0, 0);
  uint32_t status = frame.call_with_bulk(&reply, bytes.data(), bytes.size());
  return status ? status : reply.in().get<uint64_t>() == bytes.size() ? 0 : 1;
}

}  // namespace

int main(int count, char** arguments) {
  char error[512] = "usage: bitfusion_pipe_client ALLOCATION [wait]";
  Allocation allocation;
  if (count < 2 || !read_allocation(arguments[1], &allocation, error, sizeof(error))) return std::puts(error), 2;
  Link* link = Link::open(allocation, {}, error, sizeof(error));
  if (!link) return std::puts(error), 3;
  if (echo(*link) || sum(*link)) return std::puts(link->reason()), 4;
  std::puts("ok");
  std::fflush(stdout);
  if (count < 3) return 0;
  Frame(*link, kBlock, 0, 8).call(nullptr);
  std::puts(link->reason());
  return 5;
}
