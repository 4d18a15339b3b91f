"""CuPy: element-wise arithmetic, reductions, matrix products by hand, RawKernel, streams, memory pool; each against NumPy."""

import cupy
import numpy

rng = numpy.random.default_rng(1)


def elementwise() -> None:
    host = rng.random(10_000, dtype=numpy.float32)
    device = cupy.asarray(host)
    numpy.testing.assert_allclose(cupy.asnumpy(cupy.sin(device) * 2 + cupy.sqrt(device)), numpy.sin(host) * 2 + numpy.sqrt(host), rtol=1e-5)
    numpy.testing.assert_array_equal(cupy.asnumpy(cupy.where(device > 0.5, 1, 0)), numpy.where(host > 0.5, 1, 0))
    kernel = cupy.ElementwiseKernel("float32 x, float32 y", "float32 z", "z = x * x + y", "squared_plus")
    numpy.testing.assert_allclose(cupy.asnumpy(kernel(device, 3)), host * host + 3, rtol=1e-6)
    numbers = cupy.arange(1000, dtype=cupy.int64)
    numpy.testing.assert_array_equal(cupy.asnumpy((numbers * 7) % 13), (numpy.arange(1000) * 7) % 13)


def reductions() -> None:
    host = rng.integers(-1000, 1000, (37, 201))
    device = cupy.asarray(host)
    assert int(device.sum()) == host.sum()
    assert int(device.max()) == host.max()
    assert int(device.argmin()) == host.argmin()
    numpy.testing.assert_array_equal(cupy.asnumpy(device.sum(axis=0)), host.sum(axis=0))
    numpy.testing.assert_allclose(cupy.asnumpy(device.mean(axis=1)), host.mean(axis=1))
    kernel = cupy.ReductionKernel("float64 x", "float64 y", "x * x", "a + b", "y = sqrt(a)", "0", "length")
    numpy.testing.assert_allclose(float(kernel(device.astype(cupy.float64))), numpy.sqrt((host.astype(float) ** 2).sum()))


def raw_kernel() -> None:
    kernel = cupy.RawKernel(
        r"""
        extern "C" __global__ void smooth(const float* in, float* out, int count) {
          extern __shared__ float tile[];
          int i = blockIdx.x * blockDim.x + threadIdx.x;
          tile[threadIdx.x] = i < count ? in[i] : 0;
          __syncthreads();
          float left = threadIdx.x > 0 ? tile[threadIdx.x - 1] : tile[0];
          if (i < count) out[i] = 0.5f * (left + tile[threadIdx.x]);
        }
        """,
        "smooth",
    )
    host = rng.random(256, dtype=numpy.float32)
    out = cupy.zeros(256, dtype=cupy.float32)
    kernel((1,), (256,), (cupy.asarray(host), out, numpy.int32(256)), shared_mem=1024)
    left = numpy.concatenate((host[:1], host[:-1]))
    numpy.testing.assert_allclose(cupy.asnumpy(out), 0.5 * (left + host), rtol=1e-6)


def streams() -> None:
    results = []
    for number in range(3):
        with cupy.cuda.Stream(non_blocking=True) as stream:
            values = cupy.arange(5000, dtype=cupy.float64) + number
            results.append((values * 2).sum())
            stream.synchronize()
    assert [float(result) for result in results] == [2 * (4999 * 5000 / 2 + 5000 * number) for number in range(3)]
    begin, end = cupy.cuda.Event(), cupy.cuda.Event()
    begin.record()
    cupy.ones(1000).sum()
    end.record()
    end.synchronize()
    assert cupy.cuda.get_elapsed_time(begin, end) >= 0


def memory_pool() -> None:
    pool = cupy.get_default_memory_pool()
    before = pool.used_bytes()
    block = cupy.empty(1 << 20, dtype=cupy.uint8)
    assert pool.used_bytes() - before >= 1 << 20
    del block
    assert pool.used_bytes() == before
    pool.free_all_blocks()


for step in (elementwise, reductions, raw_kernel, streams, memory_pool):
    step()
    print(f"{step.__name__} agrees", flush=True)
print("PASSED")
