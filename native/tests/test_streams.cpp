// What the executor knows of streams, against the made-up driver: it ends with the streams and their contexts.
#include <dlfcn.h>

#include <cstdlib>
#include <future>
#include <optional>
#include <thread>

#include "check.h"
#include "worker/streams.h"

namespace {

using namespace bitfusion::worker;

struct Rig {
  Driver driver = Driver::load(std::getenv("BITFUSION_FAKE_DRIVER"));
  Helpers helpers{[] {}};
  Mailbox mailbox;
  Streams streams{driver, helpers, mailbox};

  ~Rig() { helpers.finish(std::chrono::seconds(10)); }
  void look() {
    mailbox.run();
    streams.poll();
  }
  Streams::Stream& stream(uint64_t name) { return streams.find(name, reinterpret_cast<CUstream>(name), kContext); }
  // From now on an event that exists is not to be used any more.
  void end_events() { reinterpret_cast<void (*)()>(dlsym(driver.handle, "fakeEndEvents"))(); }
  int helpers_in_driver() { return reinterpret_cast<int (*)()>(dlsym(driver.handle, "fakeWaiting"))(); }

  static inline const auto kContext = reinterpret_cast<CUcontext>(1);
};

void streams_that_are_destroyed_are_forgotten() {
  Rig rig;
  for (uint64_t name = 2; name < 12; ++name) {
    rig.streams.count(rig.stream(name));
    rig.streams.forget(name, Rig::kContext);
  }
  while (rig.streams.size() > 0) rig.look();
  CHECK(rig.streams.is_idle(Rig::kContext));
}

void markers_end_with_their_context() {
  Rig rig;
  std::promise<void> gate;
  std::optional<CUresult> before, after;
  rig.driver.launch_host_func(
      reinterpret_cast<CUstream>(3), [](void* data) { static_cast<std::promise<void>*>(data)->get_future().wait(); }, &gate);
  for (int i = 0; i < 2; ++i) CHECK(rig.streams.watch(rig.stream(3), [&](CUresult status) { before = status; }) == CUDA_SUCCESS);
  rig.streams.call_help();
  while (rig.helpers_in_driver() == 0) std::this_thread::yield();
  rig.streams.let_go(Rig::kContext);
  CHECK(rig.streams.size() == 0 && !before);
  rig.end_events();
  rig.streams.end_let_go();
  CHECK(before == CUDA_ERROR_CONTEXT_IS_DESTROYED);
  gate.set_value();
  CHECK(rig.streams.watch(rig.stream(3), [&](CUresult status) { after = status; }) == CUDA_SUCCESS);
  while (!after) rig.look();
  CHECK(after == CUDA_SUCCESS);
}

const TestCase kCases[] = {
    {"streams that are destroyed are forgotten", streams_that_are_destroyed_are_forgotten},
    {"markers end with their context", markers_end_with_their_context},
};

}  // namespace

int main() { return run_tests(kCases); }
