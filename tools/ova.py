"""`./dev ova`: installs and builds what the appliance is made of, then builds it."""

from __future__ import annotations

import sys

from tools import build, environment
from tools.layout import BUILD, ToolError, say


def main(arguments: list[str]) -> int:
    """`python -m tools.ova [OPTION...]`; the options are the builder's."""
    environment.ensure(*environment.RUNTIME, "simgpu", "appliance")
    if not {"-h", "--help"} & set(arguments):
        build.build("product")
    from bitfusion_appliance.builder.__main__ import main as build_appliance

    return build_appliance(["--build", str(BUILD), *arguments])


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except ToolError as error:
        say(str(error))
        sys.exit(1)
