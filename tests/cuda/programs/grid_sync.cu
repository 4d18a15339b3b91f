// A cooperative launch whose blocks meet several times, and groups smaller than a block.
#include <cooperative_groups.h>
#include <cooperative_groups/reduce.h>

#include "check.h"

namespace groups = cooperative_groups;

__global__ void relax(int* now, int* next, int count, int rounds) {
  groups::grid_group grid = groups::this_grid();
  for (int round = 0; round < rounds; round++) {
    for (unsigned i = grid.thread_rank(); i < static_cast<unsigned>(count); i += grid.size()) {
      int left = i ? now[i - 1] : 0, right = i + 1 < static_cast<unsigned>(count) ? now[i + 1] : 0;
      next[i] = (left + 2 * now[i] + right) / 4;
    }
    grid.sync();
    int* swapped = now;
    now = next;
    next = swapped;
  }
}

__global__ void tiles(int* sums) {
  groups::thread_block block = groups::this_thread_block();
  auto tile = groups::tiled_partition<8>(block);
  int sum = groups::reduce(tile, static_cast<int>(block.thread_rank()), groups::plus<int>());
  if (tile.thread_rank() == 0) sums[block.thread_rank() / 8] = sum;
  if (block.thread_rank() % 3 == 0) {
    groups::coalesced_group active = groups::coalesced_threads();
    if (active.thread_rank() == 0) atomicAdd(&sums[8], static_cast<int>(active.size()));
  }
}

std::vector<int> relax_on_cpu(std::vector<int> now, int rounds) {
  int count = static_cast<int>(now.size());
  std::vector<int> next(now.size());
  for (int round = 0; round < rounds; round++) {
    for (int i = 0; i < count; i++) {
      int left = i ? now[i - 1] : 0, right = i + 1 < count ? now[i + 1] : 0;
      next[i] = (left + 2 * now[i] + right) / 4;
    }
    now.swap(next);
  }
  return now;
}

int main() {
  const int threads = 64, rounds = 10;
  int per_multiprocessor = 0, supported = 0;
  cudaDeviceProp properties;
  CHECK(cudaGetDeviceProperties(&properties, 0));
  CHECK(cudaDeviceGetAttribute(&supported, cudaDevAttrCooperativeLaunch, 0));
  REQUIRE(supported == 1);
  CHECK(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&per_multiprocessor, relax, threads, 0));
  REQUIRE(per_multiprocessor > 0);

  Numbers numbers(13);
  std::vector<int> values(2000);
  for (int& value : values) value = static_cast<int>(numbers.next() % 10000);
  DeviceArray<int> now(values), next(values.size());
  int* now_pointer = now.get();
  int* next_pointer = next.get();
  int count = static_cast<int>(values.size()), times = rounds;
  void* arguments[] = {&now_pointer, &next_pointer, &count, &times};
  unsigned blocks = static_cast<unsigned>(properties.multiProcessorCount < 4 ? properties.multiProcessorCount : 4);
  CHECK(cudaLaunchCooperativeKernel(relax, dim3(blocks), dim3(threads), arguments, 0, nullptr));
  std::vector<int> actual = now.copy();
  require_equal(relax_on_cpu(values, rounds), actual);

  DeviceArray<int> sums(std::vector<int>(9, 0));
  tiles<<<1, 64>>>(sums.get());
  CHECK(cudaGetLastError());
  std::vector<int> expected(9);
  for (int i = 0; i < 64; i++) expected[i / 8] += i;
  expected[8] = 22;
  require_equal(expected, sums.copy());
  std::printf("checksum %016llx after %d rounds\n", static_cast<unsigned long long>(checksum(actual)), rounds);
  return passed();
}
