"""Writing configuration files: whole or not at all, and never without a dated copy of what was there."""

from __future__ import annotations

import os
import time
from pathlib import Path


def replace_text(path: Path, text: str, mode: int) -> None:
    """Readers see the old file or the new one; OSError when the folder takes no new files."""
    temporary = f"{path}.{os.getpid()}.new"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            _keep_owner(file.fileno(), path)
            os.fchmod(file.fileno(), mode)
            file.write(text)
        os.replace(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise


def _keep_owner(descriptor: int, path: Path) -> None:
    """As far as we may: the system's client.yaml stays readable for the group whoever rewrites it."""
    try:
        status = path.stat()
        os.fchown(descriptor, status.st_uid, status.st_gid)
    except (FileNotFoundError, PermissionError):
        pass  # A new file, or one that somebody else has made: it becomes ours.


def backup(path: Path, text: str) -> None:
    """Keep `text`, the contents of `path`, beside it under the time of day."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    descriptor = os.open(f"{path}.{stamp}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
