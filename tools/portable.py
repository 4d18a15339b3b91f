"""Fails when a file names a package registry's host or a path of one machine: both would tie the project to a place."""

from __future__ import annotations

import re
import sys
from pathlib import Path

# Written in pieces so that this file passes its own check.
_HOSTS = (
    "pypi" + r"\.org",
    "files" + r"\.pythonhosted",
    "registry" + r"\.npmjs",
    "static" + r"\.crates",
    "crates" + r"\.io/api",
    "deb" + r"\.debian\.org",
)
_PATHS = ("/home" + r"/[a-z]", "/root" + r"/", "/Users" + r"/")
FORBIDDEN = re.compile("|".join((*_HOSTS, *_PATHS)))


def findings(path: Path) -> list[str]:
    """`file:line: text` of every hit in one file; files that are not text have none."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (UnicodeDecodeError, OSError):
        return []
    return [f"{path}:{number}: {line.strip()}" for number, line in enumerate(lines, 1) if FORBIDDEN.search(line)]


def main(names: list[str]) -> int:
    """Check these files."""
    hits = [hit for name in names for hit in findings(Path(name))]
    print("\n".join(hits))
    return 1 if hits else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
