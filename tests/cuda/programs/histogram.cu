// Counts of byte values with atomics in shared and in global memory.
#include "check.h"

constexpr int kBins = 256;

__global__ void count_bytes(const uint8_t* data, unsigned* bins, int count) {
  __shared__ unsigned local[kBins];
  for (int bin = threadIdx.x; bin < kBins; bin += blockDim.x) local[bin] = 0;
  __syncthreads();
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x) atomicAdd(&local[data[i]], 1u);
  __syncthreads();
  for (int bin = threadIdx.x; bin < kBins; bin += blockDim.x) atomicAdd(&bins[bin], local[bin]);
}

__global__ void extremes(const uint8_t* data, int* low_high, int count) {
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x) {
    atomicMin(&low_high[0], static_cast<int>(data[i]));
    atomicMax(&low_high[1], static_cast<int>(data[i]));
  }
}

int main() {
  const int count = 300'001;
  Numbers numbers(5);
  std::vector<uint8_t> data(count);
  std::vector<unsigned> expected(kBins);
  for (uint8_t& byte : data) expected[byte = static_cast<uint8_t>(3 + numbers.next() % 250)]++;

  DeviceArray<uint8_t> device(data);
  DeviceArray<unsigned> bins(std::vector<unsigned>(kBins, 0));
  DeviceArray<int> low_high(std::vector<int>{1000, -1000});
  count_bytes<<<16, 128>>>(device.get(), bins.get(), count);
  extremes<<<16, 128>>>(device.get(), low_high.get(), count);
  CHECK(cudaGetLastError());
  std::vector<unsigned> actual = bins.copy();
  require_equal(expected, actual);
  REQUIRE(low_high.copy() == (std::vector<int>{3, 252}));
  std::printf("bins checksum %016llx, values 3 to 252\n", static_cast<unsigned long long>(checksum(actual)));
  return passed();
}
