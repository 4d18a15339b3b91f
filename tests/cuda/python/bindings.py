"""cuda-python (cuda.bindings): the driver API, the runtime API and NVRTC from Python."""

import ctypes

import numpy
from cuda.bindings import driver, nvrtc, runtime

SOURCE = rb"""
extern "C" __global__ void scale(float* values, float factor, int count) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) values[i] *= factor;
}
"""


def checked(answer):
    """The values of an answer whose first item is the error code."""
    assert int(answer[0]) == 0, answer[0]
    return answer[1] if len(answer) == 2 else answer[1:]


def compiled() -> bytes:
    """The kernel as PTX."""
    program = checked(nvrtc.nvrtcCreateProgram(SOURCE, b"scale.cu", 0, [], []))
    checked(nvrtc.nvrtcCompileProgram(program, 1, [b"--gpu-architecture=compute_80"]))
    text = b" " * checked(nvrtc.nvrtcGetPTXSize(program))
    checked(nvrtc.nvrtcGetPTX(program, text))
    return text


def with_driver() -> None:
    """Load, launch, copy."""
    checked(driver.cuInit(0))
    device = checked(driver.cuDeviceGet(0))
    context = checked(driver.cuDevicePrimaryCtxRetain(device))
    checked(driver.cuCtxSetCurrent(context))
    module = checked(driver.cuModuleLoadData(compiled()))
    kernel = checked(driver.cuModuleGetFunction(module, b"scale"))
    values = numpy.arange(1000, dtype=numpy.float32)
    pointer = checked(driver.cuMemAlloc(values.nbytes))
    checked(driver.cuMemcpyHtoD(pointer, values.ctypes.data, values.nbytes))
    arguments = ((int(pointer), 2.5, 1000), (ctypes.c_void_p, ctypes.c_float, ctypes.c_int))
    checked(driver.cuLaunchKernel(kernel, 8, 1, 1, 128, 1, 1, 0, 0, arguments, 0))
    result = numpy.zeros_like(values)
    checked(driver.cuMemcpyDtoH(result.ctypes.data, pointer, result.nbytes))
    checked(driver.cuMemFree(pointer))
    numpy.testing.assert_array_equal(result, values * 2.5)


def with_runtime() -> None:
    """Properties, memory, events."""
    assert checked(runtime.cudaGetDeviceCount()) >= 1
    assert checked(runtime.cudaGetDeviceProperties(0)).warpSize == 32
    pointer = checked(runtime.cudaMalloc(4096))
    checked(runtime.cudaMemset(pointer, 7, 4096))
    host = numpy.zeros(4096, dtype=numpy.uint8)
    checked(runtime.cudaMemcpy(host.ctypes.data, pointer, 4096, runtime.cudaMemcpyKind.cudaMemcpyDeviceToHost))
    assert (host == 7).all()
    checked(runtime.cudaFree(pointer))


for step in (with_driver, with_runtime):
    step()
    print(f"{step.__name__} agrees", flush=True)
print("PASSED")
