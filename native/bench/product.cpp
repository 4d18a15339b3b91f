// A CUDA program (driver API, looked up at run time) that measures what an application sees; run under `bitfusion run` it measures the
// product, on the simulated driver alone it measures that. Kernels are null: SIMGPU_NULL_KERNELS=1. Prints one JSON object.
#include <cuda.h>
#include <dlfcn.h>
#include <time.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

constexpr char kModule[] = ".version 7.0\n.target sm_70\n.address_size 64\n.visible .entry nothing(.param .u64 p)\n{\n  ret;\n}\n";
constexpr size_t kCopy = 256u << 20;
constexpr int kCopies = 4;
constexpr int kLaunches = 300'000;
constexpr int kRoundTrips = 20'000;
// On a busy machine a measurement is cut short rather than drawn out.
constexpr double kMeasureUs = 3e6;

double now_us() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

void must(CUresult status, const char* what) {
  if (status == CUDA_SUCCESS) return;
  std::fprintf(stderr, "%s failed with CUDA error %d\n", what, static_cast<int>(status));
  std::exit(1);
}

template <typename Function>
Function look_up(const char* name) {
  static void* library = dlopen("libcuda.so.1", RTLD_NOW);
  void* found = library ? dlsym(library, name) : nullptr;
  if (!found) {
    std::fprintf(stderr, "no libcuda.so.1 with %s\n", name);
    std::exit(1);
  }
  return reinterpret_cast<Function>(found);
}

#define CALL(symbol, declaration, ...)                              \
  do {                                                              \
    static auto function = look_up<decltype(&declaration)>(symbol); \
    must(function(__VA_ARGS__), symbol);                            \
  } while (false)

CUfunction load_kernel() {
  CUdevice device = 0;
  CUcontext context = nullptr;
  CUmodule module = nullptr;
  CUfunction kernel = nullptr;
  CALL("cuInit", cuInit, 0);
  CALL("cuDeviceGet", cuDeviceGet, &device, 0);
  CALL("cuDevicePrimaryCtxRetain", cuDevicePrimaryCtxRetain, &context, device);
  CALL("cuCtxSetCurrent", cuCtxSetCurrent, context);
  CALL("cuModuleLoadData", cuModuleLoadData, &module, kModule);
  CALL("cuModuleGetFunction", cuModuleGetFunction, &kernel, module, "nothing");
  return kernel;
}

void launch(CUfunction kernel, CUstream stream) {
  uint64_t argument = 0;
  void* arguments[] = {&argument};
  CALL("cuLaunchKernel", cuLaunchKernel, kernel, 1, 1, 1, 32, 1, 1, 0, stream, arguments, nullptr);
}

void synchronize(CUstream stream) { CALL("cuStreamSynchronize", cuStreamSynchronize, stream); }

// A call that the server has to answer and that does nothing there.
void ask() {
  size_t free = 0, total = 0;
  CALL("cuMemGetInfo_v2", cuMemGetInfo, &free, &total);
}

template <typename Work>
void measure_round_trips(const char* name, Work work) {
  std::vector<double> times;
  double end = now_us() + kMeasureUs;
  for (int i = 0; i < kRoundTrips && now_us() < end; ++i) {
    double start = now_us();
    work();
    times.push_back(now_us() - start);
  }
  double sum = 0;
  for (double time : times) sum += time;
  std::sort(times.begin(), times.end());
  std::printf("\"%s\": {\"p50\": %.2f, \"mean\": %.2f, \"p999\": %.2f}, ", name, times[times.size() / 2],
              sum / static_cast<double>(times.size()), times[times.size() * 999 / 1000]);
}

void measure_launches(CUfunction kernel, CUstream stream) {
  double best = 0;
  for (int round = 0; round < 3; ++round) {
    double start = now_us();
    for (int i = 0; i < kLaunches; ++i) launch(kernel, stream);
    synchronize(stream);
    best = std::max(best, kLaunches / (now_us() - start) * 1e6);
  }
  std::printf("\"launches_per_s\": %.0f, ", best);
}

// Bytes that no layer could compress.
void fill(std::vector<uint64_t>& words) {
  uint64_t state = 88172645463325252ull;
  for (auto& word : words) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    word = state;
  }
}

void measure_copies(const char* kind, void* host, const std::vector<uint64_t>& bytes, CUdeviceptr device, CUstream stream) {
  double in = 0, out = 0;
  std::copy(bytes.begin(), bytes.end(), static_cast<uint64_t*>(host));
  for (int round = 0; round < kCopies; ++round) {
    double start = now_us();
    CALL("cuMemcpyHtoDAsync_v2", cuMemcpyHtoDAsync, device, host, kCopy, stream);
    synchronize(stream);
    in = std::max(in, kCopy / (now_us() - start) / 1e3);
    start = now_us();
    CALL("cuMemcpyDtoHAsync_v2", cuMemcpyDtoHAsync, host, device, kCopy, stream);
    synchronize(stream);
    out = std::max(out, kCopy / (now_us() - start) / 1e3);
  }
  if (!std::equal(bytes.begin(), bytes.end(), static_cast<uint64_t*>(host))) {
    std::fprintf(stderr, "%s copies came back wrong\n", kind);
    std::exit(1);
  }
  std::printf("\"h2d_%s_gb_s\": %.2f, \"d2h_%s_gb_s\": %.2f", kind, in, kind, out);
}

}  // namespace

int main() {
  CUfunction kernel = load_kernel();
  CUstream stream = nullptr;
  CALL("cuStreamCreate", cuStreamCreate, &stream, CU_STREAM_NON_BLOCKING);
  std::printf("{");
  measure_round_trips("blocking_call_us", ask);
  measure_round_trips("launch_sync_us", [=] {
    launch(kernel, stream);
    synchronize(stream);
  });
  measure_launches(kernel, stream);
  CUdeviceptr device = 0;
  CALL("cuMemAlloc_v2", cuMemAlloc, &device, kCopy);
  std::vector<uint64_t> bytes(kCopy / 8), pageable(kCopy / 8);
  fill(bytes);
  measure_copies("pageable", pageable.data(), bytes, device, stream);
  std::printf(", ");
  void* pinned = nullptr;
  CALL("cuMemAllocHost_v2", cuMemAllocHost, &pinned, kCopy);
  measure_copies("pinned", pinned, bytes, device, stream);
  std::printf("}\n");
}
