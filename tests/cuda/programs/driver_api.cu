// The driver API with a kernel that NVRTC compiles while the program runs.
#include <cuda.h>
#include <dlfcn.h>
#include <nvrtc.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#define REQUIRE(condition)                                               \
  do {                                                                   \
    if (!(condition)) {                                                  \
      std::printf("FAILED %s:%d: %s\n", __FILE__, __LINE__, #condition); \
      std::exit(1);                                                      \
    }                                                                    \
  } while (0)
#define CHECK(call) REQUIRE((call) == CUDA_SUCCESS)
#define CHECK_NVRTC(call) REQUIRE((call) == NVRTC_SUCCESS)

const char* kSource = R"(
__constant__ float factor;
template <typename T> __device__ T twice(T value) { return value + value; }
extern "C" __global__ void saxpy(float a, const float* x, float* y, int count) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) y[i] = twice(a) * x[i] + factor * y[i];
}
)";

std::string compiled() {
  nvrtcProgram program;
  CHECK_NVRTC(nvrtcCreateProgram(&program, kSource, "saxpy.cu", 0, nullptr, nullptr));
  const char* options[] = {"--gpu-architecture=compute_75", "--fmad=false"};
  CHECK_NVRTC(nvrtcCompileProgram(program, 2, options));
  size_t size = 0;
  CHECK_NVRTC(nvrtcGetPTXSize(program, &size));
  std::string ptx(size, '\0');
  CHECK_NVRTC(nvrtcGetPTX(program, ptx.data()));
  CHECK_NVRTC(nvrtcDestroyProgram(&program));
  return ptx;
}

void run(CUmodule module) {
  const int count = 10'000;
  CUfunction saxpy;
  CUdeviceptr factor, x, y;
  size_t factor_bytes = 0;
  CHECK(cuModuleGetFunction(&saxpy, module, "saxpy"));
  CHECK(cuModuleGetGlobal(&factor, &factor_bytes, module, "factor"));
  REQUIRE(factor_bytes == sizeof(float));
  REQUIRE(cuModuleGetFunction(&saxpy, module, "missing") == CUDA_ERROR_NOT_FOUND);
  CHECK(cuModuleGetFunction(&saxpy, module, "saxpy"));

  std::vector<float> host_x(count), host_y(count);
  for (int i = 0; i < count; i++) {
    host_x[i] = static_cast<float>(i);
    host_y[i] = static_cast<float>(i % 7);
  }
  float scale = 0.5f, a = 3.0f;
  int number = count;
  CHECK(cuMemcpyHtoD(factor, &scale, sizeof scale));
  CHECK(cuMemAlloc(&x, count * sizeof(float)));
  CHECK(cuMemAlloc(&y, count * sizeof(float)));
  CHECK(cuMemcpyHtoD(x, host_x.data(), count * sizeof(float)));
  CHECK(cuMemcpyHtoD(y, host_y.data(), count * sizeof(float)));
  void* arguments[] = {&a, &x, &y, &number};
  CHECK(cuLaunchKernel(saxpy, (count + 127) / 128, 1, 1, 128, 1, 1, 0, nullptr, arguments, nullptr));
  std::vector<float> result(count);
  CHECK(cuMemcpyDtoH(result.data(), y, count * sizeof(float)));
  for (int i = 0; i < count; i++) REQUIRE(result[i] == 2 * a * host_x[i] + scale * host_y[i]);
  CHECK(cuMemFree(x));
  CHECK(cuMemFree(y));
  std::printf("saxpy of %d, last %.1f\n", count, result.back());
}

int main() {
  CUdevice device;
  CUcontext context, current;
  CUmodule module;
  char name[100];
  CHECK(cuInit(0));
  CHECK(cuDeviceGet(&device, 0));
  CHECK(cuDeviceGetName(name, sizeof name, device));
  CHECK(cuDevicePrimaryCtxRetain(&context, device));
  CHECK(cuCtxSetCurrent(context));
  CHECK(cuCtxGetCurrent(&current));
  REQUIRE(current == context);
  std::string ptx = compiled();
  CHECK(cuModuleLoadData(&module, ptx.c_str()));
  run(module);
  CHECK(cuModuleUnload(module));

  char log[1000] = {};
  CUjit_option options[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
  void* values[] = {log, reinterpret_cast<void*>(sizeof log)};
  std::string broken = ".version 8.0\n.target sm_75\n.address_size 64\n.visible .entry k() { not_an_instruction; }\n";
  REQUIRE(cuModuleLoadDataEx(&module, broken.c_str(), 2, options, values) == CUDA_ERROR_INVALID_PTX);
  REQUIRE(log[0] != '\0');
  CHECK(cuDevicePrimaryCtxRelease(device));
  std::printf("PASSED\n");
  return 0;
}
