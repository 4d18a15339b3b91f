"""`bitfusion-server NAME ARGUMENT...`: what the command line hands over to the server package.

A row names the module that is run as `python -m MODULE ARGUMENT...`.
"""

from __future__ import annotations

import runpy
import sys

MODULES = {
    "analytics": "bitfusion_server.commands.analytics",
    "initdb": "bitfusion_server.commands.initdb",
    "manager": "bitfusion_server.manager",
    "resource_scheduler": "bitfusion_server.commands.resource_scheduler",
    "server": "bitfusion_server.dispatcher",
    "tls-certs": "bitfusion_server.commands.tls_certs",
    "token": "bitfusion_server.commands.token",
    "user": "bitfusion_server.commands.user",
}
_EXIT_USAGE = 2


def main() -> int:
    """Run the command; returns only for a name that has no row."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    module = MODULES.get(name)
    if module is None:
        print(f"Error: 'bitfusion {name}' is not available in this release\nCommands of the server: {', '.join(MODULES)}.", file=sys.stderr)
        return _EXIT_USAGE
    sys.argv[:2] = [f"bitfusion {name}"]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
