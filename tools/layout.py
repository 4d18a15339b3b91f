"""Where everything of this checkout lies, and how the development tools talk."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = Path(os.environ.get("BITFUSION_VENV") or ROOT / ".venv").resolve()
BUILD = Path(os.environ.get("BITFUSION_BUILD") or ROOT / "build").resolve()
PYTHON = Path(os.environ.get("BITFUSION_PYTHON") or VENV / "bin" / "python")
CLI = BUILD / "bin" / "bitfusion"
LIB = BUILD / "lib"


class ToolError(Exception):
    """Something a developer must know: what failed, why, and what to do."""


def say(text: str) -> None:
    """One line of progress, on standard error."""
    print(f"dev: {text}", file=sys.stderr, flush=True)


def site_packages() -> Path:
    """Folder of installed packages in the private environment."""
    found = sorted((VENV / "lib").glob("python3.*/site-packages"))
    if not found:
        raise ToolError(f"{VENV} is not a Python environment; run: ./dev setup")
    return found[0]


def cuda_toolkit() -> Path:
    """Folder of the pinned CUDA 13 compiler, headers and runtime libraries."""
    return site_packages() / "nvidia" / "cu13"


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Only one process of this checkout is inside at a time; others wait and say so."""
    BUILD.mkdir(parents=True, exist_ok=True)
    with (BUILD / f".{name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another ./dev that works on: {name}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
