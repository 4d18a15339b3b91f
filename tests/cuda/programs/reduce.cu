// The sum of a vector, once by a tree in dynamic shared memory and once by warp shuffles.
#include "check.h"

constexpr int kThreads = 256;

__global__ void reduce_by_tree(const uint32_t* values, unsigned long long* total, int count) {
  extern __shared__ uint32_t partial[];
  uint32_t sum = 0;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x) sum += values[i];
  partial[threadIdx.x] = sum;
  __syncthreads();
  for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) partial[threadIdx.x] += partial[threadIdx.x + half];
    __syncthreads();
  }
  if (threadIdx.x == 0) atomicAdd(total, static_cast<unsigned long long>(partial[0]));
}

__global__ void reduce_by_shuffle(const uint32_t* values, unsigned long long* total, int count) {
  uint32_t sum = 0;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x) sum += values[i];
  for (int distance = warpSize / 2; distance > 0; distance /= 2) sum += __shfl_down_sync(0xffffffffu, sum, distance);
  if (threadIdx.x % warpSize == 0) atomicAdd(total, static_cast<unsigned long long>(sum));
}

unsigned long long total_of(const DeviceArray<unsigned long long>& total) { return total.copy()[0]; }

int main() {
  const int count = 1'000'003;
  Numbers numbers(3);
  std::vector<uint32_t> values(count);
  unsigned long long expected = 0;
  for (uint32_t& value : values) expected += value = numbers.next() % 1000;

  DeviceArray<uint32_t> device(values);
  DeviceArray<unsigned long long> tree(std::vector<unsigned long long>{0}), shuffle(std::vector<unsigned long long>{0});
  reduce_by_tree<<<64, kThreads, kThreads * sizeof(uint32_t)>>>(device.get(), tree.get(), count);
  reduce_by_shuffle<<<64, kThreads>>>(device.get(), shuffle.get(), count);
  CHECK(cudaGetLastError());
  REQUIRE(total_of(tree) == expected);
  REQUIRE(total_of(shuffle) == expected);
  std::printf("sum %llu by tree and by shuffle\n", expected);
  return passed();
}
