// Constant memory and global variables of the device, read and written by name from the host.
#include "check.h"

struct Settings {
  int offset;
  float factor;
  int table[32];
};

__constant__ Settings settings;
__constant__ int initialised[4] = {11, 22, 33, 44};
__device__ int counter = 5;
__device__ double results[64];

__global__ void apply() {
  int i = threadIdx.x;
  results[i] = settings.factor * settings.table[i % 32] + settings.offset + initialised[i % 4];
  atomicAdd(&counter, 1);
}

int main() {
  Settings mine = {7, 0.5f, {}};
  for (int i = 0; i < 32; i++) mine.table[i] = i * i;
  CHECK(cudaMemcpyToSymbol(settings, &mine, sizeof mine));
  apply<<<1, 64>>>();
  CHECK(cudaGetLastError());

  std::vector<double> actual(64), expected(64);
  int base[4] = {11, 22, 33, 44};
  for (int i = 0; i < 64; i++) expected[i] = 0.5 * mine.table[i % 32] + 7 + base[i % 4];
  CHECK(cudaMemcpyFromSymbol(actual.data(), results, sizeof results));
  require_equal(expected, actual);

  int count = 0;
  CHECK(cudaMemcpyFromSymbol(&count, counter, sizeof count));
  REQUIRE(count == 5 + 64);
  void* address = nullptr;
  size_t size = 0;
  CHECK(cudaGetSymbolAddress(&address, results));
  CHECK(cudaGetSymbolSize(&size, results));
  REQUIRE(address != nullptr && size == sizeof results);
  std::printf("counter %d, checksum %016llx\n", count, static_cast<unsigned long long>(checksum(actual)));
  return passed();
}
