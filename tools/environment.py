"""The private Python environment: made once; each dependency group of pyproject.toml is installed when it is first needed.

Uses the standard library only, because it runs before anything is installed. A stamp per group remembers the requirements it was installed
from, so that a later run costs nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

from tools.layout import PYTHON, ROOT, VENV, ToolError, locked, say, site_packages

IMPORT_PATH = (ROOT, ROOT / "core", ROOT / "client_pkg", ROOT / "server", ROOT / "appliance")
RUNTIME = ("build", "server", "client")
ALL = (*RUNTIME, "simgpu", "cuda", "appliance", "test", "lint")


def ensure(*groups: str) -> None:
    """Make the environment hold these groups, and our own packages importable."""
    wanted = requirements(groups)
    if stamped(wanted):
        return
    with locked("environment"):
        if not _works(PYTHON):
            _create()
        _make_our_packages_importable()
        for group, lines in wanted.items():
            if not stamped({group: lines}):
                _install(group, lines)


def requirements(groups: tuple[str, ...]) -> dict[str, list[str]]:
    """Requirement lines of each group."""
    table = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    unknown = [group for group in groups if group not in table]
    if unknown:
        raise ToolError(f"pyproject.toml has no dependency group {unknown[0]!r}; it has: {', '.join(table)}")
    return {group: table[group] for group in groups}


def stamped(wanted: dict[str, list[str]]) -> bool:
    """Whether every group was installed from exactly these lines."""
    return _works(PYTHON) and all(_read_stamp(group) == [str(ROOT), *lines] for group, lines in wanted.items())


def _works(python: Path) -> bool:
    return os.access(python, os.X_OK)


def _stamp(group: str) -> Path:
    return VENV / f".installed-{group}.json"


def _read_stamp(group: str) -> list[str] | None:
    try:
        return list(json.loads(_stamp(group).read_text()))
    except (OSError, ValueError):
        return None


def _install(group: str, lines: list[str]) -> None:
    say(f"installing {group}: {' '.join(lines)}")
    started = time.monotonic()
    command = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", *lines]
    if subprocess.run(command, check=False, stdout=sys.stderr).returncode:
        raise ToolError(f"could not install group {group!r} (see above); once the network is reachable run again: ./dev setup")
    _stamp(group).write_text(json.dumps([str(ROOT), *lines]))
    say(f"installed {group} in {time.monotonic() - started:.0f} s")


def _make_our_packages_importable() -> None:
    (site_packages() / "bitfusion.pth").write_text("".join(f"{path}\n" for path in IMPORT_PATH))


def _create() -> None:
    """Make the environment the plain way; where the distribution left parts of Python out, the next best way."""
    say(f"making a private Python environment in {VENV}")
    if _create_whole() or _create_with_outer_pip() or (_apt_installs_venv() and _create_whole()):
        return
    shutil.rmtree(VENV, ignore_errors=True)
    raise ToolError("Python lacks its venv module; install it with: sudo apt-get install python3-venv")


def _create_whole() -> bool:
    return _quietly([sys.executable, "-m", "venv", "--clear", str(VENV)])


def _create_with_outer_pip() -> bool:
    """Debian's Python without python3-venv cannot put pip into an environment, but a pip outside can."""
    bare = [sys.executable, "-m", "venv", "--clear", "--without-pip", str(VENV)]
    return _quietly(bare) and _quietly([sys.executable, "-m", "pip", "--python", str(PYTHON), "install", "--quiet", "pip"])


def _apt_installs_venv() -> bool:
    if os.geteuid() or not shutil.which("apt-get"):
        return False
    say("installing the distribution's python3-venv with apt-get")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", "python3-venv", "ca-certificates"]
    return _quietly(["apt-get", "update", "-q"], environment) and _quietly(install, environment)


def _quietly(command: list[str], environment: dict[str, str] | None = None) -> bool:
    return subprocess.run(command, check=False, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def main() -> int:
    """`python -m tools.environment [GROUP...]`."""
    parser = argparse.ArgumentParser(prog="./dev setup", description="Install what the other verbs need into a private environment.")
    parser.add_argument("groups", nargs="*", metavar="GROUP", help="dependency group of pyproject.toml (default: all)")
    ensure(*(parser.parse_args().groups or ALL))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ToolError as error:
        say(str(error))
        sys.exit(1)
