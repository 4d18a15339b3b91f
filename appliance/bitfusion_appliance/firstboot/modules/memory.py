"""Memory and the window for the GPUs' memory: computed, and set in vCenter where the form allows it."""

from __future__ import annotations

import re

from bitfusion_appliance.firstboot import pci, sizing, vcenter
from bitfusion_appliance.firstboot.host import Host, StepFailed
from bitfusion_appliance.firstboot.module import Boot, Frequency, Module, Stage
from bitfusion_appliance.firstboot.sizing import Sizing

# The kernel keeps some of the memory for itself: what it reports is a little less than what the virtual machine has.
_KERNEL_SHARE = 0.95


def apply(boot: Boot) -> str:
    """Say what is needed; set what can be set."""
    devices = pci.devices(boot.host)
    memory = pci.gpu_memory_gb(boot.host, devices)
    if not memory:
        return "no GPU is passed through"
    if not all(memory):
        raise StepFailed("the memory of a GPU cannot be found out", "Install NVIDIA's driver; then memory and MMIO window are computed.")
    needed = sizing.size(devices, memory)
    sentence = f"{needed.gpu_memory_gb} GB of GPU memory need {needed.memory_mib} MB of memory"
    window = _window(boot, needed)
    have_mib = _memory_mib(boot.host)
    if have_mib < needed.memory_mib * _KERNEL_SHARE:
        hint = f"Power off, give the virtual machine {needed.memory_mib} MB and reserve all of it."
        raise StepFailed(f"{sentence}; there are {have_mib} MB", hint)
    return f"{sentence}; {window}"


def _window(boot: Boot, needed: Sizing) -> str:
    if needed.mmio_gb is None:
        return "the default MMIO window is enough"
    login, uuid = vcenter.login(boot.values), vcenter.own_uuid(boot.host)
    if login is None or uuid is None:
        return f"power off and set the advanced settings {sizing.MMIO_SWITCH} = TRUE and {sizing.MMIO_SIZE} = {needed.mmio_gb}"
    changed = vcenter.set_extra_config(login, uuid, needed.extra_config())
    when = "takes effect when the machine is powered off and on" if changed else "is set"
    return f"{sizing.MMIO_SIZE} = {needed.mmio_gb} {when}"


def _memory_mib(host: Host) -> int:
    match = re.search(r"^MemTotal:\s+(\d+) kB", host.read("/proc/meminfo") or "", re.MULTILINE)
    return int(match[1]) // 1024 if match else 0


MODULE = Module("memory", Stage.NETWORK, Frequency.EVERY_BOOT, vcenter.KEYS, apply, tolerant=True)
