"""Small files that may be lost: a read-only or missing home is no fault."""

from __future__ import annotations

import os
from pathlib import Path

from bitfusion_client import config


def read(name: str) -> str | None:
    """What was kept, if anything."""
    try:
        return (folder() / name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def write(name: str, text: str) -> None:
    """Keep it, if that is possible."""
    path = folder() / name
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError:
        pass  # The next command does without.


def folder() -> Path:
    """Where they are, by the XDG base directory specification."""
    given = os.environ.get("XDG_CACHE_HOME")
    if given:
        return Path(given) / "bitfusion"
    home = os.environ.get("HOME")
    return Path(home) / ".cache" / "bitfusion" if home else config.home()
