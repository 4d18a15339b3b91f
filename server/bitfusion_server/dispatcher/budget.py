"""The memory accounts of sessions, files shared by their workers (layout: native/src/worker/budget.h).

A worker writes its own slot; the dispatcher clears the slot of a worker that has died without doing so.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
from pathlib import Path

_HEADER_SIZE = 16
_SLOT_SIZE = 264
_PID = struct.Struct("<I")


def create(path: Path, uid: int | None) -> None:
    """An empty account, writable for the session's workers."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        if uid is not None:
            os.fchown(descriptor, uid, -1)
    finally:
        os.close(descriptor)


def clear(path: Path, pid: int) -> None:
    """Give back what a worker that has ended still held."""
    with contextlib.suppress(FileNotFoundError), path.open("r+b") as file:  # the session has ended meanwhile
        fcntl.flock(file, fcntl.LOCK_EX)
        data = file.read()
        for offset in range(_HEADER_SIZE, len(data) - _SLOT_SIZE + 1, _SLOT_SIZE):
            if _PID.unpack_from(data, offset)[0] == pid:
                file.seek(offset)
                file.write(bytes(_SLOT_SIZE))
