"""pynvml: what monitoring programs ask, and that CUDA and NVML agree about the GPU's identity and memory."""

import pynvml

pynvml.nvmlInit()
count = pynvml.nvmlDeviceGetCount()
assert count >= 1
assert pynvml.nvmlSystemGetDriverVersion()
assert pynvml.nvmlSystemGetCudaDriverVersion() >= 12000
for index in range(count):
    device = pynvml.nvmlDeviceGetHandleByIndex(index)
    memory = pynvml.nvmlDeviceGetMemoryInfo(device)
    uuid = pynvml.nvmlDeviceGetUUID(device)
    assert uuid.startswith("GPU-")
    again = pynvml.nvmlDeviceGetHandleByUUID(uuid)
    assert pynvml.nvmlDeviceGetIndex(again) == index
    assert 0 <= memory.used <= memory.total
    print(f"GPU {index}: {pynvml.nvmlDeviceGetName(device)}, {memory.total >> 20} MiB")
    for name in ("Temperature", "PowerUsage", "UtilizationRates", "PerformanceState", "PciInfo", "ComputeRunningProcesses"):
        arguments = (pynvml.NVML_TEMPERATURE_GPU,) if name == "Temperature" else ()
        getattr(pynvml, f"nvmlDeviceGet{name}")(device, *arguments)
try:
    pynvml.nvmlDeviceGetHandleByIndex(count)
except pynvml.NVMLError_InvalidArgument:
    print("one GPU too many is an invalid argument")
pynvml.nvmlShutdown()
print("PASSED")
