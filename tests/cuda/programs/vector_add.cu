// The first CUDA program anyone writes. The argument is the size of each vector in MiB.
#include "check.h"

__global__ void add(const float* a, const float* b, float* sum, size_t count) {
  size_t i = static_cast<size_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < count) sum[i] = a[i] + b[i];
}

int main(int argc, char** argv) {
  size_t mib = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 4;
  size_t count = (mib << 20) / sizeof(float);
  Numbers numbers(1);
  std::vector<float> a = numbers.units(count), b = numbers.units(count), expected(count);
  for (size_t i = 0; i < count; i++) expected[i] = a[i] + b[i];

  DeviceArray<float> device_a(a), device_b(b), sum(count);
  unsigned blocks = static_cast<unsigned>((count + 255) / 256);
  KernelTime time(add);
  add<<<blocks, 256>>>(device_a.get(), device_b.get(), sum.get(), count);
  CHECK(cudaGetLastError());
  time.print();
  std::vector<float> actual = sum.copy();

  require_equal(expected, actual);
  std::printf("%zu sums of two vectors of %zu MiB, checksum %016llx\n", count, mib, static_cast<unsigned long long>(checksum(actual)));
  return passed();
}
