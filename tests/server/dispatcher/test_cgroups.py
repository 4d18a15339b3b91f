"""Each session has a control group: taken over at start, filled by its workers, gone with it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from bitfusion_server.dispatcher import cgroups
from bitfusion_server.dispatcher.cgroups import Group, NoGroups, SessionGroups, own_path, take_over
from bitfusion_server.dispatcher.workers import Worker, WorkerFailed
from tests.server.dispatcher.conftest import DEADLINE_S, Dispatcher, started_in
from tests.server.dispatcher.test_sessions import start_client

_UNIFIED = "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
_HYBRID = "31 24 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
_PART = "30 24 0:26 /docker/abc /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"


class Fake(Group):
    """A group on an ordinary file system; does what the kernel would do about the files that matter here."""

    def make(self) -> None:
        """With its files."""
        super().make()
        for file, text in (("cgroup.procs", ""), ("cgroup.kill", ""), ("cgroup.events", "populated 0\n")):
            if not self.has(file):
                (self.path / file).write_text(text)
        parent = Group(self.path.parent)
        if parent.has("cgroup.subtree_control") and "pids" in parent.read("cgroup.subtree_control"):
            (self.path / "pids.max").write_text("max")

    def write(self, file: str, text: str) -> None:
        """Lists grow, and killing empties a group."""
        if not self.has(file):
            raise FileNotFoundError(file)
        if file in {"cgroup.procs", "cgroup.subtree_control"}:
            text = f"{self.read(file)}{text}\n"
        if file == "cgroup.kill":
            super().write("cgroup.procs", "")
            super().write("cgroup.events", "populated 0\n")
        super().write(file, text)

    def remove(self) -> None:
        """Not while somebody is in it."""
        if self.read("cgroup.procs"):
            raise OSError("busy")
        shutil.rmtree(self.path)


@pytest.fixture
def root(tmp_path: Path) -> Fake:
    """A group that was handed over."""
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    (tmp_path / "cgroup.subtree_control").write_text("")
    return Fake(tmp_path)


@pytest.mark.parametrize(
    "membership, mounts, path",
    [
        ("0::/a.slice/b.service\n", _UNIFIED, "/sys/fs/cgroup/a.slice/b.service"),
        ("4:memory:/x\n0::/b.service\n", _HYBRID, "/sys/fs/cgroup/unified/b.service"),
        ("0::/docker/abc/b.service\n", _PART, "/sys/fs/cgroup/b.service"),
        ("0::/other\n", _PART, None),
        ("4:memory:/x\n", _HYBRID, None),
        ("0::/b.service\n", "", None),
    ],
)
def test_where_our_group_is(membership: str, mounts: str, path: str | None) -> None:
    """Found on unified and hybrid hierarchies and below a part of one; nowhere without version 2."""
    assert own_path(membership, mounts) == (Path(path) if path else None)


def test_taking_over(root: Fake) -> None:
    """The dispatcher leaves for a leaf, controllers reach down, what an earlier dispatcher left ends, and nothing else does."""
    for name in ("session-old", "other"):
        root.child(name).make()
        root.child(name).write("cgroup.procs", "77")

    take_over(root)

    assert root.child("dispatcher").read("cgroup.procs") == "0\n"
    assert root.read("cgroup.subtree_control").split() == ["+cpu", "+memory", "+pids"]
    assert {group.path.name for group in root.children()} == {"dispatcher", "other"}


def test_a_session_s_group(root: Fake) -> None:
    """All workers of a session are in one group with a limit of tasks; nothing is left of it, also if it never was."""

    groups = take_over(root)
    for session, pid in (("a", 1), ("a", 2), ("b", 3)):
        asyncio.run(groups.add(session, pid))
    group = root.child("session-a")
    assert (group.read("cgroup.procs").split(), group.read("pids.max")) == (["1", "2"], "32768")

    for session in ("a", "b", "c"):
        asyncio.run(groups.end(session))
    assert [group.path.name for group in root.children()] == ["dispatcher"]


def test_processes_that_do_not_end(root: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    """The session ends all the same; the group stays for the next dispatcher."""
    monkeypatch.setattr(cgroups, "_EMPTY_WITHIN_S", 0.01)
    monkeypatch.setattr(Fake, "write", Group.write)

    groups = SessionGroups(root)
    asyncio.run(groups.add("a", 1))
    root.child("session-a").write("cgroup.events", "populated 1\n")
    asyncio.run(groups.end("a"))
    assert root.child("session-a").read("cgroup.kill") == "1"


def test_old_kernel(root: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without cgroup.kill nothing is moved."""
    monkeypatch.setattr(Fake, "make", Group.make)
    with pytest.raises(OSError, match=r"cgroup\.kill"):
        take_over(root)
    assert not root.child("dispatcher").has("cgroup.procs")


def test_worker_that_cannot_be_placed_is_ended() -> None:
    """It never serves outside of its session's group, and the reason is said."""
    ended: list[str] = []

    async def refuse(_pid: int) -> None:
        raise PermissionError("not here")

    async def start() -> None:
        worker = Worker(b"p" * 16, lambda *_: None, lambda worker: ended.append(worker.reason))
        with pytest.raises(WorkerFailed, match="control group: not here"):
            await worker.start({"gpus": []}, None, refuse)

    asyncio.run(start())
    assert len(ended) == 1
    assert "not here" in ended[0]


