from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pynvml
import pytest

from bitfusion_core.errors import ServerUnavailable
from bitfusion_core.models import Gpu, GpuReading
from bitfusion_server.gpu import inventory
from tools.layout import LIB

GPU = Gpu(index=0, uuid="GPU-0", name="A", pci_bus_id="00000000:01:00.0", memory_mib=1024)

# NVML is a library per process, so a server is a process of its own.
SERVER = """
import asyncio, dataclasses, json, pathlib, sys
from bitfusion_server.gpu.inventory import Inventory
async def main():
    gpus = Inventory()
    await gpus.open()
    report = await gpus.read()
    if len(sys.argv) > 1:
        pathlib.Path(sys.argv[1]).write_text("lost=1")
        while report.gpus[1].temperature_c is not None:  # a simulated GPU looks for faults ten times a second
            report = await gpus.read()
    print(json.dumps(dataclasses.asdict(report)))
    await gpus.close()
asyncio.run(main())
"""


def read(state: Path, *arguments: str) -> dict[str, Any]:
    """What a server reports of two simulated GPUs."""
    environment = {
        **os.environ,
        "BITFUSION_NVML_LIBRARY": str(LIB / "simgpu/libnvidia-ml.so.1"),
        "SIMGPU_STATE": str(state),
        "SIMGPU_COUNT": "2",
        "SIMGPU_MEMORY": "8GiB",
        "SIMGPU_NAME": "Test GPU",
    }
    done = subprocess.run(
        [sys.executable, "-c", SERVER, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report


def test_reads_identity_and_sensors(tmp_path: Path) -> None:
    """Every field of the report is filled on a board that has every sensor."""
    report = read(tmp_path)
    assert report["cuda_version"].startswith("13.")
    first = report["gpus"][0]
    assert first.pop("gpu") | {"uuid": ""} == {
        "index": 0,
        "uuid": "",
        "name": "Test GPU",
        "pci_bus_id": "00000000:13:00.0",
        "memory_mib": 8192,
    }
    assert first == {
        "used_mib": 0,
        "persistence_mode": True,
        "ecc_uncorrected": 0,
        "fan_percent": 0,
        "temperature_c": 36,
        "pstate": 8,
        "power_w": 15.0,
        "power_limit_w": 300.0,
        "utilization_percent": 0,
        "compute_mode": "Default",
    }


def test_a_lost_gpu_has_no_readings(tmp_path: Path) -> None:
    """It stays in the report, known by its identity; the others are read as before."""
    first, second = read(tmp_path, str(tmp_path / "faults"))["gpus"]
    assert first["temperature_c"] == 36
    assert second.pop("gpu")["index"] == 1
    assert set(second.values()) == {None}


def test_a_missing_sensor_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever NVML says of a sensor, reading goes on with the next."""

    def refuse(*_: object) -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)

    for name in [name for name in dir(pynvml) if name.startswith("nvmlDeviceGet")]:
        monkeypatch.setattr(pynvml, name, refuse)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetPowerUsage", lambda _: 61_500)
    reading = inventory._reading(GPU, None)
    assert reading == GpuReading(gpu=GPU, power_w=61.5)


def test_without_nvml_the_message_says_what_to_do() -> None:
    """No driver, no library: a clear error, not a stack trace of the loader."""
    with pytest.raises(ServerUnavailable, match="/nowhere/libnvidia-ml") as raised:
        asyncio.run(inventory.Inventory("/nowhere/libnvidia-ml.so.1").open())
    assert "NVIDIA driver" in raised.value.advice


def test_only_some_are_leased(tmp_path: Path) -> None:
    """With indexes only these GPUs exist; one that is not there is an error."""
    chosen = "Inventory(devices=frozenset({1}))"
    environment = {
        **os.environ,
        "BITFUSION_NVML_LIBRARY": str(LIB / "simgpu/libnvidia-ml.so.1"),
        "SIMGPU_STATE": str(tmp_path),
        "SIMGPU_COUNT": "2",
    }
    line = [sys.executable, "-c", SERVER.replace("Inventory()", chosen)]
    done = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=60, check=True)
    missing = subprocess.run(line, env={**environment, "SIMGPU_COUNT": "1"}, capture_output=True, text=True, timeout=60, check=False)

    assert [reading["gpu"]["index"] for reading in json.loads(done.stdout.splitlines()[-1])["gpus"]] == [1]
    assert "there is no GPU 1" in missing.stderr
