"""How large the virtual machine's memory and its window for the GPUs' memory must be. Pure.

The rules are the user guide's (chapter 7) and the installation guide's: the window is the next power of two above the number of passed-through
PCI devices times the memory of the largest GPU; memory is one and a half times that of all GPUs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MMIO_NEEDED_ABOVE_GB = 128
MMIO_SWITCH, MMIO_SIZE = "pciPassthru.use64bitMMIO", "pciPassthru.64bitMMIOSizeGB"
_MEMORY_PER_GPU_MEMORY = 1.5
_VMWARE = 0x15AD
# What VMware emulates under other makers' names: 440BX chip set, IDE, ACPI; LSI SCSI; E1000 network adapters.
_EMULATED = {
    *((0x8086, device) for device in (0x7190, 0x7191, 0x7110, 0x7111, 0x7113, 0x100F, 0x10D3)),
    *((0x1000, device) for device in (0x0030, 0x0054)),
}
_BRIDGE_CLASS, _DISPLAY_CLASS, _NVIDIA = 0x06, 0x03, 0x10DE
_NVSWITCH_CLASS = 0x0680


@dataclass(frozen=True)
class PciDevice:
    """A PCI function: `class_code` is class and subclass."""

    address: str
    vendor: int
    device: int
    class_code: int
    largest_bar_bytes: int = 0

    @property
    def is_gpu(self) -> bool:
        """A display or 3D controller of NVIDIA's."""
        return self.vendor == _NVIDIA and self.class_code >> 8 == _DISPLAY_CLASS

    @property
    def is_nvswitch(self) -> bool:
        """A switch between GPUs, which Fabric Manager must set up."""
        return self.vendor == _NVIDIA and self.class_code == _NVSWITCH_CLASS

    @property
    def passed_through(self) -> bool:
        """A real device of the host, not one that VMware makes up."""
        made_up = self.vendor == _VMWARE or (self.vendor, self.device) in _EMULATED
        return not made_up and (self.class_code >> 8 != _BRIDGE_CLASS or self.is_nvswitch)


@dataclass(frozen=True)
class Sizing:
    """What the virtual machine needs. `mmio_gb` is None when the default window is enough."""

    devices: int
    gpu_memory_gb: int
    memory_mib: int
    mmio_gb: int | None

    def extra_config(self) -> dict[str, str]:
        """The advanced settings of the virtual machine."""
        return {} if self.mmio_gb is None else {MMIO_SWITCH: "TRUE", MMIO_SIZE: str(self.mmio_gb)}


def mmio_gb(devices: int, largest_gpu_gb: int) -> int:
    """The next power of two strictly above: 2 x 16 GB need 64, 1 x 16 GB needs 32."""
    return int(2 ** (devices * largest_gpu_gb).bit_length())


def minimum_memory_mib(gpu_memory_gb: int) -> int:
    """Memory of a server with that much GPU memory."""
    return math.ceil(gpu_memory_gb * _MEMORY_PER_GPU_MEMORY * 1024)


def size(devices: Iterable[PciDevice], gpu_memory_gb: Sequence[int]) -> Sizing:
    """For the devices of this machine and the memory of each of its GPUs."""
    count = sum(device.passed_through for device in devices)
    total = sum(gpu_memory_gb)
    window = mmio_gb(count, max(gpu_memory_gb)) if total > MMIO_NEEDED_ABOVE_GB else None
    return Sizing(count, total, minimum_memory_mib(total), window)
