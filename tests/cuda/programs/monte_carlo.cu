// Pi by throwing points: 64-bit integer arithmetic, data-dependent branches, per-thread generators.
#include "check.h"

__host__ __device__ inline uint32_t permuted(uint64_t& state) {
  uint64_t old = state;
  state = old * 6364136223846793005ull + 1442695040888963407ull;
  uint32_t shifted = static_cast<uint32_t>(((old >> 18) ^ old) >> 27);
  uint32_t rotation = static_cast<uint32_t>(old >> 59);
  return (shifted >> rotation) | (shifted << ((32 - rotation) & 31));
}

__host__ __device__ inline unsigned hits(unsigned thread, int throws) {
  uint64_t state = 0x853c49e6748fea9bull ^ (static_cast<uint64_t>(thread) << 20);
  unsigned inside = 0;
  for (int i = 0; i < throws; i++) {
    uint64_t x = permuted(state) >> 1, y = permuted(state) >> 1;
    if (x * x + y * y < (1ull << 62)) inside++;
  }
  return inside;
}

__global__ void throw_points(unsigned long long* inside, int throws) {
  unsigned mine = hits(blockIdx.x * blockDim.x + threadIdx.x, throws);
  atomicAdd(inside, static_cast<unsigned long long>(mine));
}

int main() {
  const unsigned blocks = 32, threads = 64;
  const int throws = 200;
  unsigned long long expected = 0;
  for (unsigned thread = 0; thread < blocks * threads; thread++) expected += hits(thread, throws);
  DeviceArray<unsigned long long> inside(std::vector<unsigned long long>{0});
  throw_points<<<blocks, threads>>>(inside.get(), throws);
  CHECK(cudaGetLastError());
  unsigned long long actual = inside.copy()[0];
  REQUIRE(actual == expected);
  std::printf("pi is about %.6f\n", 4.0 * static_cast<double>(actual) / (blocks * threads * throws));
  return passed();
}
