"""Runs the tests: the fast tier, or with --all every one. Whatever they need is installed and built first."""

from __future__ import annotations

import subprocess
import sys

from tools import build, environment
from tools.layout import PYTHON, ROOT, ToolError, say


def main(arguments: list[str]) -> int:
    """`python -m tools.test [--all] [PYTEST ARGUMENT...]`."""
    everything = "--all" in arguments
    passed_on = [argument for argument in arguments if argument != "--all"]
    environment.ensure(*environment.RUNTIME, "simgpu", "cuda", "appliance", "test", "lint")
    build.build()
    selection = ["-m", ""] if everything else []
    return subprocess.run([str(PYTHON), "-m", "pytest", *selection, *passed_on], check=False, cwd=ROOT).returncode


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except ToolError as error:
        say(str(error))
        sys.exit(1)
