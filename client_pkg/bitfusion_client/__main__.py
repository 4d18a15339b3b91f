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
    _open_standard_streams()
    if sys.argv[1:] == ["--version"]:
        from bitfusion_client import output, release

        output.text(release.TEXT)
        return 0
    from bitfusion_client.main import main

    return main()


def _open_standard_streams() -> None:
    """Whoever starts us with closed streams must not find a connection of ours under their numbers."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            # The lowest free number is this one: the others below it are open by now.
            os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(number, True)
            setattr(sys, name, open(number, "w" if number else "r", encoding="utf-8", closefd=False))  # noqa: SIM115 - for the life of the process


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
