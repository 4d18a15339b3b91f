"""Results on standard output: text, or JSON of a stated version."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

JSON_VERSION = 1


def text(block: str) -> None:
    """Print a finished block of lines."""
    sys.stdout.write(block + "\n")
    sys.stdout.flush()


def as_json(fields: Mapping[str, Any]) -> None:
    """Print one JSON object; its layout only grows within a version."""
    text(json.dumps({"version": JSON_VERSION, **fields}, indent=2, ensure_ascii=False))


def error_json(fields: Mapping[str, Any]) -> str:
    """A failure as one line of JSON for standard error."""
    return json.dumps({"version": JSON_VERSION, "error": dict(fields)}, ensure_ascii=False)


def cell(value: Any, unit: str = "") -> str:
    """A value and its unit, or N/A for a sensor the device does not have."""
    return "N/A" if value is None else f"{value}{unit}"


def split_row(left: str, right: str, width: int) -> str:
    """`left` and `right` at the two edges of a cell; the left text gives way."""
    room = max(width - len(right) - 1, 0)
    return left[:room].ljust(width - len(right)) + right
