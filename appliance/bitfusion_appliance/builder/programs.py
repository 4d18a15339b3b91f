"""Programs of the distribution that building and testing the image need: installed when run as root, else named."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from bitfusion_appliance.builder.disk import BuildError

# Program, or file, and the Debian package it comes from.
BUILD = {
    "mmdebstrap": "mmdebstrap",
    "mkfs.vfat": "dosfstools",
    "mmd": "mtools",
    "mcopy": "mtools",
    "mke2fs": "e2fsprogs",
    "sfdisk": "fdisk",
    "unshare": "util-linux",
    "zstd": "zstd",
}
VERIFY = {"qemu-img": "qemu-utils"}
BOOT = {"systemd-nspawn": "systemd-container", "ip": "iproute2"}
EMULATE = {
    "ssh": "openssh-client",
    "qemu-system-x86_64": "qemu-system-x86",
    "xorriso": "xorriso",
    "/usr/share/OVMF/OVMF_CODE_4M.fd": "ovmf",
}


def ensure(*groups: dict[str, str]) -> None:
    """Make these programs be there."""
    packages = sorted(
        {package for group in groups for program, package in group.items() if not (shutil.which(program) or Path(program).exists())}
    )
    if not packages:
        return
    command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages]
    if os.geteuid() or not shutil.which("apt-get"):
        raise BuildError(f"programs are missing; install them with: sudo {' '.join(command)}")
    done = _run(command)
    if done.returncode:
        # The lists of packages may be old, or missing.
        _run(["apt-get", "update", "-q"])
        done = _run(command)
    if done.returncode:
        raise BuildError(f"{' '.join(command)} failed: {done.stderr.strip()[-1000:]}")


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, check=False, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, capture_output=True, text=True)
