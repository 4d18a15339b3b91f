// printf on the device: every kind of argument, flushed by synchronisation, in the order of one thread's calls.
#include "check.h"

__global__ void speak(int number, float ratio, const char* nothing) {
  printf("int %d unsigned %u hex %x\n", number, 4000000000u, 48879);
  printf("long %lld float %.3f double %e\n", -1234567890123ll, ratio, 2.5e-7);
  printf("char %c string %s percent %%\n", 'z', "text of the module");
  printf("width [%6d] [%-6d] [%06.2f]\n", number, number, ratio);
  if (nothing == nullptr) printf("pointer is null\n");
}

__global__ void in_turn() {
  for (unsigned turn = 0; turn < blockDim.x; turn++) {
    if (threadIdx.x == turn) printf("thread %u\n", threadIdx.x);
    __syncthreads();
  }
}

int main() {
  speak<<<1, 1>>>(-42, 3.14159f, nullptr);
  CHECK(cudaDeviceSynchronize());
  in_turn<<<1, 4>>>();
  CHECK(cudaDeviceSynchronize());
  std::fflush(stdout);
  return passed();
}
