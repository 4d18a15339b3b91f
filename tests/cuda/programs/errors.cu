// Errors: bad launches are reported at once and pass; a wild store ends the context, sticks, and leaves the process alive.
#include "check.h"

__global__ void store(int* address) { *address = 1; }
__global__ void nothing() {}

// The runtime turns some of the driver's "invalid value" into "invalid configuration".
bool refused(cudaError_t error) { return error == cudaErrorInvalidConfiguration || error == cudaErrorInvalidValue; }

void test_bad_launches() {
  nothing<<<1, 2048>>>();
  REQUIRE(refused(cudaGetLastError()));
  nothing<<<0, 1>>>();
  REQUIRE(refused(cudaGetLastError()));
  nothing<<<1, 1, 64 << 20>>>();
  REQUIRE(refused(cudaGetLastError()));
  nothing<<<1, 1>>>();
  CHECK(cudaGetLastError());
  CHECK(cudaDeviceSynchronize());
}

void test_bad_arguments() {
  int value = 0;
  REQUIRE(cudaMemcpy(&value, reinterpret_cast<void*>(0x1234), 4, cudaMemcpyDeviceToHost) == cudaErrorInvalidValue);
  REQUIRE(cudaPeekAtLastError() == cudaErrorInvalidValue);
  REQUIRE(cudaGetLastError() == cudaErrorInvalidValue);
  REQUIRE(cudaFree(reinterpret_cast<void*>(0x1234)) == cudaErrorInvalidValue);
  cudaGetLastError();
  CHECK(cudaFree(nullptr));
}

void test_wild_store() {
  int* valid = nullptr;
  CHECK(cudaMalloc(&valid, 4));
  store<<<1, 1>>>(reinterpret_cast<int*>(0x10));
  cudaError_t error = cudaDeviceSynchronize();
  std::printf("wild store: %s\n", cudaGetErrorName(error));
  REQUIRE(error == cudaErrorIllegalAddress);
  // It sticks: whatever is tried now fails the same way.
  cudaGetLastError();
  REQUIRE(cudaDeviceSynchronize() == cudaErrorIllegalAddress);
  REQUIRE(cudaMalloc(&valid, 4) == cudaErrorIllegalAddress);
  store<<<1, 1>>>(valid);
  REQUIRE(cudaGetLastError() == cudaErrorIllegalAddress);
}

int main() {
  test_bad_launches();
  test_bad_arguments();
  test_wild_store();
  std::printf("PASSED\n");
  return 0;
}
