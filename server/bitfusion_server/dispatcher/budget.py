"""The memory accounts of sessions, shared by the workers of one session (layout: native/src/worker/budget.h).

An account is an anonymous file that workers are handed as a descriptor: it has no name that a stranger could open, and nothing of it is
left when the dispatcher is gone. A worker writes its own slot; the dispatcher clears the slot of a worker that has died without doing so.
"""

from __future__ import annotations

import os
import struct

_HEADER_SIZE = 16
_SLOT_SIZE = 264
_PID = struct.Struct("<I")


class Budget:
    """One session's account, writable for `uid` (None: our own)."""

    def __init__(self, session: str, uid: int | None) -> None:
        self.descriptor = os.memfd_create(f"bitfusion-{session}")
        os.fchmod(self.descriptor, 0o600)
        if uid is not None:
            os.fchown(self.descriptor, uid, uid)

    def clear(self, pid: int) -> None:
        """Give back what a worker that has ended still held.

        The workers' lock is not taken: it is theirs, and a rogue could keep it. The bytes go first, so that nobody claims a slot that is
        still being cleared.
        """
        data = os.pread(self.descriptor, os.fstat(self.descriptor).st_size, 0)
        for offset in range(_HEADER_SIZE, len(data) - _SLOT_SIZE + 1, _SLOT_SIZE):
            if _PID.unpack_from(data, offset)[0] == pid:
                os.pwrite(self.descriptor, bytes(_SLOT_SIZE - _PID.size), offset + _PID.size)
                os.pwrite(self.descriptor, bytes(_PID.size), offset)

    def close(self) -> None:
        """After the last worker."""
        os.close(self.descriptor)
