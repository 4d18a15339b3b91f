// Matrix product of 512 x 512 matrices in tiles of shared memory.
#include "check.h"

constexpr int kSize = 512;
constexpr int kTile = 16;

__global__ void multiply(const float* a, const float* b, float* product) {
  __shared__ float tile_a[kTile][kTile];
  __shared__ float tile_b[kTile][kTile];
  int row = blockIdx.y * kTile + threadIdx.y;
  int column = blockIdx.x * kTile + threadIdx.x;
  float sum = 0;
  for (int start = 0; start < kSize; start += kTile) {
    tile_a[threadIdx.y][threadIdx.x] = a[row * kSize + start + threadIdx.x];
    tile_b[threadIdx.y][threadIdx.x] = b[(start + threadIdx.y) * kSize + column];
    __syncthreads();
    for (int k = 0; k < kTile; k++) sum += tile_a[threadIdx.y][k] * tile_b[k][threadIdx.x];
    __syncthreads();
  }
  product[row * kSize + column] = sum;
}

std::vector<float> multiply_on_cpu(const std::vector<float>& a, const std::vector<float>& b) {
  std::vector<float> product(kSize * kSize);
  for (int i = 0; i < kSize; i++) {
    for (int k = 0; k < kSize; k++) {
      for (int j = 0; j < kSize; j++) product[i * kSize + j] += a[i * kSize + k] * b[k * kSize + j];
    }
  }
  return product;
}

int main() {
  Numbers numbers(2);
  std::vector<float> a = numbers.units(kSize * kSize), b = numbers.units(kSize * kSize);
  DeviceArray<float> device_a(a), device_b(b), product(a.size());
  KernelTime time(multiply);
  multiply<<<dim3(kSize / kTile, kSize / kTile), dim3(kTile, kTile)>>>(device_a.get(), device_b.get(), product.get());
  CHECK(cudaGetLastError());
  time.print();
  std::vector<float> actual = product.copy();
  require_close(multiply_on_cpu(a, b), actual, 1e-4);
  std::printf("product[0] %.3f product[last] %.3f\n", actual.front(), actual.back());
  return passed();
}
