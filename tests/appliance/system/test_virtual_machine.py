"""The finished disk in a virtual machine: UEFI, vmxnet3, the form on a CD; ssh and a CUDA program from outside. Minutes without KVM.

Machine and client share a network namespace, so that the forwarded ports are nobody else's.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import tarfile
import time
from collections.abc import Iterator
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
# What QEMU's DHCP server gives. Outside the same address is the forwarder's: the manager tells clients the address that it has.
ADDRESS = "10.0.2.15"
_PORTS = (22, 55001, 56001)
_BOOT_S = 1800.0
_POLL_S = 1.0
_COMMAND_S = 900.0
_CONNECT_S = 300
# The banner of a machine that is set up, with a manager that runs.
READY = "service     active"
_MARK = "== "
QUESTIONS = {
    "hostname": "hostname",
    "ready": "systemctl is-active bitfusion-ready.target",
    "failed": "systemctl --failed --no-legend --plain",
    "firstboot": "bitfusion-firstboot status",
    "pvrdma": "modprobe vmw_pvrdma && grep ^vmw_pvrdma /proc/modules",
    "times": "systemd-analyze",
    "authority": f"cat {client.AUTHORITY}",
    "token": " ".join(client.ISSUE_TOKEN),
}


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

    def sudo(self, command: str) -> str:
        """Run a command as the customer with root's rights, who gives the password when asked; what it prints."""
        ask = self.folder / "askpass"
        ask.write_text(f"#!/bin/sh\necho {PASSWORD}\n")
        ask.chmod(0o700)
        strangers = ("-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={self.folder}/known", "-o", "LogLevel=ERROR")
        arguments = [
            *self.within,
            "ssh",
            *strangers,
            "-o",
            f"ConnectTimeout={_CONNECT_S}",
            f"customer@{ADDRESS}",
            f"sudo -S -p '' {command}",
        ]
        asked = {**os.environ, "SSH_ASKPASS": str(ask), "SSH_ASKPASS_REQUIRE": "force"}
        done = subprocess.run(arguments, check=False, env=asked, input=f"{PASSWORD}\n", capture_output=True, text=True, timeout=_COMMAND_S)
        assert done.returncode == 0, f"{command}: status {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Outside]:
    """A network namespace with nothing in it but its loopback and the forwarder's address."""
    name = f"bfvm{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
        subprocess.run(["ip", "-n", name, "address", "add", f"{ADDRESS}/32", "dev", "lo"], check=True)
        # The machine would not answer a client with its own address; QEMU puts its gateway's in the place of this one.
        subprocess.run(
            ["ip", "-n", name, "route", "replace", "local", ADDRESS, "dev", "lo", "table", "local", "src", "127.0.0.1"], check=True
        )
        yield Outside(name, tmp_path)
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


def test_from_power_on_to_application(virtual_disk: Path, outside: Outside, program: Builder, tmp_path: Path) -> None:
    """It boots, takes its address from DHCP and its name from the CD, is ready, and runs an unmodified CUDA program from outside."""
    console = tmp_path / "console"
    application = str(program("vector_add", 13, "static"))

    with _powered_on(virtual_disk, _form(tmp_path), console, outside) as running:
        _wait_for(READY, running, console)
        facts, authority, token = _inspected(outside)
        user = client.enabled(tmp_path / "home", ADDRESS, authority, token, outside.within)
        assert "PASSED" in user.output("run", "-n", "1", "--", application)
        # Without waiting, so that the answer comes before the network goes.
        outside.sudo("systemctl poweroff --no-block")
        running.wait(_COMMAND_S)

    assert facts["hostname"] == ["gpu-vm"]
    assert facts["ready"] == ["active"]
    assert facts["failed"] == []
    assert facts["firstboot"][0] == "done, properties from iso"
    assert facts["pvrdma"][0].startswith("vmw_pvrdma ")
    print(*facts["times"], sep="\n")
    text = console.read_text(errors="replace")
    assert "gpu-vm login:" in text
    assert PASSWORD not in text


def _inspected(outside: Outside) -> tuple[dict[str, list[str]], str, str]:
    """What the customer sees in one session, the certificate authority, and a token for a client."""
    answers = outside.sudo(f"sh -c '{'; '.join(f'echo {_MARK}{name}; {command}' for name, command in QUESTIONS.items())}'")
    rows = (part.partition("\n") for part in answers.split(_MARK)[1:])
    facts = {name: text.splitlines() for name, _, text in rows}
    return facts, "\n".join(facts.pop("authority")) + "\n", facts.pop("token")[-1]


def _form(folder: Path) -> Path:
    (folder / "cd").mkdir()
    (folder / "cd/ovf-env.xml").write_text(environment({"host.hostname": "gpu-vm", "host.customer_password": PASSWORD}, MACS[:1]))
    iso = folder / "form.iso"
    subprocess.run(["xorriso", "-as", "mkisofs", "-quiet", "-V", "OVF ENV", "-o", iso, folder / "cd"], check=True)
    return iso


def _wait_for(said: str, running: subprocess.Popen[bytes], console: Path) -> None:
    """Until this stands on the console."""
    deadline = time.monotonic() + _BOOT_S
    while said not in (text := console.read_text(errors="replace") if console.exists() else ""):
        assert running.poll() is None, text[-2000:]
        assert time.monotonic() < deadline, text[-2000:]
        time.sleep(_POLL_S)


@contextlib.contextmanager
def _powered_on(virtual_disk: Path, iso: Path, console: Path, outside: Outside) -> Iterator[subprocess.Popen[bytes]]:
    """Debian's firmware has no driver for VMware's disk controller: the disk hangs on virtio's."""
    hardware = ["-machine", "q35", "-smp", "2", "-m", "2048", "-display", "none", "-serial", f"file:{console}", "-no-reboot", "-snapshot"]
    firmware = ["-drive", f"if=pflash,format=raw,readonly=on,file={FIRMWARE}"]
    drive = f"if=none,id=system,format=vmdk,file={virtual_disk}"
    storage = ["-device", "virtio-scsi-pci", "-device", "scsi-hd,drive=system", "-drive", drive]
    form = ["-drive", f"media=cdrom,format=raw,readonly=on,file={iso}"]
    forwarded = "".join(f",hostfwd=tcp:{ADDRESS}:{port}-:{port}" for port in _PORTS)
    network = ["-netdev", f"user,id=net{forwarded}", "-device", f"vmxnet3,netdev=net,mac={MACS[0]}"]
    credential = ["-smbios", "type=11,value=io.systemd.credential:bitfusion.simulated_gpus=2"]
    accelerator = ["-accel", "tcg,thread=multi", "-cpu", "max"]
    command = ["qemu-system-x86_64", *hardware, *firmware, *storage, *form, *network, *credential, *accelerator]
    with subprocess.Popen([*outside.within, *command]) as process:
        try:
            yield process
        finally:
            process.terminate()
