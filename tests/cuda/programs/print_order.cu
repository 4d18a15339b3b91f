// Text of kernels and text of the program come out in the order in which the program waited for the kernels, whatever it waits with.
#include "check.h"

__global__ void say(int step) { printf("kernel %d\n", step); }

__global__ void say_much(int lines) {
  for (int line = 0; line < lines; line++) printf("line %06d of a text that is longer than a pipe or a frame holds\n", line);
}

static void host_function(void*) { std::printf("host function\n"); }

static void with_waits(cudaStream_t stream, cudaEvent_t event) {
  say<<<1, 1, 0, stream>>>(1);
  CHECK(cudaStreamSynchronize(stream));
  std::printf("after the stream\n");
  say<<<1, 1, 0, stream>>>(2);
  CHECK(cudaEventRecord(event, stream));
  CHECK(cudaEventSynchronize(event));
  std::printf("after the event\n");
  say<<<1, 1, 0, stream>>>(3);
  CHECK(cudaLaunchHostFunc(stream, host_function, nullptr));
  CHECK(cudaStreamSynchronize(stream));
}

static void with_copies() {
  constexpr size_t kLarge = 1 << 20;
  DeviceArray<char> memory(kLarge);
  std::vector<char> copy(kLarge);
  for (size_t size : {size_t{8}, kLarge}) {
    say<<<1, 1>>>(static_cast<int>(size));
    CHECK(cudaMemcpy(copy.data(), memory.get(), size, cudaMemcpyDeviceToHost));
    std::printf("after a copy\n");
  }
}

int main() {
  CHECK(cudaDeviceSetLimit(cudaLimitPrintfFifoSize, 16 << 20));
  cudaStream_t stream;
  cudaEvent_t event;
  CHECK(cudaStreamCreate(&stream));
  CHECK(cudaEventCreate(&event));
  with_waits(stream, event);
  with_copies();
  say_much<<<1, 1>>>(50'000);
  std::printf("before much\n");
  CHECK(cudaDeviceSynchronize());
  std::printf("after much\n");
  say<<<1, 1>>>(3);
  CHECK(cudaDeviceReset());
  std::printf("after the reset\n");
  return passed();
}
