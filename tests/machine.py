"""How much slower this machine is at the moment than the one for which times are given, because it is another one or busy."""

from __future__ import annotations

import subprocess
import sys
import time

# Of `_work` on a machine with two processors and nothing else to do.
_WORK_S = 0.25


def slowdown() -> float:
    """1.0, or how many times longer than there two processors need for what they compute side by side."""
    return max(1.0, _work() / _WORK_S)


def _work() -> float:
    command = [sys.executable, "-I", "-S", "-c", "sum(range(10_000_000))"]
    started = time.perf_counter()
    workers = [subprocess.Popen(command) for _ in range(2)]
    for worker in workers:
        worker.wait()
    return time.perf_counter() - started
