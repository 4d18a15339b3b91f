"""Builds the native half with CMake and ninja, and writes the `bitfusion` command of this checkout."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

from tools import environment
from tools.layout import BUILD, CLI, LIB, PYTHON, ROOT, VENV, ToolError, cuda_toolkit, locked, say, site_packages


def build(*targets: str) -> None:
    """Bring these targets (default: everything) up to date."""
    environment.ensure("build", "server")
    with locked("build"):
        _configure()
        _run([str(VENV / "bin" / "ninja"), "-C", str(BUILD), *targets])
        write_command()


def write_command() -> None:
    """The command line of this checkout, started as the packages start it: isolated, and without looking through site-packages."""
    folders = [str(ROOT / "client_pkg"), str(ROOT / "core"), str(site_packages())]
    start = f"import sys; sys.path += {folders!r}; from bitfusion_client.__main__ import leave, start; leave(start())"
    deliver = f"import sys; sys.path += {folders!r}; from bitfusion_client.delivered import main; sys.exit(main('nvidia-smi'))"
    python = f"exec {shlex.quote(str(PYTHON))} -I -S -c"
    libraries = shlex.quote(str(LIB / "client"))
    _write_script(CLI, f'export BITFUSION_LIB_DIR=${{BITFUSION_LIB_DIR:-{libraries}}}\n{python} {shlex.quote(start)} "$@"')
    _write_script(LIB / "bin" / "nvidia-smi", f'{python} {shlex.quote(deliver)} "$@"')
    _write_script(CLI.with_name("bitfusion-server"), f'exec {shlex.quote(str(PYTHON))} -I -m bitfusion_server.command "$@"')


def _write_script(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def _configure() -> None:
    # A component's CMakeLists.txt that is new would not be noticed by ninja alone.
    newest = max(path.stat().st_mtime for path in (ROOT / "native").rglob("CMakeLists.txt"))
    ninja_file = BUILD / "build.ninja"
    if ninja_file.exists() and ninja_file.stat().st_mtime >= newest:
        return
    command = [str(VENV / "bin" / "cmake"), "-S", "native", "-B", str(BUILD), "-G", "Ninja"]
    definitions = {
        "CMAKE_MAKE_PROGRAM": VENV / "bin" / "ninja",
        "CMAKE_TOOLCHAIN_FILE": ROOT / "native" / "cmake" / "zig.cmake",
        "BITFUSION_CUDA_INCLUDE": cuda_toolkit() / "include",
        "BITFUSION_PYTHON": PYTHON,
        # CMake's own probes link nothing, so that zig builds its C++ library beside ours and not before.
        "CMAKE_TRY_COMPILE_TARGET_TYPE": "STATIC_LIBRARY",
    }
    _run([*command, *(f"-D{name}={value}" for name, value in definitions.items())])


def _run(command: list[str]) -> None:
    environment = {**os.environ, "BITFUSION_PYTHON": str(PYTHON)}
    if subprocess.run(command, check=False, cwd=ROOT, env=environment, stdout=sys.stderr).returncode:
        raise ToolError(f"the build failed (see above); the failing step was: {shlex.join(command)}")


if __name__ == "__main__":
    try:
        build(*sys.argv[1:])
    except ToolError as error:
        say(str(error))
        sys.exit(1)
