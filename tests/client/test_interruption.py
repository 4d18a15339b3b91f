"""ctrl-C at every stage of `bitfusion run`: it ends soon, with the documented code, and leaves nothing behind."""

from __future__ import annotations

import signal
import subprocess
import threading
from pathlib import Path

import pytest

from tests.client.conftest import Cli, eventually
from tests.client.fake_manager import FakeManager

BEFORE_THE_START = ("POST /claim_id", "GET /query", "POST /v1/leases")


def allocation_files(cli: Cli) -> list[Path]:
    """What the command has left."""
    return list(cli.allocations.iterdir())


def finish(process: subprocess.Popen[str]) -> str:
    """Standard error of a process that must end by itself."""
    _, errors = process.communicate(timeout=20)
    return errors


@pytest.mark.parametrize("stage", BEFORE_THE_START)
def test_before_the_application_starts(cli: Cli, manager: FakeManager, stage: str) -> None:
    """While the server is silent at any request: cancelled at once; closing the connection is what takes the request back."""
    go_on = threading.Event()
    manager.behaviour.stalled[stage] = go_on
    process = cli.start("run", "-n", "1", "--", "touch", str(cli.folder / "started"))
    method, path = stage.split()
    eventually(lambda: any(request[:2] == (method, path) for request in manager.requests), stage)

    process.send_signal(signal.SIGINT)
    errors = finish(process)
    go_on.set()

    assert "Error: cancelled by SIGINT" in errors
    assert process.returncode == 130
    assert not (cli.folder / "started").exists()
    assert allocation_files(cli) == []


def test_while_the_application_runs(cli: Cli, manager: FakeManager) -> None:
    """The signal is the application's; when that is killed by it the code is 130, and the GPUs go back."""
    process = cli.start("run", "-n", "1", "--", "sh", "-c", "echo; exec sleep 60")
    assert process.stdout is not None
    process.stdout.readline()

    process.send_signal(signal.SIGINT)
    finish(process)

    assert process.returncode == 130
    assert allocation_files(cli) == []
    assert not manager.leases


def test_while_the_gpus_are_given_back(cli: Cli, manager: FakeManager) -> None:
    """Too late to cancel anything: the clean-up is finished, and the application's own code returned."""
    go_on = threading.Event()
    manager.behaviour.stalled["DELETE /v1/leases"] = go_on
    process = cli.start("run", "-n", "1", "--", "sh", "-c", "exit 4")
    eventually(lambda: any(request[0] == "DELETE" for request in manager.requests), "the release")

    process.send_signal(signal.SIGINT)
    go_on.set()
    finish(process)

    assert process.returncode == 4
    assert allocation_files(cli) == []
    assert not manager.leases
