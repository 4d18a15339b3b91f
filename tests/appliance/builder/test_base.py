"""The base system: what is asked for, and that its versions are those that were agreed on."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from bitfusion_appliance.builder import base, product
from bitfusion_appliance.builder.base import BaseSystem
from bitfusion_appliance.builder.disk import BuildError

RECORDS = """Package: apt
Version: 2.6.2
Description: one
 Version: not this
SHA256: 0a

Package: bash
Version: 5.2
SHA256: 0b

"""
LOCK = "apt 2.6.2 0a\nbash 5.2 0b\n"


@pytest.fixture
def system(tmp_path: Path) -> BaseSystem:
    """One with two packages, agreed on."""
    (tmp_path / "base.lock").write_text(LOCK)
    return BaseSystem("bookworm", ("main",), ("apt", "bash"), tmp_path / "base.lock")


def test_project(repository: Path) -> None:
    """The project's own: what vSphere, the product and the playbook need; every package once, and a version for each."""
    system = base.load(repository / "playbooks/base.toml", "")
    locked = {line.split(" ")[0] for line in system.lock.read_text().splitlines()}

    assert {"open-vm-tools", "openssh-server", "nftables", "python3", "systemd-boot-efi"} <= set(system.packages)
    assert len(set(system.packages)) == len(system.packages)
    assert set(system.packages) <= locked
    assert not {"unattended-upgrades", "cloud-init"} & locked


def test_container(repository: Path) -> None:
    """What the tests boot is the same system, less what belongs to a kernel."""
    machine, container = (base.load(repository / "playbooks/base.toml", ""), base.load_for_container(repository / "playbooks/base.toml"))

    assert set(container.packages) < set(machine.packages)
    assert not [name for name in container.packages if name.startswith("linux-")]


def test_versions() -> None:
    """Name, version and hash of each package, from apt's records."""
    assert base.installed(RECORDS) == LOCK


def test_agreed_packages(tmp_path: Path) -> None:
    """The same are accepted; another version, or another content of the same version, is named with what to do."""
    lock = tmp_path / "base.lock"
    lock.write_text(LOCK)
    base.hold(lock, LOCK)

    with pytest.raises(BuildError, match=r"bash 5\.2, bash 5\.3\. Take them with \./dev ova --update-lock, or name a mirror"):
        base.hold(lock, LOCK.replace("bash 5.2", "bash 5.3"))
    with pytest.raises(BuildError, match=r": bash 5\.2\. "):
        base.hold(lock, LOCK.replace("0b", "0c"))


def test_lock_has_hashes(repository: Path) -> None:
    """Every package and every wheel of the appliance is agreed on by its SHA-256."""
    for name in ("base.lock", "wheels.lock"):
        lines = (repository / "playbooks" / name).read_text().splitlines()
        assert lines == sorted(lines)
        assert [line for line in lines if re.fullmatch(r"\S+ \S+ [0-9a-f]{64}", line)] == lines


def test_wheels_are_agreed_on(repository: Path) -> None:
    """Whoever changes a pinned version takes the wheel's hash along: `./dev ova --update-lock wheels`."""
    assert product.uncovered(product.Checkout(repository, repository)) == []


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
