"""Workers of a dispatcher that runs as root: one unprivileged user id per session."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from bitfusion_server.dispatcher.privileges import UserIds, parse_uids
from tests.server.dispatcher.conftest import DEADLINE_S, Dispatcher
from tests.server.dispatcher.test_sessions import start_client

FIRST = 10_000_000 + 10 * os.getpid()  # nobody else's: a dispatcher beside us keeps what it has
UIDS = range(FIRST, FIRST + 3)
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can start processes as somebody else")
with_uids = pytest.mark.parametrize("dispatcher", [{"--worker-uids": f"{UIDS[0]}-{UIDS[-1]}"}], indirect=True)


def status(pid: int) -> dict[str, list[str]]:
    """/proc/PID/status as fields."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.split() for name, _, value in (line.partition(":") for line in lines)}


@as_root
@with_uids
def test_each_session_has_a_user_of_its_own(dispatcher: Dispatcher, tmp_path: Path) -> None:
    """Two sessions, two ids; no other groups, no capabilities, and no way to gain privileges."""
    seen = set()
    for _ in range(2):
        with start_client(dispatcher, dispatcher.admit(), tmp_path, "wait") as process:
            assert process.stdout
            assert process.stdout.readline() == "ok\n"
            worker = status(dispatcher.event("worker_started")["pid"])
            process.kill()
        assert worker["Uid"] == worker["Gid"]
        assert len(set(worker["Uid"])) == 1
        assert worker["Groups"] == []
        assert worker["NoNewPrivs"] == ["1"]
        assert {int(worker[name][0], 16) for name in ("CapPrm", "CapEff", "CapInh", "CapAmb")} == {0}
        seen.add(int(worker["Uid"][0]))
    assert len(seen) == 2
    assert seen <= set(UIDS)


@as_root
@with_uids
def test_what_a_worker_left_behind_ends_with_its_session(dispatcher: Dispatcher, tmp_path: Path) -> None:
    """A process that a worker started and abandoned is gone when the revoke is answered."""
    session = dispatcher.admit()
    with start_client(dispatcher, session, tmp_path, "wait") as process:
        assert process.stdout
        assert process.stdout.readline() == "ok\n"
        uid = int(status(dispatcher.event("worker_started")["pid"])["Uid"][0])
        left = subprocess.Popen(["sleep", "1000"], user=uid, group=uid, extra_groups=(), start_new_session=True)
        assert dispatcher.call("revoke", session=session["session"])["ok"]
        assert left.wait(DEADLINE_S) == -signal.SIGKILL


@as_root
@with_uids
def test_as_many_sessions_as_user_ids(dispatcher: Dispatcher) -> None:
    """One more is refused with what to do; an id that has come back is given out again."""
    sessions = [dispatcher.admit() for _ in UIDS]
    refused = dispatcher.call("admit", **{**sessions[0], "session": "0f8fad5b-d9cb-469f-a165-70867728950e"})
    assert "dispatcher.worker_uids" in refused["error"]
    assert dispatcher.call("revoke", session=sessions[0]["session"])["ok"]
    dispatcher.admit()


@pytest.mark.parametrize("text", ["", "x", "0-5", "7-6", "-3", "1-9999999999"])
def test_range_that_makes_no_sense(text: str) -> None:
    """Neither root nor an empty range is taken."""
    with pytest.raises(ValueError, match=r".+"):
        parse_uids(text)


def test_without_a_range_workers_run_as_we_do() -> None:
    """No id is taken, however many sessions there are."""
    uids = UserIds(range(0))
    assert [uids.take() for _ in range(3)] == [None] * 3
    uids.give_back(None)
    assert list(parse_uids("70000")) == [70000]


def test_two_dispatchers_of_a_machine_share_no_id() -> None:
    """What one has taken the other does not give out, until it comes back."""
    one, other = UserIds(UIDS), UserIds(UIDS)
    taken = [one.take(), other.take(), one.take()]

    assert sorted(uid for uid in taken if uid is not None) == list(UIDS)
    with pytest.raises(LookupError):
        other.take()
    one.give_back(taken[0])
    assert other.take() == taken[0]
    one.give_back(taken[2])
    for uid in taken[:2]:
        other.give_back(uid)
