"""What workers may do: each session has a user id of its own, and nothing that a worker starts gains privileges."""

from __future__ import annotations

import asyncio
import ctypes
import errno
import os
import socket
import sys

_PR_SET_NO_NEW_PRIVS = 38
_LARGEST_UID = 2**32 - 2


def parse_uids(text: str) -> range:
    """`FIRST-LAST`, or one id."""
    first, _, last = text.partition("-")
    uids = range(int(first), int(last or first) + 1)
    if not uids or not 0 < uids[0] <= uids[-1] <= _LARGEST_UID:
        raise ValueError(f"{text!r} is no range of unprivileged user ids")
    return uids


def renounce() -> None:
    """Neither this process nor any that it starts gains privileges by running a program, set-user-id or not."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "cannot renounce new privileges")


def require_root_for(uids: range) -> None:
    """Only root can start a process as somebody else."""
    if uids and os.geteuid():
        raise ValueError("--worker-uids needs root; leave it out to run the workers as this user")


async def end_processes_of(uid: int) -> None:
    """Kill whatever runs as this user: `kill(-1)` reaches all of them at once, and nobody else's."""
    killer = await asyncio.create_subprocess_exec(
        sys.executable, "-ISc", "import os; os.kill(-1, 9)", user=uid, group=uid, extra_groups=(), stderr=asyncio.subprocess.DEVNULL
    )
    await killer.wait()  # it fails when there was nothing to kill


class UserIds:
    """The ids that are not in use, neither here nor by another dispatcher of this machine; one that comes back is the last to be given out again."""

    def __init__(self, uids: range) -> None:
        self._enabled = bool(uids)
        self._free = list(uids)
        self._claims: dict[int, socket.socket] = {}

    def take(self) -> int | None:
        """An id nobody has; None: workers run as we do. Raises LookupError when all are taken."""
        if not self._enabled:
            return None
        for uid in self._free:
            claim = _claim(uid)
            if claim is not None:
                self._free.remove(uid)
                self._claims[uid] = claim
                return uid
        raise LookupError("no user id is left for the session's workers; widen dispatcher.worker_uids")

    def give_back(self, uid: int | None) -> None:
        """Its last process is gone."""
        if uid is not None:
            self._claims.pop(uid).close()
            self._free.append(uid)


def _claim(uid: int) -> socket.socket | None:
    """Keep other dispatchers from an id, since who ends a session kills all that runs as its user; None: another has it.

    A name that only one socket of the machine can have, and that is gone with its process (unix(7), abstract sockets).
    """
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        claim.bind(f"\0bitfusion-worker-uid-{uid}")
    except OSError as error:
        claim.close()
        if error.errno != errno.EADDRINUSE:
            raise
        return None
    return claim
