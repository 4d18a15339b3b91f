// Every way to get and fill memory: pitched rows, memset, pools, pinned and managed memory, copies within the device.
#include "check.h"

__global__ void increment(int* values, int count) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) values[i]++;
}

void test_pitched_rows() {
  const size_t width = 100 * sizeof(int), height = 30;
  std::vector<int> in(100 * 30), out(100 * 30);
  for (size_t i = 0; i < in.size(); i++) in[i] = static_cast<int>(i);
  void* rows = nullptr;
  size_t pitch = 0;
  CHECK(cudaMallocPitch(&rows, &pitch, width, height));
  REQUIRE(pitch >= width);
  CHECK(cudaMemcpy2D(rows, pitch, in.data(), width, width, height, cudaMemcpyHostToDevice));
  CHECK(cudaMemcpy2D(out.data(), width, rows, pitch, width, height, cudaMemcpyDeviceToHost));
  require_equal(in, out);
  CHECK(cudaFree(rows));
}

void test_memset() {
  DeviceArray<uint8_t> bytes(1000);
  CHECK(cudaMemset(bytes.get(), 0x5a, 1000));
  CHECK(cudaMemset(bytes.get() + 10, 0, 5));
  std::vector<uint8_t> expected(1000, 0x5a);
  for (int i = 10; i < 15; i++) expected[i] = 0;
  require_equal(expected, bytes.copy());
}

void test_pool() {
  const int count = 5000;
  cudaStream_t stream;
  CHECK(cudaStreamCreate(&stream));
  int* values = nullptr;
  std::vector<int> actual(count);
  CHECK(cudaMallocAsync(&values, count * sizeof(int), stream));
  CHECK(cudaMemsetAsync(values, 0, count * sizeof(int), stream));
  for (int i = 0; i < 3; i++) increment<<<(count + 255) / 256, 256, 0, stream>>>(values, count);
  CHECK(cudaMemcpyAsync(actual.data(), values, count * sizeof(int), cudaMemcpyDeviceToHost, stream));
  CHECK(cudaFreeAsync(values, stream));
  CHECK(cudaStreamSynchronize(stream));
  require_equal(std::vector<int>(count, 3), actual);
  CHECK(cudaStreamDestroy(stream));
}

void test_device_to_device() {
  std::vector<int> values(4096);
  for (size_t i = 0; i < values.size(); i++) values[i] = static_cast<int>(i * i);
  DeviceArray<int> from(values), to(values.size());
  CHECK(cudaMemcpy(to.get(), from.get(), from.bytes(), cudaMemcpyDeviceToDevice));
  require_equal(values, to.copy());
}

void test_accounting() {
  size_t free_before = 0, free_during = 0, total = 0;
  CHECK(cudaMemGetInfo(&free_before, &total));
  REQUIRE(free_before <= total);
  {
    DeviceArray<uint8_t> block(64 << 20);
    CHECK(cudaMemGetInfo(&free_during, &total));
    REQUIRE(free_before - free_during >= (64u << 20));
  }
  void* too_much = nullptr;
  REQUIRE(cudaMalloc(&too_much, total + 1) == cudaErrorMemoryAllocation);
  REQUIRE(cudaGetLastError() == cudaErrorMemoryAllocation);
  REQUIRE(cudaGetLastError() == cudaSuccess);
}

void test_attributes() {
  DeviceArray<int> device(1);
  int* pinned = nullptr;
  CHECK(cudaMallocHost(&pinned, 4096));
  cudaPointerAttributes attributes;
  CHECK(cudaPointerGetAttributes(&attributes, device.get()));
  REQUIRE(attributes.type == cudaMemoryTypeDevice && attributes.device == 0);
  CHECK(cudaPointerGetAttributes(&attributes, pinned));
  REQUIRE(attributes.type == cudaMemoryTypeHost);
  CHECK(cudaFreeHost(pinned));
}

int main() {
  test_pitched_rows();
  test_memset();
  test_pool();
  test_device_to_device();
  test_accounting();
  test_attributes();
  std::printf("pitched, set, pooled, copied, accounted\n");
  return passed();
}
