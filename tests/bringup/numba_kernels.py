"""numba-cuda, unmodified: kernels compiled to PTX and linked by the driver."""

import numpy
from numba import cuda, float32

LENGTH = 1000
TILE = 16


@cuda.jit
def axpy(result, factor, left, right):
    i = cuda.grid(1)
    if i < result.size:
        result[i] = factor * left[i] + right[i]


@cuda.jit
def product(left, right, result):
    rows = cuda.shared.array((TILE, TILE), float32)
    columns = cuda.shared.array((TILE, TILE), float32)
    x, y = cuda.grid(2)
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    total = float32(0)
    for tile in range(left.shape[1] // TILE):
        rows[tx, ty] = left[x, ty + tile * TILE]
        columns[tx, ty] = right[tx + tile * TILE, y]
        cuda.syncthreads()
        for k in range(TILE):
            total += rows[tx, k] * columns[k, ty]
        cuda.syncthreads()
    result[x, y] = total


@cuda.jit
def count(bins, values):
    i = cuda.grid(1)
    if i < values.size:
        cuda.atomic.add(bins, values[i], 1)


def adds_vectors() -> None:
    left = numpy.arange(LENGTH, dtype=numpy.float32)
    right = numpy.ones(LENGTH, dtype=numpy.float32)
    result = numpy.zeros_like(left)
    axpy[8, 128](result, numpy.float32(2.5), left, right)
    numpy.testing.assert_array_equal(result, numpy.float32(2.5) * left + right)


def multiplies_matrices() -> None:
    random = numpy.random.default_rng(7)
    left, right = (random.integers(-5, 5, (64, 64)).astype(numpy.float32) for _ in range(2))
    result = cuda.device_array((64, 64), dtype=numpy.float32)
    product[(4, 4), (TILE, TILE)](cuda.to_device(left), cuda.to_device(right), result)
    numpy.testing.assert_array_equal(result.copy_to_host(), left @ right)


def counts_with_atomics() -> None:
    values = numpy.random.default_rng(7).integers(0, 16, LENGTH)
    bins = numpy.zeros(16, dtype=numpy.int64)
    count[8, 128](bins, values)
    numpy.testing.assert_array_equal(bins, numpy.bincount(values, minlength=16))


def works_on_streams() -> None:
    stream, event = cuda.stream(), cuda.event()
    with cuda.pinned(host := numpy.arange(LENGTH, dtype=numpy.float32)):
        device = cuda.to_device(host, stream=stream)
        axpy[8, 128, stream](device, numpy.float32(1), device, device)
        event.record(stream)
        event.synchronize()
    numpy.testing.assert_array_equal(device.copy_to_host(stream=stream), 2 * host)


for step in (adds_vectors, multiplies_matrices, counts_with_atomics, works_on_streams):
    step()
    print(f"{step.__name__} agrees", flush=True)
print("PASSED")
