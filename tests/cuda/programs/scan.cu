// Inclusive prefix sums: warp scans by shuffle, one block total each, then a second pass that adds the totals before.
#include "check.h"

constexpr int kThreads = 256;

__device__ int scan_warp(int value) {
  int lane = threadIdx.x % warpSize;
  for (int distance = 1; distance < warpSize; distance *= 2) {
    int before = __shfl_up_sync(0xffffffffu, value, distance);
    if (lane >= distance) value += before;
  }
  return value;
}

__global__ void scan_blocks(int* values, int* totals, int count) {
  __shared__ int warp_totals[kThreads / 32];
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  int value = scan_warp(i < count ? values[i] : 0);
  int warp = threadIdx.x / warpSize;
  if (threadIdx.x % warpSize == warpSize - 1) warp_totals[warp] = value;
  __syncthreads();
  for (int before = 0; before < warp; before++) value += warp_totals[before];
  if (i < count) values[i] = value;
  if (threadIdx.x == blockDim.x - 1) totals[blockIdx.x] = value;
}

__global__ void add_totals(int* values, const int* totals, int count) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (blockIdx.x > 0 && i < count) values[i] += totals[blockIdx.x - 1];
}

int main() {
  const int count = 50'000;
  const int blocks = (count + kThreads - 1) / kThreads;
  Numbers numbers(4);
  std::vector<int> values(count), expected(count);
  int sum = 0;
  for (int i = 0; i < count; i++) {
    values[i] = static_cast<int>(numbers.next() % 100) - 50;
    expected[i] = sum += values[i];
  }

  DeviceArray<int> device(values), totals(blocks), unused(1);
  scan_blocks<<<blocks, kThreads>>>(device.get(), totals.get(), count);
  scan_blocks<<<1, kThreads>>>(totals.get(), unused.get(), blocks);
  add_totals<<<blocks, kThreads>>>(device.get(), totals.get(), count);
  CHECK(cudaGetLastError());
  std::vector<int> actual = device.copy();
  require_equal(expected, actual);
  std::printf("last %d, checksum %016llx\n", actual.back(), static_cast<unsigned long long>(checksum(actual)));
  return passed();
}
