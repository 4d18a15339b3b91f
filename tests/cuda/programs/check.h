// What every program here needs: stop at the first CUDA error, and say whether the GPU's result is the CPU's.
#pragma once

#include <cuda_runtime.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#define CHECK(call)                                                                                  \
  do {                                                                                               \
    cudaError_t status_ = (call);                                                                    \
    if (status_ != cudaSuccess) {                                                                    \
      std::printf("FAILED %s:%d: %s: %s\n", __FILE__, __LINE__, #call, cudaGetErrorString(status_)); \
      std::exit(1);                                                                                  \
    }                                                                                                \
  } while (0)

#define REQUIRE(condition)                                               \
  do {                                                                   \
    if (!(condition)) {                                                  \
      std::printf("FAILED %s:%d: %s\n", __FILE__, __LINE__, #condition); \
      std::exit(1);                                                      \
    }                                                                    \
  } while (0)

// Memory of the GPU that is freed with its owner.
template <typename T>
class DeviceArray {
 public:
  explicit DeviceArray(size_t count) : count_(count) { CHECK(cudaMalloc(&data_, count * sizeof(T))); }
  explicit DeviceArray(const std::vector<T>& values) : DeviceArray(values.size()) {
    CHECK(cudaMemcpy(data_, values.data(), bytes(), cudaMemcpyHostToDevice));
  }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;
  ~DeviceArray() { cudaFree(data_); }

  T* get() const { return data_; }
  size_t bytes() const { return count_ * sizeof(T); }

  std::vector<T> copy() const {
    std::vector<T> values(count_);
    CHECK(cudaMemcpy(values.data(), data_, bytes(), cudaMemcpyDeviceToHost));
    return values;
  }

 private:
  T* data_ = nullptr;
  size_t count_;
};

// Numbers that are the same on every machine and in every run.
class Numbers {
 public:
  explicit Numbers(uint32_t seed) : state_(seed * 2654435761u + 1u) {}
  uint32_t next() {
    state_ = state_ * 1664525u + 1013904223u;
    return state_ >> 8;
  }
  float unit() { return static_cast<float>(next()) / static_cast<float>(1u << 24); }
  std::vector<float> units(size_t count) {
    std::vector<float> values(count);
    for (float& value : values) value = unit();
    return values;
  }

 private:
  uint32_t state_;
};

// FNV-1a over the bytes of exact results: two runs that print the same number computed the same.
template <typename T>
uint64_t checksum(const std::vector<T>& values) {
  uint64_t hash = 14695981039346656037ull;
  const auto* bytes = reinterpret_cast<const unsigned char*>(values.data());
  for (size_t i = 0; i < values.size() * sizeof(T); i++) hash = (hash ^ bytes[i]) * 1099511628211ull;
  return hash;
}

template <typename T>
void require_equal(const std::vector<T>& expected, const std::vector<T>& actual) {
  REQUIRE(expected.size() == actual.size());
  for (size_t i = 0; i < expected.size(); i++) {
    if (expected[i] == actual[i]) continue;
    std::printf("FAILED element %zu: expected %.9g, got %.9g\n", i, static_cast<double>(expected[i]), static_cast<double>(actual[i]));
    std::exit(1);
  }
}

template <typename T>
void require_close(const std::vector<T>& expected, const std::vector<T>& actual, double tolerance) {
  REQUIRE(expected.size() == actual.size());
  for (size_t i = 0; i < expected.size(); i++) {
    double difference = std::fabs(static_cast<double>(expected[i]) - static_cast<double>(actual[i]));
    if (difference <= tolerance * std::fmax(1.0, std::fabs(static_cast<double>(expected[i])))) continue;
    std::printf("FAILED element %zu: expected %.9g, got %.9g\n", i, static_cast<double>(expected[i]), static_cast<double>(actual[i]));
    std::exit(1);
  }
}

// How long the GPU works on a kernel, without compiling it. Measured and printed only if KERNEL_TIME is set, on standard error: no two runs
// take the same, and what is measured costs calls.
class KernelTime {
 public:
  template <typename Kernel>
  explicit KernelTime(Kernel* kernel) {
    if (!wanted_) return;
    cudaFuncAttributes loads_it;
    CHECK(cudaFuncGetAttributes(&loads_it, kernel));
    CHECK(cudaEventCreate(&begin_));
    CHECK(cudaEventCreate(&end_));
    CHECK(cudaEventRecord(begin_));
  }
  KernelTime(const KernelTime&) = delete;
  KernelTime& operator=(const KernelTime&) = delete;
  ~KernelTime() {
    if (!wanted_) return;
    cudaEventDestroy(begin_);
    cudaEventDestroy(end_);
  }

  void print() {
    if (!wanted_) return;
    float milliseconds = 0;
    CHECK(cudaEventRecord(end_));
    CHECK(cudaEventSynchronize(end_));
    CHECK(cudaEventElapsedTime(&milliseconds, begin_, end_));
    std::fprintf(stderr, "kernel: %.3f ms\n", milliseconds);
  }

 private:
  bool wanted_ = std::getenv("KERNEL_TIME") != nullptr;
  cudaEvent_t begin_ = nullptr, end_ = nullptr;
};

inline int passed() {
  CHECK(cudaDeviceSynchronize());
  std::printf("PASSED\n");
  return 0;
}
