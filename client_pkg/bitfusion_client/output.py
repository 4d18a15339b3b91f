"""Results on standard output: text, or JSON of a stated version."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from typing import Any

from bitfusion_core.errors import EXIT_SIGNAL_BASE

JSON_VERSION = 1
GREEN, YELLOW, RED = "32", "33", "31"


def text(block: str) -> None:
    """Print a finished block of lines. A reader that is gone, as in `bitfusion smi | head -1`, ends us as it ends any filter."""
    try:
        sys.stdout.write(block + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes once more at its exit, and must find something to write to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(EXIT_SIGNAL_BASE + signal.SIGPIPE)


def paint(block: str, colour: str) -> str:
    """In colour on a terminal, unless the user wants none (https://no-color.org)."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return block
    return f"\x1b[{colour}m{block}\x1b[0m"


def as_json(fields: Mapping[str, Any]) -> None:
    """Print one JSON object; its layout only grows within a version."""
    import json

    text(json.dumps({"version": JSON_VERSION, **fields}, indent=2, ensure_ascii=False))


def error_json(fields: Mapping[str, Any]) -> str:
    """A failure as one line of JSON for standard error."""
    import json

    return json.dumps({"version": JSON_VERSION, "error": dict(fields)}, ensure_ascii=False)


def cell(value: Any, unit: str = "") -> str:
    """A value and its unit, or N/A for a sensor the device does not have."""
    return "N/A" if value is None else f"{value}{unit}"


def split_row(left: str, right: str, width: int) -> str:
    """`left` and `right` at the two edges of a cell; the left text gives way."""
    room = max(width - len(right) - 1, 0)
    return left[:room].ljust(width - len(right)) + right
