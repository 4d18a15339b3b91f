"""Fetches the zstd decompressor's C source: the single-file library inside the source distribution of the `zstandard` package, pinned by hash.

usage: fetch_zstd.py OUTPUT_DIR     (writes zstd.c and its headers there unless they are there already)
"""

from __future__ import annotations

import pathlib
import subprocess
import sys
import tarfile
import tempfile

PINNED = "zstandard==0.25.0 --hash=sha256:7713e1179d162cf5c7906da876ec2ccb9c3a9dcbdffef0cc7f70c3667a205f0b"


def download(folder: pathlib.Path) -> pathlib.Path:
    """The source distribution as a file; pip checks its hash."""
    requirements = folder / "requirements.txt"
    requirements.write_text(PINNED + "\n")
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "-q",
        "--disable-pip-version-check",
        "--no-deps",
        "--no-binary",
        ":all:",
        "--require-hashes",
    ]
    # The package itself is not built: its metadata needs only what the build environment has.
    subprocess.run([*command, "-r", str(requirements), "-d", str(folder)], check=True)
    return next(folder.glob("zstandard-*.tar.gz"))


def extract(archive: pathlib.Path, output: pathlib.Path) -> None:
    """Takes the files out, whatever the archive's top folder is called."""
    with tarfile.open(archive) as members:
        for member in members.getmembers():
            name = pathlib.PurePosixPath(member.name)
            if name.parts[1:] in (("zstd", "zstd.c"), ("zstd", "zstd.h"), ("zstd", "zstd_errors.h")):
                source = members.extractfile(member)
                if source is not None:
                    (output / name.name).write_bytes(source.read())


def main() -> None:
    """Fetch once."""
    output = pathlib.Path(sys.argv[1])
    if (output / "zstd.c").exists():
        return
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        extract(download(pathlib.Path(folder)), output)
    for name in ("zstd.c", "zstd.h", "zstd_errors.h"):
        if not (output / name).exists():
            sys.exit(f"the zstandard source distribution has no zstd/{name}")


if __name__ == "__main__":
    main()
