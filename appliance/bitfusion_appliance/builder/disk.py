"""Makes a bootable GPT disk from a directory: an EFI system partition by mtools, an ext4 file system by mke2fs. No mount, no loop device."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20
ESP_MIB = 256
_ALIGNMENT_MIB = 1
_ESP_TYPE, _ROOT_TYPE = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B", "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709"
_BOOT_LOADER = "usr/lib/systemd/boot/efi/systemd-bootx64.efi"
_OPTIONS = "root=LABEL=rootfs rw console=ttyS0,115200 console=tty0"


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
    """The whole disk, with holes where nothing is."""
    esp, system = scratch / "esp.img", scratch / "root.img"
    _make_esp(root, esp, identity)
    root_mib = size_mib - ESP_MIB - 2 * _ALIGNMENT_MIB
    _make_root(root, system, root_mib, identity)
    target.unlink(missing_ok=True)
    with target.open("wb") as disk:
        disk.truncate(size_mib * MIB)
    _partition(target, root_mib, identity)
    for image, at_mib in ((esp, _ALIGNMENT_MIB), (system, _ALIGNMENT_MIB + ESP_MIB)):
        run("dd", f"if={image}", f"of={target}", "bs=1M", f"seek={at_mib}", "conv=notrunc,sparse", "status=none")
        image.unlink()


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


def _make_root(root: Path, image: Path, size_mib: int, identity: Identity) -> None:
    image.unlink(missing_ok=True)
    with image.open("wb") as file:
        file.truncate(size_mib * MIB)
    fixed = {"E2FSPROGS_FAKE_TIME": str(identity.moment), "SOURCE_DATE_EPOCH": str(identity.moment)}
    options = f"hash_seed={identity.uuid('hash')},lazy_itable_init=1,lazy_journal_init=1"
    run(
        "mke2fs",
        "-q",
        "-t",
        "ext4",
        "-L",
        "rootfs",
        "-U",
        identity.uuid("file system"),
        "-E",
        options,
        "-d",
        str(root),
        str(image),
        environment=fixed,
    )


def _make_esp(root: Path, image: Path, identity: Identity) -> None:
    """systemd-boot, one entry, the kernel and its initial file system."""
    image.unlink(missing_ok=True)
    with image.open("wb") as file:
        file.truncate(ESP_MIB * MIB)
    run("mkfs.vfat", "-F", "32", "-n", "ESP", "-i", identity.uuid("esp")[:8], "--invariant", str(image))
    release = _kernel_release(root)
    entry = f"title Bitfusion server {identity.version}\nlinux /bitfusion/vmlinuz\ninitrd /bitfusion/initrd.img\noptions {_OPTIONS}\n"
    fixed = {"SOURCE_DATE_EPOCH": str(identity.moment), "MTOOLS_SKIP_CHECK": "1"}
    folders = ("EFI", "EFI/BOOT", "loader", "loader/entries", "bitfusion")
    run("mmd", "-i", str(image), *(f"::/{folder}" for folder in folders), environment=fixed)
    files: Sequence[tuple[Path, str]] = (
        (root / _BOOT_LOADER, "EFI/BOOT/BOOTX64.EFI"),
        (root / f"boot/vmlinuz-{release}", "bitfusion/vmlinuz"),
        (root / f"boot/initrd.img-{release}", "bitfusion/initrd.img"),
        (_text(image, "loader.conf", "timeout 0\nconsole-mode keep\n"), "loader/loader.conf"),
        (_text(image, "bitfusion.conf", entry), "loader/entries/bitfusion.conf"),
    )
    for source, place in files:
        run("mcopy", "-i", str(image), str(source), f"::/{place}", environment=fixed)


def _text(image: Path, name: str, content: str) -> Path:
    path = image.with_name(name)
    path.write_text(content)
    return path


def _kernel_release(root: Path) -> str:
    """Version of the only kernel."""
    found = sorted(path.name for path in (root / "usr/lib/modules").iterdir())
    if len(found) != 1:
        raise BuildError(f"the image must hold exactly one kernel, not {found}; see playbooks/base.toml")
    return found[0]
