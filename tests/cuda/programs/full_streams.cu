// A stream with more work than the driver takes without blocking (about 1,000 units) behind a host function: what comes after must still
// come after. The default stream waits for it, and memory and code are there until it has used them.
#include <cuda.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "check.h"

#define DRIVER(call) REQUIRE((call) == CUDA_SUCCESS)

constexpr int kUnits = 1300;

// Holds a stream until it is opened, or for a second: a driver that blocks at a full stream could not reach the opening.
class Gate {
 public:
  void put_into(cudaStream_t stream) { CHECK(cudaLaunchHostFunc(stream, wait, this)); }
  void open() {
    std::lock_guard<std::mutex> guard(lock_);
    open_ = true;
    changed_.notify_all();
  }

 private:
  static void wait(void* gate) {
    auto* self = static_cast<Gate*>(gate);
    std::unique_lock<std::mutex> guard(self->lock_);
    self->changed_.wait_for(guard, std::chrono::seconds(1), [self] { return self->open_; });
  }

  std::mutex lock_;
  std::condition_variable changed_;
  bool open_ = false;
};

struct Stream {
  explicit Stream(unsigned flags) { CHECK(cudaStreamCreateWithFlags(&handle, flags)); }
  ~Stream() { cudaStreamDestroy(handle); }
  cudaStream_t handle = nullptr;
};

void fill(const DeviceArray<unsigned char>& data, cudaStream_t stream) {
  for (int i = 0; i < kUnits; i++) CHECK(cudaMemsetAsync(data.get(), i / 100, data.bytes(), stream));
}

void default_stream_comes_last() {
  DeviceArray<unsigned char> data(64);
  Stream stream(cudaStreamDefault);
  Gate gate;
  gate.put_into(stream.handle);
  fill(data, stream.handle);
  CHECK(cudaMemsetAsync(data.get(), 255, data.bytes()));
  gate.open();
  require_equal(std::vector<unsigned char>(64, 255), data.copy());
}

void blocking_copy_sees_all() {
  DeviceArray<unsigned char> data(64);
  Stream stream(cudaStreamDefault);
  Gate gate;
  gate.put_into(stream.handle);
  fill(data, stream.handle);
  gate.open();
  require_equal(std::vector<unsigned char>(64, (kUnits - 1) / 100), data.copy());
}

void memory_stays_until_it_has_been_used() {
  Stream stream(cudaStreamNonBlocking);
  DeviceArray<unsigned char> kept(64);
  Gate gate;
  gate.put_into(stream.handle);
  {
    DeviceArray<unsigned char> freed(1 << 20);
    fill(freed, stream.handle);
    gate.open();
  }
  DeviceArray<unsigned char> next(1 << 20);
  CHECK(cudaMemset(next.get(), 77, next.bytes()));
  CHECK(cudaStreamSynchronize(stream.handle));
  require_equal(std::vector<unsigned char>(1 << 20, 77), next.copy());
}

const char* const kIncrement = R"(
.version 7.0
.target sm_70
.address_size 64
.visible .entry increment(.param .u64 counter)
{
  .reg .b64 %address; .reg .b32 %value;
  ld.param.u64 %address, [counter];
  ld.global.u32 %value, [%address];
  add.u32 %value, %value, 1;
  st.global.u32 [%address], %value;
  ret;
}
)";

void code_stays_until_it_has_run() {
  Stream stream(cudaStreamNonBlocking);
  DeviceArray<unsigned> counter(std::vector<unsigned>{0});
  CUmodule module;
  CUfunction increment;
  DRIVER(cuModuleLoadData(&module, kIncrement));
  DRIVER(cuModuleGetFunction(&increment, module, "increment"));
  Gate gate;
  gate.put_into(stream.handle);
  unsigned* address = counter.get();
  void* parameters[] = {&address};
  for (int i = 0; i < kUnits; i++) DRIVER(cuLaunchKernel(increment, 1, 1, 1, 1, 1, 1, 0, stream.handle, parameters, nullptr));
  gate.open();
  DRIVER(cuModuleUnload(module));
  CHECK(cudaStreamSynchronize(stream.handle));
  require_equal(std::vector<unsigned>{kUnits}, counter.copy());
}

// One thread waits on the default stream while another's stream calls host functions: neither may keep the other from going on.
void default_stream_and_host_functions() {
  DeviceArray<unsigned char> data(4096);
  std::thread waits([&] {
    for (int i = 0; i < 100; i++) {
      CHECK(cudaMemsetAsync(data.get(), i, data.bytes()));
      data.copy();
    }
  });
  Stream stream(cudaStreamDefault);
  std::atomic<int> calls{0};
  for (int i = 0; i < 100; i++) {
    CHECK(cudaLaunchHostFunc(stream.handle, [](void* count) { ++*static_cast<std::atomic<int>*>(count); }, &calls));
    CHECK(cudaStreamSynchronize(stream.handle));
  }
  waits.join();
  REQUIRE(calls == 100);
}

__attribute__((noinline)) int deep(int level) {
  volatile char room[1 << 10] = {};
  room[level % sizeof(room)] = 1;
  return level ? deep(level - 1) + room[level % sizeof(room)] : 0;
}

// Host functions have the stack that the application's other threads have.
void host_functions_have_room() {
  Stream stream(cudaStreamNonBlocking);
  int depth = 0;
  CHECK(cudaLaunchHostFunc(stream.handle, [](void* out) { *static_cast<int*>(out) = deep(2000); }, &depth));
  CHECK(cudaStreamSynchronize(stream.handle));
  REQUIRE(depth == 2000);
}

int main() {
  CHECK(cudaFree(nullptr));
  default_stream_comes_last();
  blocking_copy_sees_all();
  memory_stays_until_it_has_been_used();
  code_stays_until_it_has_run();
  default_stream_and_host_functions();
  host_functions_have_room();
  return passed();
}
