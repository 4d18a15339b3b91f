"""`bitfusion-firstboot`: sets the appliance up, and says how that went."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from bitfusion_appliance.firstboot import announce, runner, state
from bitfusion_appliance.firstboot.host import Host, StepFailed
from bitfusion_appliance.firstboot.module import Stage
from bitfusion_appliance.firstboot.modules import MODULES, nvidia
from bitfusion_appliance.properties import table


def main(arguments: Sequence[str] | None = None) -> int:
    """0: all is well; 1: something is wrong, and was said."""
    chosen = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    host = Host(chosen.root)
    try:
        return int(chosen.command(host, chosen))
    except PermissionError as error:
        print(f"bitfusion-firstboot: {error}\nRun it with sudo.", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bitfusion-firstboot", description="Sets the appliance up from its vApp properties.")
    parser.add_argument("--root", type=Path, default=Path("/"), metavar="DIR", help="work on the system in this directory")
    verbs = parser.add_subparsers(required=True)
    run = verbs.add_parser("run", help="do what is due; systemd does this at every boot")
    run.add_argument("--stage", type=Stage, choices=list(Stage), help="only the modules of this stage")
    run.add_argument("--module", choices=[module.id for module in MODULES], help="only this module")
    run.set_defaults(command=_run)
    status = verbs.add_parser("status", help="how the last boot went")
    status.add_argument("--json", action="store_true", help="for programs")
    status.set_defaults(command=_status)
    verbs.add_parser("announce", help="refresh the console's banner and what vCenter is told").set_defaults(command=_announce)
    install = verbs.add_parser("install-nvidia", help=f"install NVIDIA's software now, from files in {nvidia.LOCAL} if there are any")
    install.set_defaults(command=_install_nvidia)
    return parser


def _run(host: Host, chosen: argparse.Namespace) -> int:
    fresh = runner.begins(chosen.stage, chosen.module)
    now = runner.run(runner.prepare(host, table(), fresh=fresh), MODULES, chosen.stage, chosen.module)
    return 1 if now.problems or now.failures() else 0


def _status(host: Host, chosen: argparse.Namespace) -> int:
    shown = state.published(host)
    if chosen.json:
        print(json.dumps(shown, indent=1))
    else:
        print(f"{shown['status']}, properties from {shown['source']}")
        for text in (*shown["notes"], *shown["problems"]):
            print(f"  {text}")
        for name, row in shown["modules"].items():
            print(f"  {name:18} {row['outcome']:10} {row['message']}")
            if row["hint"]:
                print(f"  {'':29} {row['hint']}")
    return 1 if shown["status"] == "degraded" else 0


def _announce(host: Host, _chosen: argparse.Namespace) -> int:
    announce.announce(host, announce.collect(host))
    return 0


def _install_nvidia(host: Host, _chosen: argparse.Namespace) -> int:
    try:
        print(nvidia.install(host))
    except StepFailed as error:
        print(f"bitfusion-firstboot: {error.reason}\n{error.hint}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
