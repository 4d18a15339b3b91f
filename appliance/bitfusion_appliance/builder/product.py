"""The product as /usr/lib/bitfusion: packages of this checkout, native libraries, and a Python environment with pinned wheels.

The appliance gets all of it as a tar; the package bitfusion-server is the same without what the package bitfusion-client has.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
import tarfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

from bitfusion_appliance.builder.disk import BuildError, run

FOLDER = "/usr/lib/bitfusion"
# Debian 12's.
PYTHON = "3.11"
_GROUPS = ("server", "client", "simgpu")
_MORE = ("pyvmomi",)
_PACKAGES = (
    "core/bitfusion_core",
    "client_pkg/bitfusion_client",
    "server/bitfusion_server",
    "appliance/bitfusion_appliance/__init__.py",
    "appliance/bitfusion_appliance/kinds.py",
    "appliance/bitfusion_appliance/properties.py",
    "appliance/bitfusion_appliance/firstboot",
    "appliance/bitfusion_appliance/support",
    "native/ptx",
    "ovf/properties.toml",
)
_LIBRARIES = {
    "client/libcuda.so.1": "client/libcuda.so.1",
    "client/libnvidia-ml.so.1": "client/libnvidia-ml.so.1",
    "server/libbitfusion_worker.so": "server/libbitfusion_worker.so",
    "simgpu/libcuda.so.1": "simgpu/libcuda.so.1",
    "simgpu/libnvidia-ml.so.1": "simgpu/libnvidia-ml.so.1",
}
_PLATFORMS = ("manylinux_2_17_x86_64", "manylinux2014_x86_64", "manylinux_2_27_x86_64", "manylinux_2_28_x86_64", "manylinux_2_34_x86_64")
_RUN = '#!/bin/sh\nexec {folder}/venv/bin/python -I -m {module} "$@"\n'
_COMMANDS = {
    "bin/bitfusion-firstboot": _RUN.format(folder=FOLDER, module="bitfusion_appliance.firstboot"),
    "bin/bitfusion-supportbundle.sh": _RUN.format(folder=FOLDER, module="bitfusion_appliance.support"),
    "bin/bitfusion": '#!/bin/sh\nexport BITFUSION_LIB_DIR="${BITFUSION_LIB_DIR:-' + FOLDER + '/client}"\n'
    f'exec {FOLDER}/venv/bin/python -I -m bitfusion_client "$@"\n',
    "server/bitfusion-server": _RUN.format(folder=FOLDER, module="bitfusion_server.command"),
}


# What the package bitfusion-client brings at other places.
CLIENT_PARTS = ("client_pkg", "client", "bin/bitfusion")


@dataclass(frozen=True)
class Checkout:
    """Where the sources and the built libraries lie."""

    root: Path
    libraries: Path

    @property
    def lock(self) -> Path:
        """The agreed wheels: a line `name version SHA-256` for each."""
        return self.root / "playbooks" / "wheels.lock"


def archive(checkout: Checkout, target: Path, cache: Path, moment: int) -> None:
    """Put everything together in a folder, then into a tar that depends on nothing else."""
    stage = target.with_suffix("")
    shutil.rmtree(stage, ignore_errors=True)
    assemble(checkout, stage, cache)
    _compile(stage)
    _pack(stage, target, moment)


def assemble(checkout: Checkout, stage: Path, cache: Path) -> None:
    """Put everything together in this folder, which stands for /usr/lib/bitfusion."""
    for name in _PACKAGES:
        _copy(checkout.root / name, stage / name)
    for name, source in _LIBRARIES.items():
        if not (checkout.libraries / source).exists():
            raise BuildError(f"{checkout.libraries / source} is missing; build it with: ./dev build")
        _copy(checkout.libraries / source, stage / name)
    for name, content in _COMMANDS.items():
        (stage / name).parent.mkdir(parents=True, exist_ok=True)
        (stage / name).write_text(content)
        (stage / name).chmod(0o755)
    _environment(stage / "venv", _wheels(checkout, cache))


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns("__pycache__", "*.pyc", ".mypy_cache"))
    else:
        shutil.copy2(source, target, follow_symlinks=False)


def _requirements(root: Path) -> list[str]:
    groups = tomllib.loads((root / "pyproject.toml").read_text())["dependency-groups"]
    chosen = [line for group in _GROUPS for line in groups[group]]
    return sorted({*chosen, *(line for line in groups["appliance"] if line.startswith(_MORE))})


def update_lock(checkout: Checkout) -> None:
    """Take today's wheels that fulfil the requirements, with all that they require themselves."""
    report = run(*_pip("--dry-run", "--ignore-installed", "--report=-", *_requirements(checkout.root)))
    rows = [(row["metadata"], row["download_info"]["archive_info"]["hashes"]["sha256"]) for row in json.loads(report)["install"]]
    checkout.lock.write_text("".join(sorted(f"{_normal(data['name'])} {data['version']} {digest}\n" for data, digest in rows)))


