// Callbacks in streams: called in their places, with their stream, its status and their own data; what follows in the stream waits.
#include <chrono>
#include <condition_variable>
#include <future>
#include <mutex>

#include "check.h"

constexpr int kRounds = 8;

__global__ void increment(int* counter) { ++*counter; }
__global__ void store(int* address) { *address = 1; }

// What one call was given, and what it saw.
struct Call {
  cudaStream_t stream = nullptr;
  cudaError_t status = cudaErrorUnknown;
  int counter = -1;
  int position = -1;
};

struct Round {
  const int* counter;
  int* calls;
  Call call;
};

void note(Round* round) {
  round->call.counter = *round->counter;
  round->call.position = (*round->calls)++;
}

void CUDART_CB note_callback(cudaStream_t stream, cudaError_t status, void* data) {
  auto* round = static_cast<Round*>(data);
  round->call.stream = stream;
  round->call.status = status;
  note(round);
}

void CUDART_CB note_function(void* data) { note(static_cast<Round*>(data)); }

// Every other one is a host function of the newer interface: both kinds share one order.
void called_in_order(cudaStream_t stream) {
  DeviceArray<int> counter(std::vector<int>{0});
  int* seen;
  CHECK(cudaMallocHost(&seen, sizeof(int)));
  int calls = 0;
  std::vector<Round> rounds(kRounds, {seen, &calls, {}});
  for (int i = 0; i < kRounds; i++) {
    increment<<<1, 1, 0, stream>>>(counter.get());
    CHECK(cudaMemcpyAsync(seen, counter.get(), sizeof(int), cudaMemcpyDeviceToHost, stream));
    if (i % 2)
      CHECK(cudaLaunchHostFunc(stream, note_function, &rounds[i]));
    else
      CHECK(cudaStreamAddCallback(stream, note_callback, &rounds[i], 0));
  }
  CHECK(cudaStreamSynchronize(stream));
  for (int i = 0; i < kRounds; i++) {
    REQUIRE(rounds[i].call.position == i);
    REQUIRE(rounds[i].call.counter == i + 1);
    if (i % 2) continue;
    REQUIRE(rounds[i].call.stream == stream);
    REQUIRE(rounds[i].call.status == cudaSuccess);
  }
  CHECK(cudaFreeHost(seen));
  std::printf("%d calls in order\n", calls);
}

// Holds a stream, from within a callback, until it is opened.
struct Gate {
  void put_into(cudaStream_t stream) {
    CHECK(cudaStreamAddCallback(stream, [](cudaStream_t, cudaError_t, void* gate) { static_cast<Gate*>(gate)->wait(); }, this, 0));
  }

  void wait() {
    std::unique_lock<std::mutex> guard(lock);
    changed.wait(guard, [this] { return is_open; });
  }

  void open() {
    std::lock_guard<std::mutex> guard(lock);
    is_open = true;
    changed.notify_all();
  }

  std::mutex lock;
  std::condition_variable changed;
  bool is_open = false;
};

void later_work_waits(cudaStream_t stream) {
  DeviceArray<int> counter(std::vector<int>{41});
  Gate gate;
  gate.put_into(stream);
  increment<<<1, 1, 0, stream>>>(counter.get());
  REQUIRE(cudaStreamQuery(stream) == cudaErrorNotReady);
  gate.open();
  CHECK(cudaStreamSynchronize(stream));
  require_equal(std::vector<int>{42}, counter.copy());
}

void bad_arguments_are_refused(cudaStream_t stream) {
  Call call;
  auto never = [](cudaStream_t, cudaError_t, void* data) { static_cast<Call*>(data)->position = 0; };
  REQUIRE(cudaStreamAddCallback(stream, never, &call, 1) == cudaErrorInvalidValue);
  REQUIRE(cudaStreamAddCallback(stream, nullptr, &call, 0) == cudaErrorInvalidValue);
  cudaGetLastError();
  CHECK(cudaStreamSynchronize(stream));
  REQUIRE(call.position == -1);
}

// A callback is called even if the stream has failed, unlike a host function; waiting for the stream need not wait for it then.
// Nothing works afterwards.
void told_of_failure(cudaStream_t stream) {
  Gate gate;
  std::promise<cudaError_t> told;
  std::future<cudaError_t> status = told.get_future();
  bool called = false;
  gate.put_into(stream);
  store<<<1, 1, 0, stream>>>(reinterpret_cast<int*>(0x10));
  CHECK(cudaLaunchHostFunc(stream, [](void* data) { *static_cast<bool*>(data) = true; }, &called));
  CHECK(cudaStreamAddCallback(
      stream, [](cudaStream_t, cudaError_t error, void* data) { static_cast<std::promise<cudaError_t>*>(data)->set_value(error); }, &told,
      0));
  gate.open();
  REQUIRE(cudaStreamSynchronize(stream) == cudaErrorIllegalAddress);
  REQUIRE(status.wait_for(std::chrono::seconds(20)) == std::future_status::ready);
  REQUIRE(status.get() == cudaErrorIllegalAddress);
  REQUIRE(!called);
}

int main() {
  cudaStream_t stream;
  CHECK(cudaStreamCreate(&stream));
  called_in_order(stream);
  later_work_waits(stream);
  bad_arguments_are_refused(stream);
  told_of_failure(stream);
  std::printf("PASSED\n");
  return 0;
}
