"""The directory in which workers of all sessions keep device code by its hash, and how it stays small."""

from __future__ import annotations

import asyncio
import os
import stat
import time
from pathlib import Path

import structlog

_log = structlog.get_logger(__name__)

CAPACITY = 4 << 30
_PART = ".part."
_STALE_S = 3600.0  # nobody writes an image for so long
_PERIOD_S = 600.0


def open_cache(path: Path) -> int:
    """Shared by the workers of all sessions: who knows the name of an entry may read it, nobody sees the names or takes away another's."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o1733)
    return os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def trim(path: Path, capacity: int, now: float) -> int:
    """Removes what killed workers left half written, then the images used longest ago until `capacity` bytes are kept; returns how many.

    Reading a file counts as its use, as exactly as the file system keeps it.
    """
    kept = removed = 0
    for used, size, file in sorted(_files(path), reverse=True):
        stale = _PART in file.name and now - used > _STALE_S
        if stale or kept + size > capacity:
            file.unlink(missing_ok=True)
            removed += 1
        else:
            kept += size
    return removed


async def keep_small(path: Path) -> None:
    """Trims now and from time to time, until cancelled."""
    while True:
        try:
            removed = await asyncio.to_thread(trim, path, CAPACITY, time.time())
        except OSError as error:
            _log.warning("the cache of device code cannot be trimmed", path=str(path), error=str(error))
        else:
            if removed:
                _log.info("removed old device code from the cache", path=str(path), files=removed)
        await asyncio.sleep(_PERIOD_S)


def _files(path: Path) -> list[tuple[float, int, Path]]:
    found = []
    for file in path.iterdir():
        try:
            about = file.lstat()
        except FileNotFoundError:
            continue
        if stat.S_ISREG(about.st_mode):
            found.append((max(about.st_atime, about.st_mtime), about.st_size, file))
    return found
