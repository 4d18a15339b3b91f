"""The base system: what is asked for, and that its versions are those that were agreed on."""

from __future__ import annotations

import os
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from bitfusion_appliance.builder import base
from bitfusion_appliance.builder.base import BaseSystem
from bitfusion_appliance.builder.disk import BuildError

STATUS = """Package: apt
Status: install ok installed
Version: 2.6.2
Description: one
 Version: not this

Package: bash
Version: 5.2
"""


@pytest.fixture
def system(tmp_path: Path) -> BaseSystem:
    """One with two packages, agreed on."""
    (tmp_path / "base.lock").write_text("apt 2.6.2\nbash 5.2\n")
    return BaseSystem("bookworm", ("main",), ("apt", "bash"), tmp_path / "base.lock")


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """What mmdebstrap made."""
    status = tmp_path / "tree/var/lib/dpkg/status"
    status.parent.mkdir(parents=True)
    status.write_text(STATUS)
    with tarfile.open(tmp_path / "made.tar", "w") as tar:
        tar.add(tmp_path / "tree", ".")
    return tmp_path / "made.tar"


def test_project(repository: Path) -> None:
    """The project's own: what vSphere, the product and the playbook need; every package once, and a version for each."""
    system = base.load(repository / "playbooks/base.toml", "")
    locked = {line.split(" ")[0] for line in system.lock.read_text().splitlines()}

    assert {"open-vm-tools", "openssh-server", "nftables", "python3", "systemd-boot-efi"} <= set(system.packages)
    assert len(set(system.packages)) == len(system.packages)
    assert set(system.packages) <= locked
    assert not {"unattended-upgrades", "cloud-init"} & locked


def test_versions(made: Path) -> None:
    """They are read from dpkg's own record."""
    assert base.installed(made) == "apt 2.6.2\nbash 5.2\n"


def test_agreed_versions(system: BaseSystem, made: Path) -> None:
    """The same are accepted, others are named with what to do."""
    base._hold(system, base.installed(made))

    with pytest.raises(BuildError, match=r"bash 5\.2, bash 5\.3\. Take them with \./dev ova --update-lock, or name a mirror"):
        base._hold(system, base.installed(made).replace("bash 5.2", "bash 5.3"))


def test_mirror(system: BaseSystem) -> None:
    """It is used for everything, and its base system is not mistaken for another's."""
    mirrored = replace(system, mirror="http://mirror.example.com/debian")

    assert mirrored.command(Path("t"))[-1] == "http://mirror.example.com/debian"
    assert mirrored.fingerprint() != system.fingerprint()


def test_times(tmp_path: Path) -> None:
    """Newer files become as old as the release, older ones stay as they are; when they were read does not matter."""
    for name, moment in (("old", 1000), ("new", 3000)):
        (tmp_path / name).write_text("")
        os.utime(tmp_path / name, (moment, moment))
    (tmp_path / "link").symlink_to("nowhere")

    base.clamp_times(tmp_path, 2000)

    assert [(tmp_path / name).lstat().st_mtime for name in ("old", "new", "link")] == [1000, 2000, 2000]
    assert {(tmp_path / name).lstat().st_atime for name in ("old", "new", "link")} == {2000}
