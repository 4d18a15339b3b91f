"""Memory and MMIO window: the rules, and what a machine makes of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitfusion_appliance.firstboot import sizing
from bitfusion_appliance.firstboot.sizing import PciDevice
from bitfusion_appliance.firstboot.state import Outcome
from tests.appliance.machine import Machine

GPU = PciDevice("0000:0b:00.0", 0x10DE, 0x1EB8, 0x0302)
VMXNET3 = PciDevice("0000:03:00.0", 0x15AD, 0x07B0, 0x0200)
CONNECTX = PciDevice("0000:13:00.0", 0x15B3, 0x101B, 0x0200)
BRIDGE = PciDevice("0000:00:01.0", 0x8086, 0x7191, 0x0604)
REAL_BRIDGE = PciDevice("0000:00:15.0", 0x8086, 0x1234, 0x0604)
NVSWITCH = PciDevice("0000:1b:00.0", 0x10DE, 0x1AF1, 0x0680)


def put_gpus(machine: Machine, count: int, memory_mib: int, machine_mib: int, driver: bool = True) -> None:
    """Pass GPUs through to a machine."""
    for index in range(count):
        folder = machine.host.path(f"/sys/bus/pci/devices/0000:{index + 3:02x}:00.0")
        folder.mkdir(parents=True)
        for name, value in (("vendor", "0x10de"), ("device", "0x20b0"), ("class", "0x030200")):
            (folder / name).write_text(value + "\n")
        end = 0x38000000000 + (memory_mib << 20) - 1
        (folder / "resource").write_text(f"0xfb000000 0xfbffffff 0x00040200\n0x38000000000 {end:#x} 0x0014220c\n0x0 0x0 0x0\n")
    if driver:
        machine.answers["nvidia-smi"] = f"{memory_mib}\n" * count
    else:
        machine.broken.add("nvidia-smi")
    machine.host.write("/proc/meminfo", f"MemTotal:       {machine_mib * 1024} kB\nMemFree: 1 kB\n")


@pytest.mark.parametrize("devices,gpu_gb,window", [(2, 16, 64), (1, 16, 32), (3, 16, 64), (8, 80, 1024), (4, 40, 256)])
def test_window(devices: int, gpu_gb: int, window: int) -> None:
    """The user guide's examples, and more of them."""
    assert sizing.mmio_gb(devices, gpu_gb) == window


@given(st.integers(1, 64), st.integers(1, 512))
def test_window_is_the_next_power_of_two_above(devices: int, gpu_gb: int) -> None:
    """Strictly above the product, and no more than twice it."""
    window = sizing.mmio_gb(devices, gpu_gb)

    assert window & (window - 1) == 0
    assert window // 2 <= devices * gpu_gb < window


def test_counted_devices() -> None:
    """GPUs, network adapters and switches of the host count; VMware's own devices and bridges do not."""
    found = [GPU, VMXNET3, CONNECTX, BRIDGE, REAL_BRIDGE, NVSWITCH]

    assert [device for device in found if device.passed_through] == [GPU, CONNECTX, NVSWITCH]
    assert sizing.size(found, [80, 80]).mmio_gb == 256


def test_window_not_needed() -> None:
    """Up to 128 GB of GPU memory the default is enough."""
    assert sizing.size([GPU] * 8, [16] * 8).mmio_gb is None
    assert sizing.size([GPU] * 9, [16] * 9).mmio_gb == 256


def test_no_gpu(machine: Machine) -> None:
    """Nothing to size."""
    assert machine.boot().records["memory"].message == "no GPU is passed through"


def test_enough_memory(machine: Machine) -> None:
    """Two GPUs of 16 GB need 48 GB."""
    put_gpus(machine, 2, 16384, machine_mib=48_000)

    assert "32 GB of GPU memory need 49152 MB of memory; the default MMIO window is enough" in machine.boot().records["memory"].message


@pytest.mark.parametrize("driver", [True, False])
def test_by_hand(machine: Machine, driver: bool) -> None:
    """Without vCenter's credentials it says exactly what to set, with the driver as without."""
    put_gpus(machine, 4, 40960, machine_mib=250_000, driver=driver)

    message = machine.boot().records["memory"].message

    assert "pciPassthru.use64bitMMIO = TRUE and pciPassthru.64bitMMIOSizeGB = 256" in message


def test_too_little_memory(machine: Machine) -> None:
    """It fails, says how much there must be, and still says what window is needed."""
    put_gpus(machine, 1, 16384, machine_mib=16_000)

    record = machine.boot().records["memory"]

    assert record.outcome is Outcome.FAILED
    assert "24576 MB" in record.hint
