"""NVIDIA's software from a stand-in repository, with the real package manager; and from files that were brought along."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from bitfusion_appliance.firstboot.modules import nvidia
from tests.appliance.machine import static
from tests.appliance.system.conftest import Boots
from tests.appliance.system.container import Container

pytestmark = pytest.mark.timeout(1800)

FORM = {**static(1, "10.86.1.2"), "host.customer_password": "pw"}


def package(folder: Path, name: str) -> Path:
    """A Debian package with nothing but a name."""
    control = folder / name / "DEBIAN/control"
    control.parent.mkdir(parents=True)
    control.write_text(
        f"Package: {name}\nVersion: 1.0\nArchitecture: amd64\nMaintainer: nobody <nobody@example.com>\nDescription: stand-in\n"
    )
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", folder / name, folder / f"{name}.deb"], check=True, capture_output=True)
    return folder / f"{name}.deb"


def repository(machine: Container, *names: str) -> None:
    """A repository on the machine itself, which its settings name instead of NVIDIA's."""
    folder = machine.tree / "srv/nvidia"
    folder.mkdir(parents=True)
    stanzas = []
    for name in names:
        path = package(folder, name)
        fields = subprocess.run(["dpkg-deb", "-f", path], check=True, capture_output=True, text=True).stdout.strip()
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        stanzas.append(f"{fields}\nFilename: ./{path.name}\nSize: {path.stat().st_size}\nSHA256: {digest}\n")
    (folder / "Packages").write_text("\n".join(stanzas))
    source = r"Types: deb\nURIs: file:/srv/nvidia\nSuites: ./\nTrusted: yes\n"
    (machine.tree / nvidia.CONFIG[1:]).write_text(f'repository = "{source}"\npackages = {[*names]}\n')


def version(machine: Container, name: str) -> str:
    """Of an installed package."""
    return machine.run("dpkg-query", "-W", "-f", "${Version} ${db:Status-Status}", name, check=False)


def test_switch_turned_on_later(appliance: Boots) -> None:
    """Off: it is not installed. On at a later power-on: it is, once."""
    machine = appliance(1)
    repository(machine, "stand-in-driver")
    machine.form(FORM)
    machine.power_on()
    assert version(machine, "stand-in-driver") == ""
    machine.power_off()

    machine.form({**FORM, "host.install_nvidia_packages": "True"})
    machine.power_on()
    assert machine.status()["modules"]["nvidia"]["outcome"] == "done"
    assert version(machine, "stand-in-driver") == "1.0 installed"
    machine.power_off()

    machine.power_on()
    assert machine.status()["modules"]["nvidia"]["outcome"] == "unchanged"


def test_missing_repository(appliance: Boots) -> None:
    """It says what to do, the machine can be reached, and with the files brought along it works by hand."""
    machine = appliance(1)
    repository(machine, "stand-in-driver")
    (machine.tree / "srv/nvidia/Packages").unlink()
    machine.form({**FORM, "host.install_nvidia_packages": "True"})
    machine.power_on()
    record = machine.status()["modules"]["nvidia"]
    assert record["outcome"] == "failed"
    assert nvidia.LOCAL in record["hint"]
    assert machine.run("systemctl", "is-active", "ssh.service") == "active"

    machine.run("cp", "/srv/nvidia/stand-in-driver.deb", nvidia.LOCAL)
    machine.run("bitfusion-firstboot", "install-nvidia")
    assert version(machine, "stand-in-driver") == "1.0 installed"
