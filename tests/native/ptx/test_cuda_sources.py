"""Kernels as nvcc writes them, for several architectures."""

from __future__ import annotations

import struct

import pytest

from tests.native.ptx import harness
from tests.native.ptx.harness import Gpu

SOURCE = r"""
#include <cstdio>
#include <cooperative_groups.h>
#include <cooperative_groups/reduce.h>
#include <cuda_bf16.h>
#include <cuda_fp16.h>
namespace cg = cooperative_groups;

template <typename T, int N> struct Tile { T data[N]; };
template <typename T, int N> __device__ T sum(const Tile<T, N>& tile) { T s = 0; for (int i = 0; i < N; i++) s += tile.data[i]; return s; }

extern "C" __global__ void by_value(Tile<double, 5> tile, double* out, int pick) { out[threadIdx.x] = sum(tile) + tile.data[pick]; }

extern "C" __global__ void hello(const char* who) {
  printf("%s: %d %5.2f %lld %c %x %%|%-4d|\n", "text", threadIdx.x, 1.5f, 1234567890123ll, 'c', 255, 7);
}

extern "C" __global__ void checked(int limit) { if (threadIdx.x >= limit) { __assert_fail("x < limit", "file.cu", 12, "checked"); } }

extern "C" __global__ void warp_sums(int* out) {
  auto tile = cg::tiled_partition<8>(cg::this_thread_block());
  out[threadIdx.x] = cg::reduce(tile, (int)threadIdx.x, cg::plus<int>());
}

extern "C" __global__ void grid_sums(unsigned* parts, unsigned* out) {
  cg::grid_group grid = cg::this_grid();
  for (int round = 0; round < 3; round++) {
    atomicAdd(&parts[round], (unsigned)grid.thread_rank());
    grid.sync();
    out[grid.thread_rank()] = round ? out[grid.thread_rank()] + parts[round] : parts[round];
  }
}

extern "C" __global__ void halves(__half2* a, __nv_bfloat162* b) {
  a[threadIdx.x] = __hfma2(a[threadIdx.x], a[threadIdx.x], __float2half2_rn(1.0f));
  b[threadIdx.x] = __hadd2(b[threadIdx.x], __floats2bfloat162_rn(1.0f, 2.0f));
}

extern "C" __global__ void heap(int** out) { int* p = (int*)malloc(64); p[3] = threadIdx.x; out[threadIdx.x] = p; }

struct Shape { __device__ virtual int area() const = 0; };
struct Square : Shape { int side; __device__ Square(int s) : side(s) {} __device__ int area() const override { return side * side; } };
struct Line : Shape { __device__ int area() const override { return 0; } };
extern "C" __global__ void virtual_calls(int* out) {
  Square square(threadIdx.x); Line line;
  const Shape* shape = threadIdx.x & 1 ? (const Shape*)&square : (const Shape*)&line;
  out[threadIdx.x] = shape->area();
}

extern "C" __global__ void transposed(const float* in, float* out, int n) {
  __shared__ float tile[32][33];
  int x = blockIdx.x * 32 + threadIdx.x, y = blockIdx.y * 32 + threadIdx.y;
  for (int i = 0; i < 32; i += 8) tile[threadIdx.y + i][threadIdx.x] = in[(y + i) * n + x];
  __syncthreads();
  x = blockIdx.y * 32 + threadIdx.x; y = blockIdx.x * 32 + threadIdx.y;
  for (int i = 0; i < 32; i += 8) out[(y + i) * n + x] = tile[threadIdx.x][threadIdx.y + i];
}

extern "C" __global__ void functions(const float* x, float* y, double* z) {
  int i = threadIdx.x;
  y[i] = sinf(x[i]) + expf(x[i]) + powf(x[i], 1.5f) + erff(x[i]) + rsqrtf(x[i]);
  z[i] = sin((double)x[i] * 1e5) + log((double)x[i]) + cbrt((double)x[i]);
}
"""


@pytest.fixture(scope="module", params=[75, 90, 120])
def cuda(request: pytest.FixtureRequest, compiler: None, tmp_path_factory: pytest.TempPathFactory) -> Gpu:
    """The source above, compiled for one architecture."""
    gpu = Gpu()
    assert gpu.load(harness.nvcc(SOURCE, tmp_path_factory.mktemp("cuda"), request.param)) == 0, gpu.message
    return gpu


