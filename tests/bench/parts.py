"""Parts that the benchmarks of the manager share: a dispatcher in a process of its own, fake GPUs, and figures of samples."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import structlog

from tests.server.fakes import FakeDispatcher, FakeGpus

GPUS = FakeGpus(*[1_000_000] * 8)


class OpenGpus(FakeGpus):
    """Fake GPUs as the manager opens them."""

    async def open(self) -> None:
        """Nothing to find."""

    async def close(self) -> None:
        """Nothing to let go."""


@contextlib.contextmanager
def workplace() -> Iterator[Path]:
    """A data directory with a dispatcher that admits everybody. Only warnings are logged."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with tempfile.TemporaryDirectory(prefix="bench-", dir=os.environ.get("BENCH_DIR")) as name:
        (Path(name) / "run").mkdir(mode=0o700)
        with process(_dispatch, Path(name) / "run" / "dispatcher.sock"):
            yield Path(name)


@contextlib.contextmanager
def process(work: Callable[[Path], None], path: Path) -> Iterator[int]:
    """Work in a process of its own, until the block ends; its id."""
    child = multiprocessing.get_context("spawn").Process(target=work, args=(path,), daemon=True)
    child.start()
    try:
        yield child.pid or 0
    finally:
        child.terminate()
        child.join()


def _dispatch(path: Path) -> None:
    async def serve() -> None:
        await FakeDispatcher(path).start()
        await asyncio.Event().wait()

    asyncio.run(serve())


def quantiles(times_s: Sequence[float]) -> dict[str, float]:
    """Milliseconds that half, nearly all and all stay under."""
    ordered = sorted(times_s)
    at = {"p50_ms": 0.5, "p99_ms": 0.99, "max_ms": 1.0}
    return {name: round(1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))], 2) for name, share in at.items()}


class Watch:
    """Wall and CPU time of this process, for a machine that others use as well."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def rates(self, count: int) -> dict[str, float]:
        """How many a second, as it was and for each second of CPU time."""
        wall_s, cpu_s = time.perf_counter() - self._wall, time.process_time() - self._cpu
        return {"per_s": round(count / wall_s), "per_cpu_s": round(count / max(cpu_s, 1e-9)), "seconds": round(wall_s, 2)}


def cpu_s(pid: int) -> float:
    """CPU time a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def machine(path: Path) -> dict[str, object]:
    """What the figures depend on: the processors, what else they do, and how long the disk takes to keep 4 KiB."""
    return {"cores": os.cpu_count(), "load": [round(load, 1) for load in os.getloadavg()], "flush": quantiles(_flushes(path / "flushed"))}


def _flushes(file: Path, count: int = 200) -> list[float]:
    """How long each of so many appends to a file took until it was on the disk."""
    times = []
    with file.open("wb") as opened:
        for _ in range(count):
            started = time.perf_counter()
            opened.write(bytes(4096))
            opened.flush()
            os.fsync(opened.fileno())
            times.append(time.perf_counter() - started)
    return times
