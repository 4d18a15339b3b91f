"""The PCI devices of this machine, and the memory of its GPUs."""

from __future__ import annotations

from pathlib import Path

from bitfusion_appliance.firstboot.host import Host, StepFailed
from bitfusion_appliance.firstboot.sizing import PciDevice

_DEVICES = "/sys/bus/pci/devices"
_MIB_PER_GB = 1024
_GB = 1 << 30


def devices(host: Host) -> list[PciDevice]:
    """All PCI functions, in the order of their addresses."""
    folder = host.path(_DEVICES)
    return [_device(path) for path in sorted(folder.iterdir())] if folder.is_dir() else []


def _device(path: Path) -> PciDevice:
    numbers = {name: int((path / name).read_text(), 16) for name in ("vendor", "device", "class")}
    return PciDevice(path.name, numbers["vendor"], numbers["device"], numbers["class"] >> 8, _largest_bar(path / "resource"))


def _largest_bar(resource: Path) -> int:
    """Size of the largest memory window: lines of `start end flags`."""
    if not resource.exists():
        return 0
    rows = [[int(word, 16) for word in line.split()] for line in resource.read_text().splitlines()]
    return max((end - start + 1 for start, end, _ in rows if end > start), default=0)


def gpu_memory_gb(host: Host, found: list[PciDevice]) -> list[int]:
    """Of each GPU, rounded up: from the driver; before it is installed, from the window that the GPU asks for, which holds its memory."""
    gpus = [device for device in found if device.is_gpu]
    if not gpus:
        return []
    try:
        lines = host.run(("nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits")).split()
        reported = [-(-int(line) // _MIB_PER_GB) for line in lines]
    except (StepFailed, ValueError):
        reported = []
    return reported if len(reported) == len(gpus) else [device.largest_bar_bytes // _GB for device in gpus]
