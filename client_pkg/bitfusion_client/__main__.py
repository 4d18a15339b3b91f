"""`python -m bitfusion_client`, or this file by its path: both are the `bitfusion` command.

Run by path under `python -I -S` it needs no site-packages of ours on the path: it adds the two source folders itself.
"""

from __future__ import annotations

import os
import sys

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


if __name__ == "__main__":
    sys.exit(start())
