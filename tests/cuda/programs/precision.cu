// Half, bfloat16, single and double precision: arithmetic, conversions, comparisons and the mathematical functions.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "check.h"

__global__ void halves(const float* in, float* out, int count) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= count) return;
  __half x = __float2half(in[i]);
  __half2 pair = __halves2half2(x, __float2half(2.0f));
  __half2 twice = __hfma2(pair, pair, __float2half2_rn(0.25f));
  out[3 * i] = __half2float(__hadd(x, __hmul(x, x)));
  out[3 * i + 1] = __low2float(twice);
  out[3 * i + 2] = __bfloat162float(__float2bfloat16(in[i]));
}

__global__ void doubles(const double* in, double* out, int count) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= count) return;
  double x = in[i];
  out[5 * i] = sin(x) * cos(x);
  out[5 * i + 1] = exp(-x) + log1p(x);
  out[5 * i + 2] = sqrt(x) + cbrt(x);
  out[5 * i + 3] = pow(x, 1.5) + tanh(x);
  out[5 * i + 4] = fma(x, x, -x) + erf(x);
}

__global__ void singles(const float* in, float* out, int count) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= count) return;
  float x = in[i];
  out[4 * i] = sinf(x) + cosf(x * 10);
  out[4 * i + 1] = expf(x) * logf(x + 1);
  out[4 * i + 2] = powf(x + 0.5f, 2.5f);
  out[4 * i + 3] = __fdividef(1.0f, x + 1) + __expf(-x) + atan2f(x, 2.0f);
}

__global__ void conversions(int* out) {
  float x = -2.75f;
  out[0] = __float2int_rn(x);
  out[1] = __float2int_rz(x);
  out[2] = __float2int_ru(x);
  out[3] = __float2int_rd(x);
  out[4] = __float_as_int(1.5f);
  out[5] = __popc(0xF0F0) + __clz(1) + __ffs(8);
  out[6] = static_cast<int>(__brev(1u) >> 31);
  out[7] = __mulhi(1 << 30, 12);
  out[8] = static_cast<int>(__umulhi(0xffffffffu, 3u));
  out[9] = __byte_perm(0x03020100, 0x07060504, 0x7531);
}

void test_halves(const std::vector<float>& values) {
  DeviceArray<float> in(values), out(values.size() * 3);
  halves<<<1, 256>>>(in.get(), out.get(), static_cast<int>(values.size()));
  CHECK(cudaGetLastError());
  std::vector<float> expected;
  for (float x : values) expected.insert(expected.end(), {x + x * x, x * x + 0.25f, x});
  require_close(expected, out.copy(), 0.01);
}

void test_doubles(const std::vector<float>& values) {
  std::vector<double> wide(values.begin(), values.end()), expected;
  DeviceArray<double> in(wide), out(wide.size() * 5);
  doubles<<<1, 256>>>(in.get(), out.get(), static_cast<int>(wide.size()));
  CHECK(cudaGetLastError());
  for (double x : wide) {
    expected.insert(expected.end(), {std::sin(x) * std::cos(x), std::exp(-x) + std::log1p(x), std::sqrt(x) + std::cbrt(x),
                                     std::pow(x, 1.5) + std::tanh(x), std::fma(x, x, -x) + std::erf(x)});
  }
  require_close(expected, out.copy(), 1e-13);
}

void test_singles(const std::vector<float>& values) {
  DeviceArray<float> in(values), out(values.size() * 4);
  singles<<<1, 256>>>(in.get(), out.get(), static_cast<int>(values.size()));
  CHECK(cudaGetLastError());
  std::vector<float> expected;
  for (float x : values) {
    expected.insert(expected.end(), {std::sin(x) + std::cos(x * 10), std::exp(x) * std::log(x + 1), std::pow(x + 0.5f, 2.5f),
                                     1.0f / (x + 1) + std::exp(-x) + std::atan2(x, 2.0f)});
  }
  require_close(expected, out.copy(), 1e-5);
}

void test_conversions() {
  DeviceArray<int> out(10);
  conversions<<<1, 1>>>(out.get());
  CHECK(cudaGetLastError());
  require_equal({-3, -2, -2, -3, 0x3fc00000, 8 + 31 + 4, 1, 3, 2, 0x07050301}, out.copy());
}

int main() {
  Numbers numbers(17);
  std::vector<float> values = numbers.units(200);
  test_halves(values);
  test_doubles(values);
  test_singles(values);
  test_conversions();
  std::printf("half, bfloat16, single and double agree with the CPU\n");
  return passed();
}
