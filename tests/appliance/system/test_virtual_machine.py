"""The finished disk in a virtual machine: UEFI, vmxnet3, the form on a CD; ssh and a CUDA program from outside. Minutes without KVM.

Machine and client share a network namespace, so that the forwarded ports are nobody else's.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bitfusion_appliance.builder import programs
from tests.appliance.machine import MACS, environment
from tests.appliance.system import client
from tests.cuda_builder import Builder

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

FIRMWARE = Path("/usr/share/OVMF/OVMF_CODE_4M.fd")
PASSWORD = "canary-pw"
_PORTS = (22, 55001, 56001)
_BOOT_S = 1800.0
_POLL_S = 1.0
_COMMAND_S = 300.0


@pytest.fixture(scope="module")
def virtual_disk(ova: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The VMDK of the finished appliance."""
    programs.ensure(programs.EMULATE)
    folder = tmp_path_factory.mktemp("disk")
    with tarfile.open(ova) as archive:
        name = next(row.name for row in archive if row.name.endswith(".vmdk"))
        archive.extract(name, folder, filter="data")
    return folder / name


@dataclass(frozen=True)
class Outside:
    """The machine's surroundings: a network namespace, and the customer who logs in."""

    name: str
    folder: Path

    @property
    def within(self) -> tuple[str, ...]:
        """Starts a command there."""
        return ("ip", "netns", "exec", self.name)

    def ssh(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command as the customer, who gives the password when asked."""
        ask = self.folder / "askpass"
        ask.write_text(f"#!/bin/sh\necho {PASSWORD}\n")
        ask.chmod(0o700)
        strangers = ("-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={self.folder}/known", "-o", "LogLevel=ERROR")
        arguments = [*self.within, "ssh", *strangers, "-o", "ConnectTimeout=60", "customer@127.0.0.1", command]
        asked = {**os.environ, "SSH_ASKPASS": str(ask), "SSH_ASKPASS_REQUIRE": "force"}
        return subprocess.run(arguments, check=False, env=asked, input=f"{PASSWORD}\n", capture_output=True, text=True, timeout=_COMMAND_S)

    def sudo(self, *command: str) -> str:
        """With root's rights; what it prints."""
        done = self.ssh(f"sudo -S -p '' {' '.join(command)}")
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout.strip()


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Outside]:
    """A network namespace with nothing in it but its loopback."""
    name = f"bfvm{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
        yield Outside(name, tmp_path)
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


def test_from_power_on_to_application(virtual_disk: Path, outside: Outside, program: Builder, tmp_path: Path) -> None:
    """It boots, takes its address from DHCP and its name from the CD, is ready, and runs an unmodified CUDA program from outside."""
    console = tmp_path / "console"
    application = str(program("vector_add", 13, "static"))

    with _powered_on(virtual_disk, _form(tmp_path), console, outside) as running:
        _wait(running, console, lambda: outside.ssh("systemctl is-active bitfusion-ready.target").stdout == "active\n")
        _wait(running, console, lambda: outside.ssh("systemctl is-active bitfusion").stdout == "active\n")
        assert outside.ssh("hostname").stdout == "gpu-vm\n"
        assert outside.ssh("bitfusion-firstboot status").returncode == 0, outside.ssh("bitfusion-firstboot status").stdout
        assert outside.ssh("systemctl --failed --no-legend --plain").stdout == "", outside.sudo("journalctl -b -p warning --no-pager")
        print(outside.ssh("systemd-analyze").stdout)
        outside.sudo("modprobe", "vmw_pvrdma")
        assert "vmw_pvrdma" in outside.ssh("cat /proc/modules").stdout

        authority, token = outside.sudo("cat", client.AUTHORITY), outside.sudo(*client.ISSUE_TOKEN).splitlines()[-1]
        user = client.enabled(tmp_path / "home", "127.0.0.1", authority + "\n", token, outside.within)
        assert "PASSED" in user.output("run", "-n", "1", "--", application)
        outside.ssh("sudo -S systemctl poweroff")
        running.wait(_COMMAND_S)

    text = console.read_text(errors="replace")
    assert "gpu-vm login:" in text
    assert PASSWORD not in text


def _form(folder: Path) -> Path:
    (folder / "cd").mkdir()
    (folder / "cd/ovf-env.xml").write_text(environment({"host.hostname": "gpu-vm", "host.customer_password": PASSWORD}, MACS[:1]))
    iso = folder / "form.iso"
    subprocess.run(["xorriso", "-as", "mkisofs", "-quiet", "-V", "OVF ENV", "-o", iso, folder / "cd"], check=True)
    return iso


def _wait(running: subprocess.Popen[bytes], console: Path, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _BOOT_S
    while not condition():
        assert running.poll() is None, console.read_text(errors="replace")[-2000:]
        assert time.monotonic() < deadline, console.read_text(errors="replace")[-2000:]
        time.sleep(_POLL_S)


@contextlib.contextmanager
def _powered_on(virtual_disk: Path, iso: Path, console: Path, outside: Outside) -> Iterator[subprocess.Popen[bytes]]:
    """Debian's firmware has no driver for VMware's disk controller: the disk hangs on virtio's."""
    hardware = ["-machine", "q35", "-smp", "2", "-m", "2048", "-display", "none", "-serial", f"file:{console}", "-no-reboot", "-snapshot"]
    firmware = ["-drive", f"if=pflash,format=raw,readonly=on,file={FIRMWARE}"]
    drive = f"if=none,id=system,format=vmdk,file={virtual_disk}"
    storage = ["-device", "virtio-scsi-pci", "-device", "scsi-hd,drive=system", "-drive", drive]
    form = ["-drive", f"media=cdrom,format=raw,readonly=on,file={iso}"]
    forwarded = "".join(f",hostfwd=tcp:127.0.0.1:{port}-:{port}" for port in _PORTS)
    network = ["-netdev", f"user,id=net{forwarded}", "-device", f"vmxnet3,netdev=net,mac={MACS[0]}"]
    credential = ["-smbios", "type=11,value=io.systemd.credential:bitfusion.simulated_gpus=2"]
    accelerator = ["-accel", "tcg,thread=multi", "-cpu", "max"]
    command = ["qemu-system-x86_64", *hardware, *firmware, *storage, *form, *network, *credential, *accelerator]
    with subprocess.Popen([*outside.within, *command]) as process:
        try:
            yield process
        finally:
            process.terminate()
