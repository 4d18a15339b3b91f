"""Fetches the zstd decompressor's C source, which travels in the source distribution of the `backports-zstd` package, pinned by hash.

usage: fetch_zstd.py OUTPUT_DIR     (leaves zstd.h, zstd_errors.h, common/ and decompress/ there)
"""

from __future__ import annotations

import pathlib
import shutil
import sys
import tempfile

from native.cmake.source_distribution import fetch, unpack

VERSION = "1.8.0"
SHA256 = "9dae4f4c481716e3db473d667457b4f508ff7459c0931b567a5c9677fb3db316"
INNER = "src/c/zstd/lib"
WANTED = ("zstd.h", "zstd_errors.h", "common", "decompress")


def main(output: pathlib.Path) -> None:
    """Unpack the archive aside, then move what is wanted into place."""
    with tempfile.TemporaryDirectory(dir=output.parent) as folder:
        scratch = pathlib.Path(folder)
        archive = fetch("backports-zstd", VERSION, SHA256, scratch)
        unpacked = unpack(archive, scratch, [f"{INNER}/{name}" for name in WANTED])
        shutil.rmtree(output, ignore_errors=True)
        (unpacked / INNER).rename(output)
    for source in output.rglob("*.c"):
        source.touch()  # newer than this script, or ninja would fetch again


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]).absolute())
