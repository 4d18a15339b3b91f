// Uses a GPU until its standard input ends and then looks whether its memory is as it left it; for ever if it is given an argument.
#include <cuda_runtime.h>
#include <unistd.h>

#include <cstdio>
#include <vector>

int main(int argc, char**) {
  void* memory = nullptr;
  cudaError_t status = cudaMalloc(&memory, 16 << 20);
  if (status == cudaSuccess) status = cudaMemset(memory, 1, 16 << 20);
  if (status == cudaSuccess) status = cudaDeviceSynchronize();
  std::printf("%s %d\n", cudaGetErrorName(status), getpid());
  std::fflush(stdout);
  if (argc > 1) {
    for (;;) pause();
  }
  char byte;
  while (read(0, &byte, 1) > 0) {
  }
  std::vector<char> found(16 << 20);
  if (status == cudaSuccess) status = cudaMemcpy(found.data(), memory, found.size(), cudaMemcpyDeviceToHost);
  for (char one : found) {
    if (one != 1) return 2;
  }
  return status == cudaSuccess ? 0 : 1;
}
