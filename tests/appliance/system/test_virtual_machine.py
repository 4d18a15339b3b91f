"""The finished disk in a virtual machine: UEFI, vmxnet3, the form on a CD; and a CUDA program from outside. Minutes without KVM."""

from __future__ import annotations

import contextlib
import http.client
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bitfusion_appliance.builder import disk, programs, vmdk
from bitfusion_appliance.builder.disk import Identity
from tests.appliance.machine import MACS, environment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

FIRMWARE = Path("/usr/share/OVMF/OVMF_CODE_4M.fd")
BOOT_S = 1200.0
_POLL_S = 1.0


@pytest.fixture(scope="module")
def virtual_disk(image: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image's VMDK."""
    programs.ensure(programs.BUILD, programs.EMULATE)
    folder = tmp_path_factory.mktemp("disk")
    disk.make(image, folder / "disk.raw", 8192, Identity("1.2.3", 1_800_000_000), folder)
    vmdk.write(folder / "disk.raw", folder / "disk.vmdk", 17)
    (folder / "disk.raw").unlink()
    return folder / "disk.vmdk"


def test_boot(virtual_disk: Path, tmp_path: Path) -> None:
    """It boots, takes its address from DHCP and its name from the CD, and its service is ready for simulated GPUs."""
    (tmp_path / "cd").mkdir()
    (tmp_path / "cd/ovf-env.xml").write_text(environment({"host.hostname": "gpu-vm", "host.customer_password": "canary"}, MACS[:1]))
    iso = tmp_path / "form.iso"
    subprocess.run(["xorriso", "-as", "mkisofs", "-quiet", "-V", "OVF ENV", "-o", iso, tmp_path / "cd"], check=True)
    console = tmp_path / "console"

    with _powered_on(virtual_disk, iso, console, port=56991) as machine:
        deadline = time.monotonic() + BOOT_S
        while _ready(56991) != 200:
            assert machine.poll() is None, console.read_text(errors="replace")[-2000:]
            assert time.monotonic() < deadline, console.read_text(errors="replace")[-2000:]
            time.sleep(_POLL_S)

    text = console.read_text(errors="replace")
    assert "gpu-vm login:" in text
    assert "canary" not in text


@contextlib.contextmanager
def _powered_on(virtual_disk: Path, iso: Path, console: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Debian's firmware has no driver for VMware's disk controller: the disk hangs on virtio's."""
    hardware = ["-machine", "q35", "-smp", "2", "-m", "2048", "-display", "none", "-serial", f"file:{console}", "-no-reboot", "-snapshot"]
    firmware = ["-drive", f"if=pflash,format=raw,readonly=on,file={FIRMWARE}"]
    storage = [
        "-device",
        "virtio-scsi-pci",
        "-device",
        "scsi-hd,drive=system",
        "-drive",
        f"if=none,id=system,format=vmdk,file={virtual_disk}",
    ]
    form = ["-drive", f"media=cdrom,format=raw,readonly=on,file={iso}"]
    network = ["-netdev", f"user,id=net,hostfwd=tcp:127.0.0.1:{port}-:56001", "-device", f"vmxnet3,netdev=net,mac={MACS[0]}"]
    credential = ["-smbios", "type=11,value=io.systemd.credential:bitfusion.simulated_gpus=2"]
    accelerator = ["-accel", "tcg,thread=multi"]
    command = ["qemu-system-x86_64", *hardware, *firmware, *storage, *form, *network, *credential, *accelerator, "-cpu", "max"]
    with subprocess.Popen(command) as process:
        try:
            yield process
        finally:
            process.terminate()


def _ready(port: int) -> int:
    """What the manager says of itself; 0 while nobody answers."""
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=ssl._create_unverified_context())
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()
