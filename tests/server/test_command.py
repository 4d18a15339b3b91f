"""What the command line hands over to the server package."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest

from bitfusion_server.command import MODULES


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """`bitfusion-server ARGUMENT...`."""
    return subprocess.run([sys.executable, "-m", "bitfusion_server.command", *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", MODULES)
def test_every_row_has_its_module(name: str) -> None:
    """A row names something that can be run."""
    assert find_spec(MODULES[name]) is not None


def test_arguments_reach_the_module() -> None:
    """`--help` is the module's own."""
    result = run("manager", "--help")

    assert result.returncode == 0
    assert "--listen" in result.stdout


def test_unknown_command() -> None:
    """A command without a row says so as a usage error."""
    result = run("nothing")

    assert result.returncode == 2
    assert "not available" in result.stderr
