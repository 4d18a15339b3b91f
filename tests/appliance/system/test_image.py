"""The image itself: what a second run of the playbook changes, what is in it, and that another build is the same."""

from __future__ import annotations

import hashlib
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

from bitfusion_appliance.builder import disk, playbook, programs
from bitfusion_appliance.builder import vmdk as vmdk_format
from bitfusion_appliance.builder.__main__ import Places, variables
from bitfusion_appliance.builder.disk import Identity
from tests.appliance.system.conftest import build_ova
from tests.appliance.system.container import Container
from tools.layout import BUILD, LIB, ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

LARGEST = 900_000_000


def test_second_run_changes_nothing(image: Path, tmp_path: Path) -> None:
    """The playbook is idempotent."""
    with Container(image, tmp_path, adapters=0).prepared() as machine:
        told: list[str] = []
        recap = playbook.play(
            ROOT / "playbooks", machine.tree, variables(Places(BUILD / "appliance", tmp_path, LIB)), 1_800_000_000, told.append
        )

    assert recap.changed == 0
    assert recap.ok == len(told) > 10


def test_sealed(image: Path) -> None:
    """No identity, no keys, no logs of the build; nobody can log in."""
    assert (image / "etc/machine-id").read_text() == ""
    assert not list((image / "etc/ssh").glob("ssh_host_*"))
    assert not [path for path in (image / "var/log").rglob("*") if path.is_file() and path.stat().st_size and path.name != "lastlog"]
    passwords = {line.split(":")[0]: line.split(":")[1] for line in (image / "etc/shadow").read_text().splitlines()}
    assert {password[0] for password in passwords.values()} <= {"*", "!"}
    assert "customer" in passwords


def test_pvrdma(image: Path) -> None:
    """The module for PVRDMA adapters fits the image's kernel and all it depends on is there; its source is not."""
    (kernel,) = [path.name for path in (image / "usr/lib/modules").iterdir()]
    shown = subprocess.run(
        ["chroot", image, "modprobe", "-S", kernel, "--show-depends", "vmw_pvrdma"], check=True, capture_output=True, text=True
    )
    version = subprocess.run(
        ["chroot", image, "modinfo", "-k", kernel, "-F", "vermagic", "vmw_pvrdma"], check=True, capture_output=True, text=True
    )

    assert [Path(line.split()[1]).stem for line in shown.stdout.splitlines()][-2:] == ["ib_uverbs", "vmw_pvrdma"]
    assert version.stdout.split()[0] == kernel
    assert not list((image / "usr/src").glob("linux-source*"))


def test_nothing_is_writable_for_all(image: Path) -> None:
    """Apart from folders for temporary files, whose sticky bit is set."""
    found = [path for path in image.rglob("*") if not path.is_symlink() and path.stat().st_mode & stat.S_IWOTH]

    assert not [path for path in found if path.is_file() or (path.is_dir() and not path.stat().st_mode & stat.S_ISVTX)]


def test_same_disk_again(image: Path, tmp_path: Path) -> None:
    """Two disks of one directory are the same, bit for bit; a file system of files that were changed at other times too."""
    programs.ensure(programs.BUILD)
    digests = []
    for name in ("one", "two"):
        target = tmp_path / name
        disk.make(image, target, 8192, Identity("1.2.3", 1_800_000_000), tmp_path)
        digests.append(_digest(target))
        target.unlink()
        (image / "etc/bitfusion-release").chmod(0o644)  # now it has been changed at another time

    assert digests[0] == digests[1]


def test_disk_is_read_back(ova: Path, tmp_path: Path) -> None:
    """QEMU reads the appliance's VMDK and finds the disk that was written, bit for bit."""
    programs.ensure(programs.VERIFY)
    with tarfile.open(ova) as archive:
        name = next(row.name for row in archive if row.name.endswith(".vmdk"))
        archive.extract(name, tmp_path, filter="data")

    subprocess.run(["qemu-img", "compare", "-f", "vmdk", "-F", "raw", tmp_path / name, BUILD / "appliance/disk.raw"], check=True)


def test_two_builds(ova: Path, tmp_path: Path) -> None:
    """Built again, the appliance is the same file; and it is not larger than what may be asked of a download."""
    again = build_ova(tmp_path)

    assert ova.stat().st_size <= LARGEST
    assert _sha256(again) == _sha256(ova)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest(path: Path) -> str:
    """Of the parts that are not holes."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        for number, grain in vmdk_format._grains(file):
            found.update(number.to_bytes(8) + grain)
    return f"{found.hexdigest()} {path.stat().st_size}"
