"""Which GPUs the server uses: the real ones, or simulated ones for trying it out and for tests.

Simulated GPUs are switched on by an administrator, in the manager's settings or with a systemd credential, never by a vApp property.
"""

from __future__ import annotations

import os
from typing import Any

import yaml

from bitfusion_appliance.firstboot.host import Host, StepFailed
from bitfusion_appliance.firstboot.module import Boot, Frequency, Module, Stage
from bitfusion_appliance.firstboot.modules.manager import SETTINGS

ENVIRONMENT = "/run/bitfusion/gpu.env"
CREDENTIAL = "bitfusion.simulated_gpus"
SYSTEM_CREDENTIALS = "/run/credentials/@system"
_PRODUCT, _STATE = "/usr/lib/bitfusion", "/var/lib/bitfusion/simgpu"
_DEFAULT_MEMORY = "16GiB"


def apply(boot: Boot) -> str:
    """Write the environment of the manager, the dispatcher and the workers."""
    count, memory = _simulated(boot.host)
    lines = _environment(count, memory) if count else {}
    boot.host.write(ENVIRONMENT, "".join(f"{name}={value}\n" for name, value in lines.items()))
    return f"{count} simulated GPUs of {memory}" if count else "the GPUs of this machine"


def _simulated(host: Host) -> tuple[int, str]:
    """Number and memory. The credential wins: `2`, or `2 8GiB`."""
    # A unit sees only what it has loaded; who runs this by hand sees the machine's own.
    folder = os.environ.get("CREDENTIALS_DIRECTORY", SYSTEM_CREDENTIALS)
    words = (host.read(f"{folder}/{CREDENTIAL}") or "").split()
    section = _section(host)
    given = words[0] if words else section.get("simulated_count", 0)
    try:
        return int(given), words[1] if len(words) > 1 else str(section.get("simulated_memory", _DEFAULT_MEMORY))
    except (ValueError, TypeError):
        raise StepFailed(f"{given!r} is not a number of simulated GPUs", f"Correct gpu.simulated_count in {SETTINGS}.") from None


def _section(host: Host) -> dict[str, Any]:
    """`gpu:` of the manager's settings."""
    try:
        content = yaml.safe_load(host.read(SETTINGS) or "")
    except yaml.YAMLError as error:
        raise StepFailed(f"{SETTINGS}: {error}", "Correct the file, or delete it to have it written anew.") from error
    section = content.get("gpu") if isinstance(content, dict) else None
    return section if isinstance(section, dict) else {}


def _environment(count: int, memory: str) -> dict[str, str]:
    return {
        "BITFUSION_CUDA_LIBRARY": f"{_PRODUCT}/simgpu/libcuda.so.1",
        "BITFUSION_NVML_LIBRARY": f"{_PRODUCT}/simgpu/libnvidia-ml.so.1",
        "SIMGPU_COUNT": str(count),
        "SIMGPU_MEMORY": memory,
        "SIMGPU_STATE": f"{_STATE}/state",
        "SIMGPU_CACHE": f"{_STATE}/kernels",
        "SIMGPU_COMPILER": f'"{_PRODUCT}/venv/bin/python -I -m native.ptx.service"',
    }


MODULE = Module("gpus", Stage.LOCAL, Frequency.EVERY_BOOT, (), apply)
