"""The `./dev` verbs that start servers: demo, up, down."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.machine import slowdown
from tools import prepare
from tools.server import marked_processes

pytestmark = pytest.mark.gpu
TIMEOUT_S = 200
WARM_DEMO_S = 20.0


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A place for demo servers apart from the developer's own."""
    return {**os.environ, "BITFUSION_DEMO_DIR": str(tmp_path / "d")}


def _dev(repository: Path, environment: dict[str, str], *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [str(repository / "dev"), *arguments]
    return subprocess.run(command, check=False, cwd=cwd, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S)


def test_demo_runs_a_command_and_returns_its_code(repository: Path, environment: dict[str, str], tmp_path: Path) -> None:
    """The command starts where the caller is, its output alone is on standard output, and its exit code is returned."""
    done = _dev(repository, environment, "demo", "--", "sh", "-c", "pwd; exit 7", cwd=tmp_path)

    assert done.returncode == 7, done.stderr
    assert done.stdout == f"{tmp_path}\n"


@pytest.mark.slow
def test_demo(
    repository: Path, environment: dict[str, str], tmp_path: Path, record_testsuite_property: Callable[[str, object], None]
) -> None:
    """The tour of the README ends well, within 20 s, and says so; nothing of it is left, no process and no file."""
    prepare.demo()
    prepare.demo_program()
    prepare.real_nvidia_smi()
    temporary = tmp_path / "t"
    temporary.mkdir()
    before = _allocation_files()
    slower = slowdown()
    started = time.monotonic()
    done = _dev(repository, {**environment, "TMPDIR": str(temporary)}, "demo")
    took_s = time.monotonic() - started
    slower = (slower + slowdown()) / 2
    record_testsuite_property("demo_s", round(took_s, 1))

    assert done.returncode == 0, done.stderr
    assert took_s <= WARM_DEMO_S * slower, f"the machine is {slower:.1f} times slower than with nothing else to do"
    assert "PASSED" in done.stdout
    servers = set(re.findall(r"^Server List: (\S+)$", done.stderr, re.MULTILINE))
    assert servers
    assert not [path for path, server in _allocation_files().items() if server in servers and path not in before]
    assert not list(temporary.iterdir())
    assert not _processes_with("BITFUSION_DEMO_DIR", environment["BITFUSION_DEMO_DIR"])
    assert not list(Path(environment["BITFUSION_DEMO_DIR"]).glob("run-*"))


def _allocation_files() -> dict[Path, str]:
    """The allocation files of this machine, and whose they are."""
    found = {}
    for path in Path("/tmp").glob("bitfusion[0-9]*"):
        with contextlib.suppress(FileNotFoundError):  # another test's
            found[path] = "".join(re.findall(r"^server (\S+)", path.read_text(), re.MULTILINE))
    return found


def _processes_with(name: str, value: str) -> list[str]:
    """Processes that have this variable in their environment, as all that a verb starts have."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended
            if f"{name}={value}".encode() in (process / "environ").read_bytes().split(b"\0"):
                found.append(f"{process.name} {(process / 'cmdline').read_text()}")
    return found


def test_up_describes_the_server_and_down_ends_it(repository: Path, environment: dict[str, str]) -> None:
    """The last line of `up` is JSON that suffices to use the server; `down` leaves nothing running."""
    up = _dev(repository, environment, "up", "--gpus", "1", "--memory", "8GiB")
    assert up.returncode == 0, up.stderr
    try:
        handle = json.loads(up.stdout.splitlines()[-1])
        assert set(handle) == {"url", "data", "ca", "admin_token", "home", "cli", "pid"}
        listed = subprocess.run(
            [handle["cli"], "list_gpus"], check=False, env={**environment, "BITFUSION_HOME": handle["home"]}, capture_output=True, text=True
        )
        assert "GPU 0: free memory 8192 MiB / 8192 MiB" in listed.stdout, listed.stderr
    finally:
        down = _dev(repository, environment, "down")

    assert down.returncode == 0, down.stderr
    assert not marked_processes(Path(handle["data"]).parent)


def test_wrong_arguments_are_explained(repository: Path, environment: dict[str, str]) -> None:
    """An unknown verb, a missing `--`, no GPUs: one line that says what to write."""
    for arguments in (("frobnicate",), ("demo", "true"), ("demo", "--"), ("up", "--gpus", "0")):
        done = _dev(repository, environment, *arguments)
        assert done.returncode in (1, 2)
        assert done.stderr
        assert "Traceback" not in done.stderr
