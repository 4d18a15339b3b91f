"""Makes a bootable GPT disk from a directory: an EFI system partition by mtools, an ext4 file system by mke2fs. No mount, no loop device."""

from __future__ import annotations

import os
import re
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20
_SECTOR = 512
_ROOT_INODE, _FIRST_INODE = 2, 11
ESP_MIB = 256
_ALIGNMENT_MIB = 1
_ESP_TYPE, _ROOT_TYPE = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B", "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709"
_BOOT_LOADER = "usr/lib/systemd/boot/efi/systemd-bootx64.efi"
# The timer is not tested: on VMware the kernel leaves that out by itself, and an emulator on a busy machine fails the test.
_OPTIONS = "no_timer_check root=LABEL=rootfs rw console=ttyS0,115200 console=tty0"


class BuildError(Exception):
    """The build cannot go on: what failed, why, and what to do."""


@dataclass(frozen=True)
class Identity:
    """Everything that would otherwise be random or the time of day."""

    version: str
    moment: int

    def uuid(self, name: str) -> str:
        """A UUID that is always the same for this build."""
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f"bitfusion appliance {self.version} {name}"))


def make(root: Path, target: Path, size_mib: int, identity: Identity, scratch: Path) -> None:
    """The whole disk, with holes where nothing is. Both file systems are made in their places: copying them would read the holes."""
    root_mib = size_mib - ESP_MIB - 2 * _ALIGNMENT_MIB
    target.unlink(missing_ok=True)
    with target.open("wb") as disk:
        disk.truncate(size_mib * MIB)
    _partition(target, root_mib, identity)
    _make_esp(root, target, identity, scratch)
    _make_root(root, target, root_mib, identity)


def run(*arguments: str, stdin: str = "", environment: dict[str, str] | None = None) -> str:
    """Run a build tool."""
    done = subprocess.run(arguments, check=False, input=stdin, capture_output=True, text=True, env={**os.environ, **(environment or {})})
    if done.returncode:
        raise BuildError(f"{' '.join(arguments[:6])} failed: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def _partition(disk: Path, root_mib: int, identity: Identity) -> None:
    rows = (
        f"start={_ALIGNMENT_MIB}MiB, size={ESP_MIB}MiB, type={_ESP_TYPE}, name=ESP, uuid={identity.uuid('esp')}",
        f"size={root_mib}MiB, type={_ROOT_TYPE}, name=root, uuid={identity.uuid('root')}",
    )
    run("sfdisk", "--quiet", str(disk), stdin="\n".join(("label: gpt", f"label-id: {identity.uuid('disk')}", *rows, "")))


def _make_root(root: Path, disk: Path, size_mib: int, identity: Identity) -> None:
    fixed = {"E2FSPROGS_FAKE_TIME": str(identity.moment), "SOURCE_DATE_EPOCH": str(identity.moment)}
    offset = (_ALIGNMENT_MIB + ESP_MIB) * MIB
    options = f"offset={offset},hash_seed={identity.uuid('hash')},lazy_itable_init=1,lazy_journal_init=1"
    names = ("-L", "rootfs", "-U", identity.uuid("file system"))
    run("mke2fs", "-q", "-F", "-t", "ext4", *names, "-E", options, "-d", str(root), str(disk), f"{size_mib}M", environment=fixed)
    _fix_times(f"{disk}?offset={offset}", identity.moment)


def _fix_times(file_system: str, moment: int) -> None:
    """mke2fs takes over when the source's inodes were changed and read, itself included: both are overwritten in the new file system."""
    fields = ("ctime @{moment}", "ctime_extra 0", "atime @{moment}", "atime_extra 0")
    changes = (f"set_inode_field <{inode}> {field.format(moment=moment)}\n" for inode in _inodes(file_system) for field in fields)
    run("debugfs", "-w", "-f", "-", file_system, stdin="".join(changes), environment={"E2FSPROGS_FAKE_TIME": str(moment)})


def _inodes(file_system: str) -> Iterator[int]:
    """Those in use, without the reserved ones."""
    text = run("dumpe2fs", file_system)
    count = int(re.findall(r"^Inode count:\s+(\d+)", text, re.MULTILINE)[0])
    free: set[int] = set()
    for row in re.findall(r"^  Free inodes: (.+)$", text, re.MULTILINE):
        for first, last in re.findall(r"(\d+)(?:-(\d+))?", row):
            free.update(range(int(first), int(last or first) + 1))
    return (inode for inode in range(1, count + 1) if inode not in free and (inode == _ROOT_INODE or inode >= _FIRST_INODE))


def _make_esp(root: Path, disk: Path, identity: Identity, scratch: Path) -> None:
    """systemd-boot, one entry, the kernel and its initial file system."""
    place = ("--offset", str(_ALIGNMENT_MIB * MIB // _SECTOR), str(disk), str(ESP_MIB * MIB // 1024))
    run("mkfs.vfat", "-F", "32", "-s", "1", "-n", "ESP", "-i", identity.uuid("esp")[:8], "--invariant", *place)
    release = _kernel_release(root)
    entry = f"title Bitfusion server {identity.version}\nlinux /bitfusion/vmlinuz\ninitrd /bitfusion/initrd.img\noptions {_OPTIONS}\n"
    fixed = {"SOURCE_DATE_EPOCH": str(identity.moment), "MTOOLS_SKIP_CHECK": "1"}
    image = f"{disk}@@{_ALIGNMENT_MIB}M"
    folders = ("EFI", "EFI/BOOT", "loader", "loader/entries", "bitfusion")
    run("mmd", "-i", image, *(f"::/{folder}" for folder in folders), environment=fixed)
    files: Sequence[tuple[Path, str]] = (
        (root / _BOOT_LOADER, "EFI/BOOT/BOOTX64.EFI"),
        (root / f"boot/vmlinuz-{release}", "bitfusion/vmlinuz"),
        (root / f"boot/initrd.img-{release}", "bitfusion/initrd.img"),
        (_text(scratch / "loader.conf", "timeout 0\nconsole-mode keep\n", identity), "loader/loader.conf"),
        (_text(scratch / "entry.conf", entry, identity), "loader/entries/bitfusion.conf"),
    )
    for source, name in files:
        run("mcopy", "-m", "-i", image, str(source), f"::/{name}", environment=fixed)


def _text(path: Path, content: str, identity: Identity) -> Path:
    path.write_text(content)
    os.utime(path, (identity.moment, identity.moment))
    return path


def _kernel_release(root: Path) -> str:
    """Version of the only kernel."""
    found = sorted(path.name for path in (root / "usr/lib/modules").iterdir())
    if len(found) != 1:
        raise BuildError(f"the image must hold exactly one kernel, not {found}; see playbooks/base.toml")
    return found[0]
