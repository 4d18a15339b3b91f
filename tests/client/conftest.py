"""Fixtures: a fake manager, an enabled client, and the `bitfusion` command as a real process."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest
import trustme

from tests.client.fake_manager import CLIENT_ID, FakeManager, write_home

REPOSITORY = Path(__file__).resolve().parents[2]
# Another Python with click in it, to try the client on: BITFUSION_CLI_PYTHON=…/bin/python.
COMMAND = (
    os.environ.get("BITFUSION_CLI_PYTHON", sys.executable),
    "-I",
    str(REPOSITORY / "client_pkg" / "bitfusion_client" / "__main__.py"),
)
TIMEOUT_S = 30


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """The certificate authority of the servers."""
    return trustme.CA()


@pytest.fixture
def manager(authority: trustme.CA) -> Iterator[FakeManager]:
    """A server with two free GPUs."""
    with FakeManager(authority) as server:
        yield server


class Cli:
    """The `bitfusion` command with its own configuration and environment."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.program = COMMAND
        self.folder = folder
        self.home = home
        libraries = folder / "lib"
        libraries.mkdir()
        (libraries / "libcuda.so.1").touch()
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("BITFUSION_")}
        self.environment = {**inherited, "BITFUSION_HOME": str(home), "BITFUSION_LIB_DIR": str(libraries), "HOME": str(folder)}
        self.environment.pop("LD_LIBRARY_PATH", None)
        self.libraries = libraries
        # Of this test alone: the newest allocation is nobody else's.
        self.allocations = folder / "allocations"
        self.allocations.mkdir()
        self.environment["BITFUSION_ALLOCATION_DIR"] = str(self.allocations)

    def run(self, *arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
        """Run to the end."""
        options = {"stdin": subprocess.DEVNULL, "timeout": TIMEOUT_S, "env": self.environment, **more}
        return subprocess.run([*self.program, *arguments], capture_output=True, text=True, check=False, **options)

    def start(self, *arguments: str, **more: Any) -> subprocess.Popen[str]:
        """Start and return at once."""
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen([*self.program, *arguments], text=True, **{**pipes, "env": self.environment, **more})


@pytest.fixture
def cli(tmp_path: Path, manager: FakeManager, authority: trustme.CA) -> Cli:
    """The command of a client that is enabled for the server."""
    return Cli(tmp_path, write_home(tmp_path / "home", authority, manager.address, client_id=CLIENT_ID))


def eventually(condition: Callable[[], Any], what: str, within_s: float = 10) -> Any:
    """Poll until `condition` holds; its value."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"{what} did not happen within {within_s} s")
