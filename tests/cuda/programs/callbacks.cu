// Callbacks in streams: called in their places, with their stream, its status and their own data; what follows in the stream waits.
#include <cuda.h>

#include <chrono>
#include <condition_variable>
#include <future>
#include <mutex>

#include "check.h"

constexpr int kRounds = 9;

__global__ void increment(int* counter) { ++*counter; }
__global__ void store(int* address) { *address = 1; }

// What one call was given, and what it saw.
struct Call {
  cudaStream_t stream = nullptr;
  int status = -1;
  int counter = -1;
  int position = -1;
};

struct Round {
  const int* counter;
  int* calls;
  Call call;
};

template <typename Status>
void note(cudaStream_t stream, Status status, void* data) {
  auto* round = static_cast<Round*>(data);
  round->call.stream = stream;
  round->call.status = status;
  round->call.counter = *round->counter;
  round->call.position = (*round->calls)++;
}

// The runtime's callbacks, the driver's, and host functions, which are told nothing, share one order.
void call_back(cudaStream_t stream, int kind, Round* round) {
  if (kind == 0) CHECK(cudaStreamAddCallback(stream, note<cudaError_t>, round, 0));
  if (kind == 1) REQUIRE(cuStreamAddCallback(stream, note<CUresult>, round, 0) == CUDA_SUCCESS);
  if (kind == 2) CHECK(cudaLaunchHostFunc(stream, [](void* data) { note(nullptr, 0, data); }, round));
}

void called_in_order(cudaStream_t stream) {
  DeviceArray<int> counter(std::vector<int>{0});
  int* seen;
  CHECK(cudaMallocHost(&seen, sizeof(int)));
  int calls = 0;
  std::vector<Round> rounds(kRounds, {seen, &calls, {}});
  for (int i = 0; i < kRounds; i++) {
    increment<<<1, 1, 0, stream>>>(counter.get());
    CHECK(cudaMemcpyAsync(seen, counter.get(), sizeof(int), cudaMemcpyDeviceToHost, stream));
    call_back(stream, i % 3, &rounds[i]);
  }
  CHECK(cudaStreamSynchronize(stream));
  for (int i = 0; i < kRounds; i++) {
    REQUIRE(rounds[i].call.position == i);
    REQUIRE(rounds[i].call.counter == i + 1);
    REQUIRE(rounds[i].call.stream == (i % 3 == 2 ? nullptr : stream));
    REQUIRE(rounds[i].call.status == 0);
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
  REQUIRE(cuStreamAddCallback(stream, nullptr, &call, 0) == CUDA_ERROR_INVALID_VALUE);
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
