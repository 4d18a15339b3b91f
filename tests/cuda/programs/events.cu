// Events: order, queries and times that grow with the work between them.
#include "check.h"

__global__ void spin(float* value, int rounds) {
  float x = *value;
  for (int i = 0; i < rounds; i++) x = x * 0.999f + 0.5f;
  *value = x;
}

float timed(cudaStream_t stream, float* value, int rounds) {
  cudaEvent_t begin, end;
  CHECK(cudaEventCreate(&begin));
  CHECK(cudaEventCreate(&end));
  CHECK(cudaEventRecord(begin, stream));
  spin<<<1, 1, 0, stream>>>(value, rounds);
  CHECK(cudaEventRecord(end, stream));
  CHECK(cudaEventSynchronize(end));
  CHECK(cudaEventQuery(begin));
  CHECK(cudaEventQuery(end));
  float milliseconds = -1;
  CHECK(cudaEventElapsedTime(&milliseconds, begin, end));
  CHECK(cudaEventDestroy(begin));
  CHECK(cudaEventDestroy(end));
  return milliseconds;
}

int main() {
  cudaStream_t stream;
  CHECK(cudaStreamCreate(&stream));
  DeviceArray<float> value(std::vector<float>{1});
  timed(stream, value.get(), 1);
  float brief = timed(stream, value.get(), 10);
  float lengthy = timed(stream, value.get(), 20'000'000);
  REQUIRE(brief >= 0);
  REQUIRE(lengthy > brief);

  cudaEvent_t without_timing, never_recorded;
  float unused;
  CHECK(cudaEventCreateWithFlags(&without_timing, cudaEventDisableTiming));
  CHECK(cudaEventCreate(&never_recorded));
  CHECK(cudaEventRecord(without_timing, stream));
  REQUIRE(cudaEventElapsedTime(&unused, without_timing, without_timing) == cudaErrorInvalidResourceHandle);
  REQUIRE(cudaEventElapsedTime(&unused, never_recorded, never_recorded) == cudaErrorInvalidResourceHandle);
  CHECK(cudaEventQuery(never_recorded));
  CHECK(cudaStreamDestroy(stream));
  cudaGetLastError();
  std::printf("longer work took longer\n");
  return passed();
}
