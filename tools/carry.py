"""Puts together what a machine without network needs to run the product: build/carry, at most 60 MB.

python -m tools.carry [--python 3.12]
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys

from tools import build, environment, prepare
from tools.layout import BUILD, LIB, PYTHON, ToolError, say

CARRY = BUILD / "carry"
LARGEST_BYTES = 60_000_000
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")


def carry(version: str) -> int:
    """Libraries, the packages for that Python, and the demo's CUDA program; the bytes of all this."""
    build.build("product")
    shutil.rmtree(CARRY, ignore_errors=True)
    for part in ("client", "server"):
        shutil.copytree(LIB / part, CARRY / "lib" / part, symlinks=True)
    _install_packages(version)
    shutil.copy2(prepare.demo_program(), CARRY / "vector_add")
    size = sum(path.stat().st_size for path in CARRY.rglob("*") if path.is_file() and not path.is_symlink())
    say(f"{CARRY} holds {size / 1e6:.0f} MB for Python {version}")
    if size > LARGEST_BYTES:
        raise ToolError(f"that is more than {LARGEST_BYTES / 1e6:.0f} MB; see what grew with: du -a {CARRY} | sort -n | tail")
    return size


def _install_packages(version: str) -> None:
    groups = environment.requirements(("server", "client"))
    wheels = ["--only-binary=:all:", "--python-version", version, *(f"--platform={platform}" for platform in PLATFORMS)]
    lines = [line for group in groups.values() for line in group]
    command = [
        str(PYTHON),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-compile",
        "--target",
        str(CARRY / "python"),
        *wheels,
        *lines,
    ]
    if subprocess.run(command, check=False, stdout=sys.stderr).returncode:
        raise ToolError(f"could not collect the packages for Python {version} (see above)")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Collect what a machine without network needs, in build/carry.")
    parser.add_argument("--python", default="3.12", metavar="VERSION", help="Python of that machine (default 3.12)")
    try:
        carry(parser.parse_args().python)
    except ToolError as error:
        say(str(error))
        sys.exit(1)
