"""How long the event loop is held up: the longest time that one callback takes of the processor."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest


@dataclass
class Longest:
    """The callback that took longest, and what the test did then: `doing` is the test's to set."""

    seconds: float = 0.0
    during: str = ""
    doing: str = ""


@contextmanager
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[Longest]:
    """Measure every callback of the event loop.

    The thread's processor time counts: what else the machine does is nobody's fault here, nor is what the garbage collector has to do with the
    objects of the tests before.
    """
    longest = Longest()
    run = asyncio.Handle._run

    def timed(handle: asyncio.Handle) -> Any:
        started = time.thread_time()
        try:
            return run(handle)
        finally:
            took = time.thread_time() - started
            if took > longest.seconds:
                longest.seconds, longest.during = took, longest.doing

    gc.collect()
    gc.freeze()
    try:
        with monkeypatch.context() as patch:
            patch.setattr(asyncio.Handle, "_run", timed)
            yield longest
    finally:
        gc.unfreeze()
