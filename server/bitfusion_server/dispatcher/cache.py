"""The directory in which workers of all sessions keep device code by its hash, and how it stays small.

`cache_store.server_root` and `cache_store.server_cleanup_threshold_MB` of bitfusion.yaml say where it is and how large it may be.
"""

from __future__ import annotations

import asyncio
import os
import stat
import time
from dataclasses import dataclass
from pathlib import Path

import structlog
import yaml

_log = structlog.get_logger(__name__)

SETTINGS = Path("/etc/bitfusion/bitfusion.yaml")
_DEFAULT_MB = 5120
_PART = ".part."
_STALE_S = 3600.0  # nobody writes an image for so long
_PERIOD_S = 600.0


@dataclass(frozen=True)
class CacheSettings:
    """Where, and how many bytes."""

    root: Path
    capacity: int


def read_settings(file: Path, data: Path) -> CacheSettings:
    """What the file says, if there is one; ValueError says what in it cannot be used."""
    section = _section(file)
    root = section.get("server_root") or data / "cache"
    megabytes = section.get("server_cleanup_threshold_MB", _DEFAULT_MB)
    if not isinstance(megabytes, int) or isinstance(megabytes, bool) or megabytes < 0:
        raise ValueError(f"{file}: cache_store.server_cleanup_threshold_MB: {megabytes!r} is not a number of MB")
    if not Path(str(root)).is_absolute():
        raise ValueError(f"{file}: cache_store.server_root: {str(root)!r} is not an absolute path")
    return CacheSettings(Path(str(root)), megabytes << 20)


def _section(file: Path) -> dict[str, object]:
    """`cache_store`; the rest of the file is for clients."""
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"{file}: it is not YAML: {error}") from None
    section = document.get("cache_store") if isinstance(document, dict) else None
    return section if isinstance(section, dict) else {}


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


async def keep_small(path: Path, capacity: int) -> None:
    """Trims now and from time to time, until cancelled."""
    while True:
        try:
            removed = await asyncio.to_thread(trim, path, capacity, time.time())
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
