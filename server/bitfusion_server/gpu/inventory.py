"""The GPUs of this server and their sensors, read through NVML.

NVML blocks, some boards for tens of milliseconds a sensor, so every call is made on one thread of its own. Identities are read once; a
sensor that a board does not have, or that fails, is None and never an exception.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pynvml
import structlog

from bitfusion_core.errors import InvalidSetting, ServerUnavailable
from bitfusion_core.models import Gpu, GpuReading, GpuReport

_log = structlog.get_logger(__name__)

_MIB = 1024 * 1024
_DEFAULT_LIBRARY = "libnvidia-ml.so.1"
_COMPUTE_MODES = {
    pynvml.NVML_COMPUTEMODE_DEFAULT: "Default",
    pynvml.NVML_COMPUTEMODE_EXCLUSIVE_THREAD: "Exclusive_Thread",
    pynvml.NVML_COMPUTEMODE_PROHIBITED: "Prohibited",
    pynvml.NVML_COMPUTEMODE_EXCLUSIVE_PROCESS: "Exclusive_Process",
}

T = TypeVar("T")


class Inventory:
    """This server's GPUs, or those of them with these indexes. `await open()` first, `await close()` last."""

    def __init__(self, library: str | None = None, devices: frozenset[int] | None = None) -> None:
        self._devices = devices
        self._library = library or os.environ.get("BITFUSION_NVML_LIBRARY") or _DEFAULT_LIBRARY
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="nvml")
        self._gpus: tuple[tuple[Gpu, Any], ...] = ()
        self._driver_version = ""
        self._cuda_version = ""

    @property
    def gpus(self) -> tuple[Gpu, ...]:
        """The GPUs in NVML's order."""
        return tuple(gpu for gpu, _ in self._gpus)

    @property
    def driver_version(self) -> str:
        """Version of the NVIDIA driver."""
        return self._driver_version

    @property
    def cuda_version(self) -> str:
        """Newest CUDA version the driver supports, as 12.4."""
        return self._cuda_version

    async def open(self) -> None:
        """Load NVML and read what does not change. Raises ServerUnavailable when there is no usable NVML."""
        await self._on_thread(self._open)

    async def close(self) -> None:
        """Let go of NVML."""
        await self._on_thread(self._close)
        self._thread.shutdown()

    async def read(self) -> GpuReport:
        """All sensors of all GPUs, now."""
        return await self._on_thread(self._read)

    async def _on_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _open(self) -> None:
        _load(self._library)
        try:
            pynvml.nvmlInit()
            self._driver_version = pynvml.nvmlSystemGetDriverVersion()
            self._cuda_version = _dotted(pynvml.nvmlSystemGetCudaDriverVersion_v2())
            self._gpus = tuple(_chosen(_identities(), self._devices))
        except pynvml.NVMLError as error:
            raise _unusable(self._library, error) from error

    def _close(self) -> None:
        self._gpus = ()
        _sensor(pynvml.nvmlShutdown)

    def _read(self) -> GpuReport:
        readings = tuple(_reading(gpu, handle) for gpu, handle in self._gpus)
        return GpuReport(self._driver_version, self._cuda_version, readings)


def _load(library: str) -> None:
    """Make pynvml use `library`: it loads libnvidia-ml.so.1 by name, and the loader hands out the one already loaded under that name."""
    if library == _DEFAULT_LIBRARY:
        return
    try:
        ctypes.CDLL(library)
    except OSError as error:
        raise _unusable(library, error) from error


def _unusable(library: str, error: Exception) -> ServerUnavailable:
    return ServerUnavailable(
        f"NVML ({library}) cannot be used: {error}",
        hint="Install the NVIDIA driver on this server, or set BITFUSION_NVML_LIBRARY to its libnvidia-ml.so.1.",
    )


def _dotted(version: int) -> str:
    return f"{version // 1000}.{version % 1000 // 10}"


def _identities() -> list[tuple[Gpu, Any]]:
    """Every GPU that answers; one that has fallen off the bus has no identity to offer."""
    found = []
    for index in range(pynvml.nvmlDeviceGetCount()):
        try:
            handle = pynvml.nvmlDeviceGetHandleByIndex(index)
            found.append((_identity(index, handle), handle))
        except pynvml.NVMLError as error:
            _log.warning("gpu_left_out", index=index, reason=str(error))
    return found


def _chosen(found: list[tuple[Gpu, Any]], devices: frozenset[int] | None) -> list[tuple[Gpu, Any]]:
    """Those that are to be leased; all of them have to be there."""
    if devices is None:
        return found
    missing = devices - {gpu.index for gpu, _ in found}
    if missing:
        raise InvalidSetting(f"gpu.devices: there is no GPU {min(missing)}", hint=f"This machine has {len(found)} GPUs.")
    return [(gpu, handle) for gpu, handle in found if gpu.index in devices]


def _identity(index: int, handle: Any) -> Gpu:
    return Gpu(
        index=index,
        uuid=pynvml.nvmlDeviceGetUUID(handle),
        name=pynvml.nvmlDeviceGetName(handle),
        pci_bus_id=pynvml.nvmlDeviceGetPciInfo(handle).busId,
        memory_mib=pynvml.nvmlDeviceGetMemoryInfo(handle).total // _MIB,
    )


def _reading(gpu: Gpu, handle: Any) -> GpuReading:
    return GpuReading(
        gpu=gpu,
        used_mib=_used_mib(handle),
        persistence_mode=_mapped(bool, pynvml.nvmlDeviceGetPersistenceMode, handle),
        ecc_uncorrected=_sensor(
            pynvml.nvmlDeviceGetTotalEccErrors, handle, pynvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED, pynvml.NVML_VOLATILE_ECC
        ),
        fan_percent=_sensor(pynvml.nvmlDeviceGetFanSpeed, handle),
        temperature_c=_sensor(pynvml.nvmlDeviceGetTemperature, handle, pynvml.NVML_TEMPERATURE_GPU),
        pstate=_sensor(pynvml.nvmlDeviceGetPerformanceState, handle),
        power_w=_mapped(_watts, pynvml.nvmlDeviceGetPowerUsage, handle),
        power_limit_w=_mapped(_watts, pynvml.nvmlDeviceGetEnforcedPowerLimit, handle),
        utilization_percent=_mapped(lambda rates: int(rates.gpu), pynvml.nvmlDeviceGetUtilizationRates, handle),
        compute_mode=_mapped(lambda mode: _COMPUTE_MODES.get(mode, str(mode)), pynvml.nvmlDeviceGetComputeMode, handle),
    )


def _used_mib(handle: Any) -> int | None:
    """Memory in use; drivers before 510 know only the first form of the call, which counts what the driver reserves as well."""
    memory = _sensor(pynvml.nvmlDeviceGetMemoryInfo, handle, pynvml.nvmlMemory_v2) or _sensor(pynvml.nvmlDeviceGetMemoryInfo, handle)
    return None if memory is None else int(memory.used) // _MIB


def _watts(milliwatts: int) -> float:
    return milliwatts / 1000


def _mapped(convert: Callable[[Any], T], call: Callable[..., Any], *args: Any) -> T | None:
    value = _sensor(call, *args)
    return None if value is None else convert(value)


def _sensor(call: Callable[..., Any], *args: Any) -> Any:
    """What NVML answers, or None where it has no answer."""
    try:
        return call(*args)
    except pynvml.NVMLError as error:
        _log.debug("sensor_missing", call=getattr(call, "__name__", "?"), reason=str(error))
        return None
