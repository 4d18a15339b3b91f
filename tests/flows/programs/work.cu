// Works on a GPU until a call fails, and says which error that was. Ignores being asked to end, as one does that saves its work first.
#include <cuda_runtime.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>

int main() {
  std::signal(SIGTERM, SIG_IGN);
  void* memory = nullptr;
  cudaError_t status = cudaMalloc(&memory, 1 << 20);
  std::printf("%s\n", cudaGetErrorName(status));
  std::fflush(stdout);
  while (status == cudaSuccess) {
    status = cudaMemset(memory, 1, 1 << 20);
    if (status == cudaSuccess) status = cudaDeviceSynchronize();
    usleep(50000);
  }
  std::printf("%s\n", cudaGetErrorName(status));
  return 1;
}
