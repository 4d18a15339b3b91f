"""Measures the remoting layer against the machine; the table and how to read it are in docs/performance.md."""

from __future__ import annotations

import os
import subprocess
import sys

from tools import build, environment
from tools.layout import BUILD, PYTHON, ROOT, ToolError, say


def main(arguments: list[str]) -> int:
    """`python -m tools.bench [--plain]`."""
    environment.ensure(*environment.RUNTIME, "simgpu")
    build.build()
    command = [str(PYTHON), str(ROOT / "native" / "bench" / "run.py"), *arguments]
    return subprocess.run(command, check=False, env={**os.environ, "BITFUSION_BUILD": str(BUILD)}).returncode


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except ToolError as error:
        say(str(error))
        sys.exit(1)