def test_where_nothing_is_handed_over() -> None:
    """This process is in a group with others, and stays there."""
    before = Path("/proc/self/cgroup").read_text()
    with subprocess.Popen(["sleep", "1000"]) as other:
        assert isinstance(cgroups.open_groups(), NoGroups)
        other.kill()
    assert Path("/proc/self/cgroup").read_text() == before


# What follows is the kernel's.


@pytest.fixture
def delegated() -> Iterator[Path]:
    """A group of our own, marked as systemd marks those that it hands over."""
    mounts = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    mount = next((Path(fields[4]) for fields in mounts if fields[fields.index("-") + 1] == "cgroup2"), None)
    if mount is None:
        pytest.skip("control groups of version 2 are not mounted")
    group = mount / f"bitfusion-test-{uuid.uuid4()}"
    try:
        group.mkdir()
        os.setxattr(group, "user.delegate", b"1")
    except OSError as error:
        with contextlib.suppress(OSError):
            group.rmdir()
        pytest.skip(f"{group} cannot be made: {error}")
    try:
        if not (group / "cgroup.kill").exists():
            pytest.skip("the kernel has no cgroup.kill")
        entering = subprocess.run(started_in(group, "true"), check=False, capture_output=True, text=True)
        if entering.returncode:
            pytest.skip(f"{group} cannot be entered: {entering.stderr}")
        yield group
    finally:
        _remove(group)


def _remove(group: Path) -> None:
    if (group / "cgroup.kill").exists():
        (group / "cgroup.kill").write_text("1")
        assert Group(group).wait_until_empty(DEADLINE_S)
    for path in sorted(group.glob("**/"), reverse=True):
        path.rmdir()


def _members(group: Path) -> list[int]:
    return [int(pid) for pid in (group / "cgroup.procs").read_text().split()]


def test_what_was_left_behind_ends_with_its_group(delegated: Path) -> None:
    """A process that outlives its parent, in a process group of its own and deaf to signals, is gone when the session has ended."""
    script = "trap '' TERM HUP; setsid sh -c 'trap \"\" TERM HUP; echo $$; exec sleep 1000' & read go; wait"
    with subprocess.Popen(["sh", "-c", f"read go; {script}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdin
        assert worker.stdout

        groups = SessionGroups(Group(delegated))
        asyncio.run(groups.add("a", worker.pid))
        worker.stdin.write("go\n")
        worker.stdin.flush()
        orphan = int(worker.stdout.readline())
        worker.kill()
        assert orphan in _members(delegated / "session-a")
        asyncio.run(groups.end("a"))
    assert not (delegated / "session-a").exists()
    with contextlib.suppress(FileNotFoundError):  # whoever adopted it may not have buried it yet
        assert "Z" in Path(f"/proc/{orphan}/stat").read_text().rpartition(")")[2].split()[0]


def test_a_worker_that_has_gone_is_no_error(delegated: Path) -> None:
    """Its own end says more."""
    gone = subprocess.Popen(["true"])
    gone.wait()
    groups = SessionGroups(Group(delegated))
    asyncio.run(groups.add("a", gone.pid))
    asyncio.run(groups.end("a"))
    assert not (delegated / "session-a").exists()


def test_a_process_takes_its_group_over(delegated: Path) -> None:
    """Started alone in a marked group it moves to a leaf and ends what another has left."""
    (delegated / "session-old").mkdir()
    with subprocess.Popen(["sleep", "1000"]) as old, contextlib.ExitStack() as undo:
        undo.callback(old.kill)
        (delegated / "session-old/cgroup.procs").write_text(str(old.pid))
        code = "from bitfusion_server.dispatcher import cgroups; print(cgroups.open_groups(), open('/proc/self/cgroup').read())"
        said = subprocess.run(
            started_in(delegated, sys.executable, "-c", code), check=True, capture_output=True, text=True, timeout=DEADLINE_S
        )
        assert old.wait(DEADLINE_S) == -signal.SIGKILL
    assert f"{delegated} " in said.stdout
    assert f"/{delegated.name}/dispatcher" in said.stdout
    assert not (delegated / "session-old").exists()


@pytest.fixture
def control_group(delegated: Path) -> Path:
    """Dispatchers of these tests are started in it."""
    return delegated


def test_worker_is_in_its_session_s_group(delegated: Path, dispatcher: Dispatcher, tmp_path: Path) -> None:
    """Dispatcher and workers are apart, and a revoke leaves no group."""
    session = dispatcher.admit()
    group = delegated / f"session-{session['session']}"
    with start_client(dispatcher, session, tmp_path, "wait") as process:
        assert process.stdout
        assert process.stdout.readline() == "ok\n"
        assert _members(group) == [dispatcher.event("worker_started")["pid"]]
        assert _members(delegated / "dispatcher") == [dispatcher.process.pid]
        assert dispatcher.call("revoke", session=session["session"])["ok"]
        process.wait(DEADLINE_S)
    assert not group.exists()
