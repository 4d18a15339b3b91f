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

  Rig() { driver.ctx_set_current(kContext); }
  ~Rig() { helpers.finish(std::chrono::seconds(10)); }
  void look() {
    mailbox.run();
    streams.poll();
  }
  Streams::Stream& stream(uint64_t name) { return streams.find(name, reinterpret_cast<CUstream>(name), kContext); }
  // Holds a stream until the gate opens.
  void hold(uint64_t name, std::promise<void>* gate) {
    const auto wait = [](void* data) { static_cast<std::promise<void>*>(data)->get_future().wait(); };
    driver.launch_host_func(reinterpret_cast<CUstream>(name), wait, gate);
  }
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

// Without a look at all streams; who is told of a marker is told by that.
void a_full_stream_has_room_when_its_work_is_over() {
  Rig rig;
  Streams::Stream& stream = rig.stream(7);
  bool told = false;
  for (uint32_t i = 0; i < Streams::kMaxUnfinished; ++i) {
    rig.streams.count(stream);
    if (i == Streams::kMaxUnfinished / 2) CHECK(rig.streams.watch(stream, [&](CUresult) { told = true; }) == CUDA_SUCCESS);
  }
  CHECK(rig.driver.stream_synchronize(stream.handle) == CUDA_SUCCESS);
  CHECK(rig.streams.has_room(stream));
  CHECK(!told);
  rig.look();
  CHECK(told);
}

void a_stream_may_be_destroyed_under_another_context() {
  Rig rig;
  const auto other = reinterpret_cast<CUcontext>(2);
  std::promise<void> gate;
  rig.hold(5, &gate);
  rig.streams.count(rig.stream(5));
  rig.driver.ctx_set_current(other);
  CUevent event = nullptr;
  CHECK(rig.driver.event_create(&event, 0) == CUDA_SUCCESS);
  rig.streams.forget(5, other);
  CHECK(rig.driver.event_record(event, reinterpret_cast<CUstream>(6)) == CUDA_SUCCESS);  // `other` is current again
  rig.look();
  CHECK(!rig.streams.is_idle(Rig::kContext));
  gate.set_value();
  while (!rig.streams.is_idle(Rig::kContext)) rig.look();
}

void markers_end_with_their_context() {
  Rig rig;
  std::promise<void> gate;
  std::optional<CUresult> before, after;
  rig.hold(3, &gate);
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
    {"a full stream has room when its work is over", a_full_stream_has_room_when_its_work_is_over},
    {"a stream may be destroyed under another context", a_stream_may_be_destroyed_under_another_context},
    {"markers end with their context", markers_end_with_their_context},
};

}  // namespace

int main() { return run_tests(kCases); }
