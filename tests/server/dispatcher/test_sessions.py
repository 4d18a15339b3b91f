"""Workers: started for admitted clients, ended with their session, their memory given back."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bitfusion_core.hello import AnswerCode
from bitfusion_server.dispatcher.budget import Budget
from tests.server.dispatcher.conftest import DEADLINE_S, Dispatcher, built


def run_client(dispatcher: Dispatcher, session: dict[str, Any], tmp_path: Path) -> str:
    """Run a client to its end; what it printed."""
    with start_client(dispatcher, session, tmp_path) as process:
        return process.communicate(timeout=DEADLINE_S)[0]


def start_client(dispatcher: Dispatcher, session: dict[str, Any], tmp_path: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start a client; with "wait" it stays until its session ends."""
    built("libbitfusion_test_worker.so")
    allocation = dispatcher.allocation(session, tmp_path / "allocation")
    command = [str(built("bitfusion_pipe_client")), str(allocation), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


@pytest.mark.parametrize("tls", [True, False])
def test_client_is_served_and_its_end_ends_the_worker(dispatcher: Dispatcher, tmp_path: Path, tls: bool) -> None:
    """Command and bulk connections reach one worker; it goes with its client."""
    session = dispatcher.admit(tls=tls)
    output = run_client(dispatcher, session, tmp_path)
    assert output == "ok\n"
    started, ended = dispatcher.event("worker_started"), dispatcher.event("worker_ended")
    assert started["session"] == ended["session"] == session["session"]
    assert started["pid"] == ended["pid"]
    assert "closed" in ended["reason"]
    assert dispatcher.call("list")["sessions"][0]["workers"] == []


def test_revoke_ends_workers_and_tells_the_client_why(dispatcher: Dispatcher, tmp_path: Path) -> None:
    """The reason of the administrator reaches the application's side."""
    session = dispatcher.admit()
    with start_client(dispatcher, session, tmp_path, "wait") as process:
        assert process.stdout
        assert process.stdout.readline() == "ok\n"
        pid = dispatcher.event("worker_started")["pid"]
        assert dispatcher.call("revoke", session=session["session"], reason="taken back by the administrator")["ok"]
        assert "taken back" in process.stdout.read()
        assert process.wait(DEADLINE_S) == 5
    assert dispatcher.call("list")["sessions"] == []
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_revoke_ends_a_worker_that_hangs(dispatcher: Dispatcher, tmp_path: Path) -> None:
    """A worker that does not answer is killed."""
    session = dispatcher.admit()
    with start_client(dispatcher, session, tmp_path, "wait") as process:
        assert process.stdout
        assert process.stdout.readline() == "ok\n"
        os.kill(dispatcher.event("worker_started")["pid"], signal.SIGSTOP)
        assert dispatcher.call("revoke", session=session["session"])["ok"]
        assert process.wait(DEADLINE_S) == 5


def test_every_revoke_waits_for_the_workers(dispatcher: Dispatcher, tmp_path: Path) -> None:
    """A session that is being ended stays in the list and admits nobody; no revoke is answered before its worker is gone."""
    session = dispatcher.admit()
    with start_client(dispatcher, session, tmp_path, "wait") as process:
        assert process.stdout
        assert process.stdout.readline() == "ok\n"
        pid = dispatcher.event("worker_started")["pid"]
        os.kill(pid, signal.SIGSTOP)
        revokes = {dispatcher.send("revoke", session=session["session"]) for _ in range(2)}
        assert [entry["session"] for entry in dispatcher.call("list")["sessions"]] == [session["session"]]
        assert dispatcher.greet_as(session)[0] is AnswerCode.NOT_ADMITTED
        assert "being ended" in dispatcher.call("admit", **session)["error"]
        while revokes:
            answer = dispatcher.answer()
            assert answer["ok"]
            revokes.remove(answer["id"])
            with pytest.raises(ProcessLookupError):
                os.kill(pid, 0)
        process.wait(DEADLINE_S)
    assert dispatcher.call("list")["sessions"] == []


def test_killed_worker_is_reported(dispatcher: Dispatcher, tmp_path: Path) -> None:
    """The manager hears of a worker that died."""
    session = dispatcher.admit()
    with start_client(dispatcher, session, tmp_path, "wait") as process:
        os.kill(dispatcher.event("worker_started")["pid"], signal.SIGKILL)
        assert "-9" in dispatcher.event("worker_ended")["reason"]
        process.wait(DEADLINE_S)


@pytest.mark.parametrize("dispatcher", [{"BITFUSION_CUDA_LIBRARY": "/nonexistent/libcuda.so.1"}], indirect=True)
def test_worker_that_cannot_start_says_why(dispatcher: Dispatcher, tmp_path: Path) -> None:
    """The native library's own message reaches the client."""
    output = run_client(dispatcher, dispatcher.admit(), tmp_path)
    assert "/nonexistent/libcuda.so.1" in output
    assert dispatcher.call("list")["sessions"][0]["workers"] == []


def test_admit_again_and_revoke_unknown_are_fine(dispatcher: Dispatcher) -> None:
    """A manager that comes back may repeat itself."""
    session = dispatcher.admit()
    assert dispatcher.call("admit", **session)["ok"]
    assert dispatcher.call("revoke", session="0f8fad5b-d9cb-469f-a165-70867728950e")["ok"]
    assert len(dispatcher.call("list")["sessions"]) == 1


def test_bad_requests_get_an_answer(dispatcher: Dispatcher) -> None:
    """The control socket survives what it does not understand."""
    assert "unknown operation" in dispatcher.call("dance")["error"]
    assert "session key" in dispatcher.call("admit", session="0f8fad5b-d9cb-469f-a165-70867728950e", key="00", gpus=[])["error"]
    assert dispatcher.call("list")["ok"]


def test_budget_of_a_dead_worker_is_cleared() -> None:
    """Only the slot of the worker that died is given back."""
    budget = Budget("0f8fad5b-d9cb-469f-a165-70867728950e", None)
    slots = [struct.pack("<II32Q", pid, 0, *([7] * 32)) for pid in (11, 12)]
    os.pwrite(budget.descriptor, b"BFBUDGT1" + bytes(8) + b"".join(slots), 0)
    budget.clear(11)
    assert os.pread(budget.descriptor, 1000, 0) == b"BFBUDGT1" + bytes(8) + bytes(264) + slots[1]
    budget.close()
