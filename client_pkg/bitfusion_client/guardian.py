"""A process that outlives `bitfusion run` by a moment: when the launcher is killed, it kills what the launcher started.

The kernel already kills the application itself with its parent (PR_SET_PDEATHSIG). The guardian finds the rest, also what has left the
process group or was started twice over, by the launch id in its environment, and removes the allocation file.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

LAUNCH_VARIABLE = "BITFUSION_LAUNCH"
# Each round kills everything that is there; more than one is needed only when something forks meanwhile.
_ROUNDS = 100
_ALL_WELL = b"."


class Guardian:
    """The launcher's end."""

    def __init__(self, launch: str, allocation: Path | None) -> None:
        reader, self._writer = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._writer)
            _run(reader, launch, allocation)
        os.close(reader)

    def dismiss(self) -> None:
        """All ended well: the guardian goes without doing anything."""
        try:
            os.write(self._writer, _ALL_WELL)
        except BrokenPipeError:
            pass  # It was killed; nothing is left to dismiss.
        os.close(self._writer)
        try:
            os.waitpid(self._pid, 0)
        except ChildProcessError:
            pass


def nested(launch: str) -> str:
    """The variable's value for a child: ids of all launches it is part of, so that the outermost finds every process."""
    outer = os.environ.get(LAUNCH_VARIABLE)
    return f"{outer}:{launch}" if outer else launch


def kill_launch(launch: str) -> None:
    """Kill every process of the launch."""
    for _ in range(_ROUNDS):
        found = list(_processes(launch))
        if not found:
            return
        for pid in found:
            _kill(pid)


def _run(reader: int, launch: str, allocation: Path | None) -> None:
    """Body of the guardian; never returns, and does nothing that the launcher has registered to do at its exit."""
    try:
        _detach(reader)
        if os.read(0, 1) != _ALL_WELL:
            kill_launch(launch)
            if allocation is not None:
                allocation.unlink()
    finally:
        os._exit(0)


def _detach(reader: int) -> None:
    """Own session, and no descriptor but the pipe: a pipe of the application must not stay open because of us."""
    os.setsid()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signal.valid_signals())
    os.dup2(reader, 0)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 1)
    os.dup2(null, 2)
    for descriptor in _open_descriptors():
        if descriptor > 2:
            _close(descriptor)
    os.chdir("/")


def _open_descriptors() -> list[int]:
    """Those there are: the limit may be a thousand million, or have been lowered below a number in use."""
    return [int(name) for name in os.listdir("/proc/self/fd")]


def _close(descriptor: int) -> None:
    try:
        os.close(descriptor)
    except OSError:
        pass  # The one through which the list was read.


def _processes(launch: str) -> Iterator[int]:
    wanted = launch.encode()
    prefix = LAUNCH_VARIABLE.encode() + b"="
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            with open(f"/proc/{name}/environ", "rb") as file:
                variables = file.read().split(b"\0")
        except OSError:
            continue  # Another user's, or gone.
        if any(entry.startswith(prefix) and wanted in entry[len(prefix) :].split(b":") for entry in variables):
            yield int(name)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
