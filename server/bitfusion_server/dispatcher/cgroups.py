"""A control group (cgroups(7), version 2) for the workers of each session.

What a session's workers start stays in the group and ends with it, and sessions share the processors evenly, however many processes each
has. This needs a part of the tree that is ours: systemd hands one over for `Delegate=`. Elsewhere workers are in the dispatcher's group.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

import structlog

_log = structlog.get_logger(__name__)

_CONTROLLERS = ("cpu", "memory", "pids")
_DISPATCHER = "dispatcher"
_SESSION = "session-"
# Threads count. Far above what a session's workers need, and far below what the machine has: who forks without end stops here.
_MOST_TASKS = 32768
_EMPTY_WITHIN_S = 5.0


class Group:
    """One directory of the tree; the kernel's files are read and written here only."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def child(self, name: str) -> Group:
        """A group below this one, whether it exists or not."""
        return type(self)(self.path / name)

    def children(self) -> Iterator[Group]:
        """The groups below this one."""
        return (self.child(path.name) for path in self.path.iterdir() if path.is_dir())

    def is_delegated(self) -> bool:
        """systemd marks what it hands over (systemd.resource-control(5), `Delegate=`)."""
        try:
            return os.getxattr(self.path, "user.delegate") == b"1"
        except OSError:  # not marked, or marks are unknown here
            return False

    def has(self, file: str) -> bool:
        """Does the kernel offer this here?"""
        return (self.path / file).exists()

    def read(self, file: str) -> str:
        """A file's text."""
        return (self.path / file).read_text()

    def write(self, file: str, text: str) -> None:
        """One request to the kernel."""
        (self.path / file).write_text(text)

    def make(self) -> None:
        """Create it, unless it exists."""
        self.path.mkdir(exist_ok=True)

    def remove(self) -> None:
        """Only an empty group can be removed; its files go with it."""
        self.path.rmdir()

    def wait_until_empty(self, seconds: float) -> bool:
        """True once no process is left in it; the kernel tells of every change of the file."""
        until = time.monotonic() + seconds
        with (self.path / "cgroup.events").open("rb", buffering=0) as events:
            changes = select.poll()
            changes.register(events, select.POLLPRI)
            while b"populated 0" not in os.pread(events.fileno(), 4096, 0):
                if not changes.poll(max(0.0, until - time.monotonic()) * 1000):
                    return False
        return True


class NoGroups:
    """Workers stay where the dispatcher is."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def __str__(self) -> str:
        """For the log."""
        return f"none: {self._reason}"

    async def add(self, session: str, pid: int) -> None:
        """There is nothing to put it into."""

    async def end(self, session: str) -> None:
        """There is nothing to end."""


class SessionGroups:
    """The sessions' groups below one that is ours. The kernel may take its time, so a thread waits for it."""

    def __init__(self, root: Group) -> None:
        self._root = root
        # One thread, first come, first served: a process that is being put into a group is in it before the group is ended.
        self._line = ThreadPoolExecutor(1, "cgroups")

    def __str__(self) -> str:
        """For the log."""
        return str(self._root.path)

    async def add(self, session: str, pid: int) -> None:
        """Put a process into its session's group, which is made for the first of them."""
        await self._in_line(lambda: _add(self._group(session), pid))

    async def end(self, session: str) -> None:
        """Kill what is in it and remove it."""
        group = self._group(session)
        await self._in_line(lambda: _kill(group))
        await asyncio.to_thread(_dissolve, group)

    def _group(self, session: str) -> Group:
        return self._root.child(_SESSION + session)

    async def _in_line(self, task: Callable[[], None]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._line, task)


Groups = SessionGroups | NoGroups


def open_groups() -> Groups:
    """Take over the group this process was started in, if it was handed over; once, before the first worker."""
    path = own_path(*(Path("/proc/self", file).read_text(errors="surrogateescape") for file in ("cgroup", "mountinfo")))
    if path is None:
        return NoGroups("control groups of version 2 are not mounted")
    root = Group(path)
    if not root.is_delegated():
        return NoGroups(f"{path} is not delegated")
    try:
        if root.read("cgroup.procs").split() != [str(os.getpid())]:
            return NoGroups(f"{path} has other processes, too")
        return take_over(root)
    except OSError as error:
        return NoGroups(f"{path} cannot be used: {error}")


def own_path(membership: str, mounts: str) -> Path | None:
    """Where this process's group is, from /proc/self/cgroup and /proc/self/mountinfo; None: nowhere to be seen."""
    group = next((PurePosixPath(line[3:]) for line in membership.splitlines() if line.startswith("0::/")), None)
    for line in mounts.splitlines():
        fields = line.split()
        if group is not None and fields[fields.index("-") + 1] == "cgroup2" and group.is_relative_to(fields[3]):
            return Path(fields[4]) / group.relative_to(fields[3])
    return None


def take_over(root: Group) -> SessionGroups:
    """Move this process into a leaf, since a group whose controllers reach down may hold no processes itself; end what an earlier one left."""
    leaf = root.child(_DISPATCHER)
    leaf.make()
    if not leaf.has("cgroup.kill"):
        raise OSError("the kernel has no cgroup.kill (Linux 5.14 has)")
    leaf.write("cgroup.procs", "0")
    offered = root.read("cgroup.controllers").split()
    for controller in _CONTROLLERS:
        if controller in offered:
            root.write("cgroup.subtree_control", f"+{controller}")
    for group in root.children():
        if group.path.name.startswith(_SESSION):
            _log.warning("session of an earlier dispatcher ended", group=group.path.name)
            _kill(group)
            _dissolve(group)
    return SessionGroups(root)


def _add(group: Group, pid: int) -> None:
    group.make()
    if group.has("pids.max"):
        group.write("pids.max", str(_MOST_TASKS))
    with contextlib.suppress(ProcessLookupError):  # it has ended already, which others notice
        group.write("cgroup.procs", str(pid))


def _kill(group: Group) -> None:
    with contextlib.suppress(FileNotFoundError):  # it never had a process
        group.write("cgroup.kill", "1")


def _dissolve(group: Group) -> None:
    """What cannot be removed now is removed when the next dispatcher starts."""
    try:
        if not group.wait_until_empty(_EMPTY_WITHIN_S):
            _log.warning("processes of a session do not end", group=group.path.name, pids=group.read("cgroup.procs").split())
            return
        group.remove()
    except FileNotFoundError:  # it never had a process
        return
    except OSError as error:
        _log.warning("a session's control group cannot be removed", group=group.path.name, reason=str(error))
