"""Builds the CUDA programs of the tests, two at a time."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from tools import cuda

TESTS = Path(__file__).parent
PROGRAMS = TESTS / "cuda" / "programs"
FLOW_PROGRAMS = TESTS / "flows" / "programs"


class Builder:
    """Executables on request; each is compiled once."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self._results: dict[tuple[str, int, str], Future[Path]] = {}

    def begin(self, name: str, major: int, runtime: str) -> Future[Path]:
        """Start to build one, unless that was done before."""
        key = (name, major, runtime)
        if key not in self._results:
            self._results[key] = self._pool.submit(cuda.program, _source(name), cuda.toolkit(major), runtime)
        return self._results[key]

    def __call__(self, name: str, major: int = 13, runtime: str = "static") -> Path:
        """The executable."""
        return self.begin(name, major, runtime).result()


def _source(name: str) -> Path:
    return next(path for path in (PROGRAMS / f"{name}.cu", FLOW_PROGRAMS / f"{name}.cu") if path.exists())
