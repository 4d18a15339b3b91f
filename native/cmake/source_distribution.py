"""Source distributions from the package index, pinned by hash: C libraries that travel inside Python packages."""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path


def fetch(package: str, version: str, sha256: str, folder: Path) -> Path:
    """Download one source distribution into `folder` with pip, which checks its hash; returns the archive.

    pip runs the package's set-up to read its metadata; what that needs comes as wheels (only this package is taken as source), so that a
    machine without a C compiler will do.
    """
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{package}=={version} --hash=sha256:{sha256}\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", f"--no-binary={package}"]
    subprocess.run([*command, "--require-hashes", "-d", str(folder), "-r", str(requirements)], check=True)
    return next(folder.glob("*.tar.gz"))


def unpack(archive: Path, folder: Path, wanted: Iterable[str], unwanted: Iterable[str] = ()) -> Path:
    """Unpack the named files and folders, given relative to the archive's top folder; returns that top folder's place below `folder`.

    By tar, because the tarfile module of Debian 12's Python has no extraction filters yet.
    """
    top = archive.name.removesuffix(".tar.gz")
    without = [f"--exclude={top}/{name}" for name in unwanted]
    subprocess.run(["tar", "-xzf", str(archive), "-C", str(folder), *without, *(f"{top}/{name}" for name in wanted)], check=True)
    return folder / top
