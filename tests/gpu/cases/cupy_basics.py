"""CuPy: element-wise kernels it compiles itself, a matrix product by cuBLAS, a sort."""

import json
import time

import cupy

cupy.random.seed(3)


def timed(work, repeats):  # type: ignore[no-untyped-def]
    """Seconds for one call and the last value."""
    work()
    cupy.cuda.Device().synchronize()
    started = time.perf_counter()
    for _ in range(repeats):
        value = work()
    cupy.cuda.Device().synchronize()
    return {"seconds": (time.perf_counter() - started) / repeats, "value": float(value)}


x = cupy.arange(1 << 24, dtype=cupy.float32) / (1 << 24)
a = cupy.random.rand(2048, 2048, dtype=cupy.float32)
results = {
    "element_wise_16M": timed(lambda: cupy.sum(cupy.sin(x) * cupy.sqrt(x)), 20),
    "matrix_product_2048": timed(lambda: (a @ a)[0, 0], 20),
    "sort_16M": timed(lambda: cupy.sort(x)[1000], 5),
}
print(json.dumps(results))
