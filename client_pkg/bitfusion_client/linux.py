"""The two system calls that Python's standard library lacks."""

from __future__ import annotations

import ctypes
import os
import signal
import struct
from collections.abc import Iterable
from typing import NamedTuple

_PR_SET_PDEATHSIG = 1
_SFD_FLAGS = os.O_CLOEXEC | os.O_NONBLOCK  # SFD_CLOEXEC and SFD_NONBLOCK are defined as these.
_SIGINFO_BYTES = 128
_SIGINFO_HEAD = struct.Struct("=IiiI")  # struct signalfd_siginfo: signo, errno, code, pid

_libc = ctypes.CDLL(None, use_errno=True)


class SignalInfo(NamedTuple):
    """A signal that has arrived, and who sent it."""

    signum: int
    code: int
    pid: int

    @property
    def from_process(self) -> bool:
        """Sent by kill() and the like; the terminal and timers send as the kernel (positive codes)."""
        return self.code <= 0


def die_with_parent() -> None:
    """Be killed when the thread that forked us ends (see prctl(2), PR_SET_PDEATHSIG)."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def signal_descriptor(signals: Iterable[int]) -> int:
    """A descriptor on which these (blocked) signals are read."""
    mask = bytearray(_SIGINFO_BYTES)  # sigset_t is 1024 bits.
    for signum in signals:
        mask[(signum - 1) // 8] |= 1 << ((signum - 1) % 8)
    # The system call's argument is the kernel's 64-bit set, but libc's wrapper takes a sigset_t.
    descriptor = int(_libc.signalfd(-1, (ctypes.c_char * len(mask)).from_buffer(mask), _SFD_FLAGS))
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), "signalfd")
    return descriptor


def read_signals(descriptor: int) -> list[SignalInfo]:
    """The signals that have arrived."""
    try:
        data = os.read(descriptor, 16 * _SIGINFO_BYTES)
    except BlockingIOError:
        return []
    found = []
    for offset in range(0, len(data), _SIGINFO_BYTES):
        signum, _, code, pid = _SIGINFO_HEAD.unpack_from(data, offset)
        found.append(SignalInfo(signum, code, pid))
    return found
