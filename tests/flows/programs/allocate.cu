// Says how much memory its GPU has, then tries to get each amount of MiB it was given, one after the other.
#include <cuda_runtime.h>

#include <cstdio>
#include <cstdlib>

int main(int argc, char** argv) {
  size_t free_bytes = 0, total_bytes = 0;
  cudaError_t status = cudaMemGetInfo(&free_bytes, &total_bytes);
  if (status != cudaSuccess) {
    std::printf("no GPU: %s\n", cudaGetErrorName(status));
    return 1;
  }
  std::printf("total %zu free %zu\n", total_bytes >> 20, free_bytes >> 20);
  for (int i = 1; i < argc; i++) {
    void* memory = nullptr;
    status = cudaMalloc(&memory, std::strtoull(argv[i], nullptr, 10) << 20);
    std::printf("%s %s\n", argv[i], cudaGetErrorName(status));
    cudaGetLastError();
    if (status == cudaSuccess) cudaFree(memory);
  }
}
