"""The command under the oldest and the newest Python that packages meet; whole distributions are in tests/packaging."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from tests.client.conftest import REPOSITORY, Cli

START = "import sys; sys.path += {!r}; from bitfusion_client.__main__ import leave, start; leave(start())"
FOLDERS = [str(REPOSITORY / "client_pkg"), str(REPOSITORY / "core"), str(Path(click.__file__).parents[1])]


def interpreter(version: str) -> str | None:
    """This Python on PATH, or beside ours in pyenv's folder."""
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    places = [shutil.which(f"python{version}"), *map(str, sorted(root.glob(f"versions/{version}.*/bin/python3")))]
    for path in filter(None, places):
        told = subprocess.run([path, "-c", "import sys, ssl; print(sys.version)"], check=False, capture_output=True, text=True)
        if told.stdout.startswith(f"{version}."):
            return path
    return None


@pytest.mark.parametrize("version", ["3.9", "3.11", "3.13"])
def test_whole_chain(cli: Cli, version: str) -> None:
    """Version, list, run, reserve, use, release, and a failure, without a warning of Python's."""
    python = sys.executable if version == f"{sys.version_info.major}.{sys.version_info.minor}" else interpreter(version)
    if python is None:
        pytest.skip(f"this machine has no Python {version}; put python{version} on PATH, or run tests/packaging")
    cli.program = (python, "-I", "-S", "-W", "error", "-c", START.format(FOLDERS))

    assert cli.run("--version").stdout.startswith("Bitfusion version: ")
    assert "free memory" in cli.run("list_gpus").stdout
    assert cli.run("run", "-n", "1", "--", "sh", "-c", "exit 6").returncode == 6
    assert cli.run("request_gpus", "-n", "1", "-p", "0.5").returncode == 0
    assert cli.run("client", "--", "sh", "-c", "exit 7").returncode == 7
    released = cli.run("release_gpus")
    assert (released.returncode, len(list(cli.allocations.iterdir()))) == (0, 0)
    failed = cli.run("list_gpu")
    assert (failed.returncode, "Did you mean 'list_gpus'?" in failed.stderr) == (2, True)
    assert not re.search("Warning|Traceback", released.stderr + failed.stderr)
