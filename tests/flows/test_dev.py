"""The `./dev` verbs that start servers: demo, up, down."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tools.server import marked_processes

pytestmark = pytest.mark.gpu
TIMEOUT_S = 200


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
