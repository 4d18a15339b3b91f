"""The product's own talk: `[LEVEL] RFC3339-UTC message` on standard error. Standard output belongs to the application."""

from __future__ import annotations

import sys
import time


def info(message: str) -> None:
    """Log a step."""
    _write(f"[INFO] {timestamp()} {message}")


def warn(message: str) -> None:
    """Log something that did not stop us."""
    _write(f"[WARN] {timestamp()} {message}")


_warned: set[str] = set()


def warn_once(message: str) -> None:
    """Log something that would be said for each of many servers or tries."""
    if message not in _warned:
        _warned.add(message)
        warn(message)


def plain(message: str) -> None:
    """Print a line that has no time stamp."""
    _write(message)


def timestamp(seconds: float | None = None) -> str:
    """RFC 3339, UTC, whole seconds."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _write(line: str) -> None:
    try:
        sys.stderr.write(_printable(line) + "\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        pass  # A closed standard error must not end the application.


def _printable(text: str) -> str:
    """Names and reasons come from servers: no control sequence of theirs reaches the terminal."""
    return "".join(char if char.isprintable() or char in "\n\t" else "?" for char in text)
