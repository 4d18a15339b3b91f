// What a program learns about its GPUs before it uses them.
#include "check.h"

void describe(int device) {
  cudaDeviceProp properties;
  CHECK(cudaGetDeviceProperties(&properties, device));
  CHECK(cudaSetDevice(device));
  size_t free_bytes = 0, total_bytes = 0;
  CHECK(cudaMemGetInfo(&free_bytes, &total_bytes));
  int warp = 0, threads = 0, unified = 0;
  CHECK(cudaDeviceGetAttribute(&warp, cudaDevAttrWarpSize, device));
  CHECK(cudaDeviceGetAttribute(&threads, cudaDevAttrMaxThreadsPerBlock, device));
  CHECK(cudaDeviceGetAttribute(&unified, cudaDevAttrUnifiedAddressing, device));
  REQUIRE(warp == 32 && properties.warpSize == 32);
  REQUIRE(threads == properties.maxThreadsPerBlock && threads >= 512);
  REQUIRE(unified == 1);
  REQUIRE(total_bytes <= properties.totalGlobalMem && free_bytes <= total_bytes);
  char bus[32] = {};
  CHECK(cudaDeviceGetPCIBusId(bus, sizeof bus, device));
  int found = -1;
  CHECK(cudaDeviceGetByPCIBusId(&found, bus));
  REQUIRE(found == device);
  std::printf("GPU %d: %s, compute capability %d.%d, %zu MiB\n", device, properties.name, properties.major, properties.minor,
              total_bytes >> 20);
}

int main() {
  int count = 0, runtime = 0, driver = 0, current = -1;
  CHECK(cudaGetDeviceCount(&count));
  CHECK(cudaRuntimeGetVersion(&runtime));
  CHECK(cudaDriverGetVersion(&driver));
  REQUIRE(count >= 1);
  REQUIRE(runtime / 1000 == CUDART_VERSION / 1000);
  REQUIRE(driver >= runtime);
  for (int device = 0; device < count; device++) describe(device);
  REQUIRE(cudaSetDevice(count) == cudaErrorInvalidDevice);
  REQUIRE(cudaGetLastError() == cudaErrorInvalidDevice);
  CHECK(cudaSetDevice(0));
  CHECK(cudaGetDevice(&current));
  REQUIRE(current == 0);
  std::printf("runtime %d\n", runtime / 1000);
  return passed();
}