def uncovered(checkout: Checkout) -> list[str]:
    """Requirements that the lock does not fulfil."""
    locked = {"==".join(line.split()[:2]) for line in checkout.lock.read_text().splitlines()}
    return [line for line in _requirements(checkout.root) if _normal(line) not in locked]


def _normal(name: str) -> str:
    """As package indexes compare names; versions keep their dots."""
    name, *version = re.sub(r"\[.*?\]", "", name).split("==")
    return "==".join((re.sub(r"[-_.]+", "-", name).lower(), *version))


def _wheels(checkout: Checkout, cache: Path) -> Path:
    """Installed once for each lock; wheels for the appliance's Python, whatever runs here."""
    if missing := uncovered(checkout):
        raise BuildError(f"{checkout.lock.name} lacks {', '.join(missing)}; take what is missing with: ./dev ova --update-lock wheels")
    locked = checkout.lock.read_text()
    target = cache / ("wheels-" + hashlib.sha256(json.dumps([locked, _PLATFORMS]).encode()).hexdigest()[:16])
    if not target.exists():
        partial, chosen = cache / "wheels.partial", cache / "wheels.txt"
        shutil.rmtree(partial, ignore_errors=True)
        rows = (line.split() for line in locked.splitlines())
        chosen.write_text("".join(f"{name}=={version} --hash=sha256:{digest}\n" for name, version, digest in rows))
        run(*_pip("--no-compile", "--no-deps", "--require-hashes", "--target", str(partial), "-r", str(chosen)))
        partial.replace(target)
    return target


def _pip(*arguments: str) -> list[str]:
    platform = ["--python-version", PYTHON, "--implementation", "cp", "--only-binary=:all:", *(f"--platform={name}" for name in _PLATFORMS)]
    quiet = ["--quiet", "--disable-pip-version-check", "--no-input"]
    return [sys.executable, "-m", "pip", "install", *quiet, *platform, *arguments]


def _environment(venv: Path, wheels: Path) -> None:
    """A virtual environment by hand: a link to the distribution's Python, and what is importable."""
    packages = venv / "lib" / f"python{PYTHON}" / "site-packages"
    shutil.copytree(wheels, packages, ignore=shutil.ignore_patterns("__pycache__", "bin"))
    (packages / "bitfusion.pth").write_text("".join(f"{FOLDER}/{name}\n" for name in ("", "core", "client_pkg", "server", "appliance")))
    (venv / "bin").mkdir()
    (venv / "bin" / "python").symlink_to(f"/usr/bin/python{PYTHON}")
    (venv / "pyvenv.cfg").write_text(f"home = /usr/bin\ninclude-system-site-packages = false\nversion = {PYTHON}\n")


def _compile(stage: Path) -> None:
    """Byte code that is valid whatever the time stamps: services cannot write it later. Another Python's would be of no use."""
    if f"{sys.version_info.major}.{sys.version_info.minor}" == PYTHON:
        where = ["-s", str(stage), "-p", FOLDER, "--invalidation-mode", "unchecked-hash"]
        run(sys.executable, "-m", "compileall", "-q", "-j", "2", *where, str(stage), environment={"PYTHONHASHSEED": "0"})


def _pack(stage: Path, target: Path, moment: int) -> None:
    with tarfile.open(target, "w", format=tarfile.GNU_FORMAT) as out:
        for path in sorted(stage.rglob("*")):
            row = out.gettarinfo(str(path), str(path.relative_to(stage)))
            row.uid = row.gid = 0
            row.uname = row.gname = "root"
            row.mtime = moment
            row.mode = 0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644
            if row.isreg():
                with path.open("rb") as content:
                    out.addfile(row, content)
            else:
                out.addfile(row)
    shutil.rmtree(stage)
