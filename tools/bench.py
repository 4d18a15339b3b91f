"""Measurements; what they mean and what they have shown is in docs/performance.md.

`remoting` measures the remoting layer against the machine. The others measure the manager: `service` (allocation and release), `https` (the
same over the network), `store` (lists of a large store), `cluster` (the scheduler on 1,000 simulated servers).
"""

from __future__ import annotations

import os
import subprocess
import sys

from tools import build, environment
from tools.layout import BUILD, PYTHON, ROOT, ToolError, say

REMOTING = "remoting"
MANAGER = ("service", "https", "store", "cluster")


def main(arguments: list[str]) -> int:
    """`python -m tools.bench [remoting [--plain] [--gate] | service | https | store | cluster] [OPTION...]`."""
    section, options = (arguments[0], arguments[1:]) if arguments and not arguments[0].startswith("-") else (REMOTING, arguments)
    if section == REMOTING:
        return _remoting(options)
    if section not in MANAGER:
        raise ToolError(f"bench: there is no section {section!r}; sections: {REMOTING}, {', '.join(MANAGER)}")
    environment.ensure(*environment.RUNTIME, "test")
    return subprocess.run([str(PYTHON), "-m", f"tests.bench.{section}", *options], check=False, cwd=ROOT).returncode


def _remoting(options: list[str]) -> int:
    environment.ensure(*environment.RUNTIME, "simgpu")
    build.build()
    command = [str(PYTHON), str(ROOT / "native" / "bench" / "run.py"), *options]
    return subprocess.run(command, check=False, env={**os.environ, "BITFUSION_BUILD": str(BUILD)}).returncode


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except ToolError as error:
        say(str(error))
        sys.exit(1)
