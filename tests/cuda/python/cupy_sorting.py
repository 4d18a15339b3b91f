"""CuPy's sorting, unique values and prefix sums, which run the kernels of its built-in CUB and Thrust modules."""

import cupy
import numpy

rng = numpy.random.default_rng(2)


def sorting() -> None:
    for dtype in (numpy.int32, numpy.float64):
        host = (rng.random(5000) * 1000).astype(dtype)
        device = cupy.asarray(host)
        numpy.testing.assert_array_equal(cupy.asnumpy(cupy.sort(device)), numpy.sort(host))
        numpy.testing.assert_array_equal(cupy.asnumpy(device[cupy.argsort(device)]), numpy.sort(host))


def unique_values() -> None:
    host = rng.integers(0, 50, 3000)
    numpy.testing.assert_array_equal(cupy.asnumpy(cupy.unique(cupy.asarray(host))), numpy.unique(host))


def prefix_sums() -> None:
    host = rng.integers(-5, 5, 4001)
    numpy.testing.assert_array_equal(cupy.asnumpy(cupy.cumsum(cupy.asarray(host))), numpy.cumsum(host))


for step in (sorting, unique_values, prefix_sums):
    step()
    print(f"{step.__name__} agrees", flush=True)
print("PASSED")
