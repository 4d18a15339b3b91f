// Functions the compiler cannot inline: pointers to functions, recursion, virtual methods, local arrays; votes and matches of a warp.
#include "check.h"

typedef int (*Operation)(int, int);

__device__ __noinline__ int sum(int a, int b) { return a + b; }
__device__ __noinline__ int difference(int a, int b) { return a - b; }
__device__ Operation operations[] = {sum, difference};

__device__ __noinline__ int fibonacci(int n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }

struct Shape {
  __device__ virtual int area() const = 0;
};
struct Box : Shape {
  int side;
  __device__ explicit Box(int length) : side(length) {}
  __device__ int area() const override { return side * side; }
};
struct Strip : Shape {
  int length;
  __device__ explicit Strip(int size) : length(size) {}
  __device__ int area() const override { return length; }
};

__global__ void call(int* out) {
  int i = threadIdx.x;
  out[i] = operations[i % 2](100, i);
  out[32 + i] = fibonacci(i % 12);
  Box box(i);
  Strip strip(i);
  const Shape* shape = i % 2 ? static_cast<const Shape*>(&box) : &strip;
  out[64 + i] = shape->area();
}

__global__ void sort_locally(int* out) {
  int values[16];
  for (int i = 0; i < 16; i++) values[i] = (i * 7 + static_cast<int>(threadIdx.x)) % 16;
  for (int i = 1; i < 16; i++) {
    for (int j = i; j > 0 && values[j - 1] > values[j]; j--) {
      int swapped = values[j];
      values[j] = values[j - 1];
      values[j - 1] = swapped;
    }
  }
  out[threadIdx.x] = values[threadIdx.x % 16];
}

__global__ void vote(unsigned* out) {
  int i = threadIdx.x;
  unsigned even = __ballot_sync(0xffffffffu, i % 2 == 0);
  unsigned same = __match_any_sync(0xffffffffu, i / 8);
  int all = 0;
  __match_all_sync(0xffffffffu, 1, &all);
  unsigned total = __reduce_add_sync(0xffffffffu, static_cast<unsigned>(i));
  out[i] = even ^ same ^ static_cast<unsigned>(all) ^ total ^ static_cast<unsigned>(__any_sync(0xffffffffu, i == 31));
}

int fibonacci_on_cpu(int n) { return n < 2 ? n : fibonacci_on_cpu(n - 1) + fibonacci_on_cpu(n - 2); }

int main() {
  DeviceArray<int> calls(96), sorted(32);
  DeviceArray<unsigned> votes(32);
  call<<<1, 32>>>(calls.get());
  sort_locally<<<1, 32>>>(sorted.get());
  vote<<<1, 32>>>(votes.get());
  CHECK(cudaGetLastError());
  std::vector<int> expected(96), expected_sorted(32);
  std::vector<unsigned> expected_votes(32);
  for (int i = 0; i < 32; i++) {
    expected[i] = i % 2 ? 100 - i : 100 + i;
    expected[32 + i] = fibonacci_on_cpu(i % 12);
    expected[64 + i] = i % 2 ? i * i : i;
    expected_sorted[i] = i % 16;
    expected_votes[i] = 0x55555555u ^ (0xffu << (i / 8 * 8)) ^ 1u ^ 496u ^ 1u;
  }
  require_equal(expected, calls.copy());
  require_equal(expected_sorted, sorted.copy());
  require_equal(expected_votes, votes.copy());
  std::printf("checksum %016llx\n", static_cast<unsigned long long>(checksum(expected)));
  return passed();
}
