"""`python -m bitfusion_client`, or this file by its path: both are the `bitfusion` command.

Run by path under `python -I -S` it needs no site-packages of ours on the path: it adds the two source folders itself.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn, TextIO

if not __package__:
    _here = os.path.dirname(os.path.abspath(__file__))
    _packages = os.path.dirname(_here)
    # This folder itself would shadow standard modules (`http`).
    sys.path[:] = [_packages, os.path.join(os.path.dirname(_packages), "core"), *(entry for entry in sys.path if entry != _here)]


def start() -> int:
    """Answer `--version` at once, and leave everything else to the command line proper."""
    if sys.argv[1:] == ["--version"]:
        from bitfusion_client import output, release

        output.text(release.TEXT)
        return 0
    from bitfusion_client.main import main

    return main()


def leave(code: int) -> NoReturn:
    """End the process without taking the interpreter apart, which takes longer than many an application runs."""
    _flush(sys.stdout)
    _flush(sys.stderr)
    os._exit(code)


def _flush(stream: TextIO | None) -> None:
    try:
        if stream is not None:
            stream.flush()
    except (OSError, ValueError):
        pass  # Its reader has gone: nobody is left to be told.


if __name__ == "__main__":
    leave(start())
