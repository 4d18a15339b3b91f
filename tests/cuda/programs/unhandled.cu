// A program that never looks at errors: it must end by itself, with the exit code it chose.
#include <cuda_runtime.h>

#include <cstdio>

__global__ void fault(int* address) { *address = 7; }

int main() {
  fault<<<1, 1>>>(nullptr);
  int value = 5, *device = nullptr;
  cudaMalloc(&device, 4);
  cudaMemcpy(device, &value, 4, cudaMemcpyHostToDevice);
  cudaMemcpy(&value, device, 4, cudaMemcpyDeviceToHost);
  cudaFree(device);
  std::printf("value %d\n", value);
  return 3;
}