def run(gpu: Gpu, kernel: str, *params: object, threads: int = 32, blocks: int = 1, cooperative: bool = False) -> None:
    """A one-dimensional launch that must not fault."""
    assert gpu.run(kernel, [blocks], [threads], *params, cooperative=cooperative) == harness.NONE, gpu.message


def test_struct_by_value(cuda: Gpu) -> None:
    """A template's struct as parameter, indexed at run time."""
    out = cuda.buffer(8 * 32)
    run(cuda, "by_value", *(("d", float(i)) for i in range(5)), out, ("i", 3))

    assert set(out.unpack("d")) == {13.0}


def test_printf(cuda: Gpu) -> None:
    """All kinds of conversions, one line per thread."""
    run(cuda, "hello", 0, threads=2)

    assert sorted(cuda.printed.splitlines()) == [f"text: {i}  1.50 1234567890123 c ff %|7   |" for i in range(2)]


def test_assertion(cuda: Gpu) -> None:
    """A failed assertion prints where it stands and ends the grid."""
    assert cuda.run("checked", [1], [8], ("i", 4)) == harness.ASSERT
    assert "thread: [4,0,0] Assertion `x < limit` failed." in cuda.printed


def test_tiles_reduce(cuda: Gpu) -> None:
    """Cooperative groups of eight threads."""
    out = cuda.buffer(4 * 32)
    run(cuda, "warp_sums", out)

    assert out.unpack("i") == tuple(sum(range(i // 8 * 8, i // 8 * 8 + 8)) for i in range(32))


def test_grid_synchronisation(cuda: Gpu) -> None:
    """All blocks see all additions of every round."""
    parts, out = cuda.buffer(12), cuda.buffer(4 * 8 * 64)
    run(cuda, "grid_sums", parts, out, threads=64, blocks=8, cooperative=True)

    assert set(out.unpack("I")) == {3 * sum(range(512))}


def test_half_and_bfloat16(cuda: Gpu) -> None:
    """Packed fma and addition."""
    a, b = cuda.buffer(struct.pack("<4e", 2, 3, 0.5, 100)), cuda.buffer(struct.pack("<4H", 0x3F80, 0x4000, 0xC000, 0x0000))
    run(cuda, "halves", a, b, threads=2)

    assert a.unpack("e") == (5, 10, 1.25, 10000)
    assert b.unpack("H") == (0x4000, 0x4080, 0xBF80, 0x4000)


def test_device_heap(cuda: Gpu) -> None:
    """malloc in a kernel gives distinct memory that stays."""
    out = cuda.buffer(8 * 8)
    run(cuda, "heap", out, threads=8)

    pointers = out.unpack("Q")

    assert len(set(pointers)) == 8
    assert [harness.Buffer(p + 12, 4).unpack("i")[0] for p in pointers] == list(range(8))


def test_virtual_functions(cuda: Gpu) -> None:
    """Calls through a virtual table in local memory."""
    out = cuda.buffer(4 * 8)
    run(cuda, "virtual_calls", out, threads=8)

    assert out.unpack("i") == (0, 1, 0, 9, 0, 25, 0, 49)


def test_transpose_through_shared_memory(cuda: Gpu) -> None:
    """A two-dimensional block with padding in shared memory."""
    n = 64
    source, target = cuda.buffer(struct.pack(f"<{n * n}f", *range(n * n))), cuda.buffer(4 * n * n)

    assert cuda.run("transposed", [2, 2], [32, 8], source, target, ("i", n)) == harness.NONE, cuda.message
    assert target.unpack("f") == tuple(float(j * n + i) for i in range(n) for j in range(n))


def test_math_functions(cuda: Gpu) -> None:
    """What the CUDA math library inlines, large arguments included."""
    import math

    values = [0.1, 0.5, 1.0, 2.5, 10.0]
    x, y, z = cuda.buffer(struct.pack("<5f", *values)), cuda.buffer(4 * 5), cuda.buffer(8 * 5)
    run(cuda, "functions", x, y, z, threads=5)

    singles = [struct.unpack("<f", struct.pack("<f", v))[0] for v in values]
    for v, single, double in zip(singles, y.unpack("f"), z.unpack("d"), strict=True):
        assert single == pytest.approx(math.sin(v) + math.exp(v) + v**1.5 + math.erf(v) + v**-0.5, rel=1e-6)
        assert double == pytest.approx(math.sin(v * 1e5) + math.log(v) + v ** (1 / 3), rel=1e-12)
