// Bodies that attract each other: vector loads, shared memory and rsqrtf over several time steps.
#include "check.h"

constexpr int kBodies = 512;
constexpr int kThreads = 128;
constexpr float kSoftening = 0.01f;
constexpr float kStep = 0.001f;

__host__ __device__ inline float3 attraction(float4 a, float4 b, float3 sum) {
  float dx = b.x - a.x, dy = b.y - a.y, dz = b.z - a.z;
  float squared = dx * dx + dy * dy + dz * dz + kSoftening;
#ifdef __CUDA_ARCH__
  float inverse = rsqrtf(squared);
#else
  float inverse = 1.0f / std::sqrt(squared);
#endif
  float force = b.w * inverse * inverse * inverse;
  return make_float3(sum.x + dx * force, sum.y + dy * force, sum.z + dz * force);
}

__host__ __device__ inline float4 moved(float4 body, float4& speed, float3 pull) {
  speed.x += pull.x * kStep;
  speed.y += pull.y * kStep;
  speed.z += pull.z * kStep;
  return make_float4(body.x + speed.x * kStep, body.y + speed.y * kStep, body.z + speed.z * kStep, body.w);
}

__global__ void step(const float4* bodies, float4* next, float4* speeds) {
  __shared__ float4 tile[kThreads];
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  float4 mine = bodies[i];
  float3 pull = make_float3(0, 0, 0);
  for (int start = 0; start < kBodies; start += kThreads) {
    tile[threadIdx.x] = bodies[start + threadIdx.x];
    __syncthreads();
    for (int j = 0; j < kThreads; j++) pull = attraction(mine, tile[j], pull);
    __syncthreads();
  }
  next[i] = moved(mine, speeds[i], pull);
}

void step_on_cpu(std::vector<float4>& bodies, std::vector<float4>& speeds) {
  std::vector<float4> next(bodies.size());
  for (int i = 0; i < kBodies; i++) {
    float3 pull = make_float3(0, 0, 0);
    for (int j = 0; j < kBodies; j++) pull = attraction(bodies[i], bodies[j], pull);
    next[i] = moved(bodies[i], speeds[i], pull);
  }
  bodies = next;
}

std::vector<float> flat(const std::vector<float4>& bodies) {
  std::vector<float> values;
  for (const float4& body : bodies) values.insert(values.end(), {body.x, body.y, body.z});
  return values;
}

int main() {
  Numbers numbers(7);
  std::vector<float4> bodies(kBodies), speeds(kBodies);
  for (float4& body : bodies) body = make_float4(numbers.unit(), numbers.unit(), numbers.unit(), numbers.unit());
  DeviceArray<float4> now(bodies), next(kBodies), device_speeds(speeds);
  for (int i = 0; i < 2; i++) {
    step<<<kBodies / kThreads, kThreads>>>(now.get(), next.get(), device_speeds.get());
    step<<<kBodies / kThreads, kThreads>>>(next.get(), now.get(), device_speeds.get());
  }
  CHECK(cudaGetLastError());
  for (int i = 0; i < 4; i++) step_on_cpu(bodies, speeds);
  std::vector<float> actual = flat(now.copy());
  require_close(flat(bodies), actual, 1e-3);
  std::printf("first body at %.3f %.3f %.3f\n", actual[0], actual[1], actual[2]);
  return passed();
}
