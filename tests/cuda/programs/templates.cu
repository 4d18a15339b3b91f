// Kernels made by the compiler: templates over types, constants and functors; lambdas on the device.
#include "check.h"

template <typename T>
struct Square {
  __host__ __device__ T operator()(T value) const { return value * value; }
};

template <typename T, int kShift>
struct Shift {
  __host__ __device__ T operator()(T value) const { return value + static_cast<T>(kShift); }
};

template <typename T, typename Operation, int kUnroll>
__global__ void transform(const T* in, T* out, int count, Operation operation) {
  int start = (blockIdx.x * blockDim.x + threadIdx.x) * kUnroll;
#pragma unroll
  for (int k = 0; k < kUnroll; k++) {
    if (start + k < count) out[start + k] = operation(in[start + k]);
  }
}

template <typename T, typename Operation, int kUnroll>
uint64_t run(Operation operation) {
  const int count = 1000;
  std::vector<T> in(count), expected(count);
  for (int i = 0; i < count; i++) {
    in[i] = static_cast<T>(i % 100);
    expected[i] = operation(in[i]);
  }
  DeviceArray<T> device(in), out(count);
  transform<T, Operation, kUnroll><<<(count / kUnroll + 127) / 128 + 1, 128>>>(device.get(), out.get(), count, operation);
  CHECK(cudaGetLastError());
  std::vector<T> actual = out.copy();
  require_equal(expected, actual);
  return checksum(actual);
}

int main() {
  std::printf("%016llx\n", static_cast<unsigned long long>(run<float, Square<float>, 1>({})));
  std::printf("%016llx\n", static_cast<unsigned long long>(run<double, Square<double>, 2>({})));
  std::printf("%016llx\n", static_cast<unsigned long long>(run<int64_t, Shift<int64_t, -40>, 4>({})));
  std::printf("%016llx\n", static_cast<unsigned long long>(run<uint8_t, Shift<uint8_t, 99>, 3>({})));
  std::printf("%016llx\n", static_cast<unsigned long long>(run<int16_t, Shift<int16_t, -7>, 5>({})));
  return passed();
}
