"""Putting the contents of a package together below one folder."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path


def copy(source: Path, target: Path, mode: int = 0o644) -> None:
    """A file with its mode, whatever the checkout's is."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(mode)


def write(target: Path, data: bytes) -> None:
    """A file that is made here."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    target.chmod(0o644)


def strip(source: Path, target: Path) -> None:
    """A library without debugging sections; executable, as package checkers of .rpm expect of a shared library."""
    target.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["strip", "--strip-unneeded", "-o", str(target), str(source)], check=True)
    target.chmod(0o755)


def copy_all(folder: Path, target: Path, *names: str) -> None:
    """These files of a folder."""
    for name in names:
        copy(folder / name, target / name)
