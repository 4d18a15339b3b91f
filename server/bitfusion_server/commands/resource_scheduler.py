"""`bitfusion resource_scheduler`, `srs`: lease some of this machine's GPUs at an address of their own. Several can run side by side."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from bitfusion_core.models import DEFAULT_DISPATCHER_PORT, DEFAULT_MANAGER_PORT
from bitfusion_server import log, manager
from bitfusion_server.commands import local
from bitfusion_server.data_directory import DataDirectory
from bitfusion_server.settings import sources


def main(words: Sequence[str] | None = None) -> int:
    """Run until told to stop; returns the exit code."""
    arguments = _parser().parse_args(words)
    log.configure(arguments.log_level)
    values = {
        "manager.listen": f"{arguments.listen}:{arguments.srs_port}",
        "dispatcher.port": arguments.server_port,
        "gpu.devices": arguments.devices if arguments.num_gpus is None else ",".join(map(str, range(arguments.num_gpus))),
    }
    data = DataDirectory(data_of(arguments.data, arguments.srs_port).absolute())
    return manager.report(lambda: manager.serve(data, sources.load(arguments.config, os.environ, values), bootstrap_admin=True))


def data_of(directory: Path, srs_port: int) -> Path:
    """Each has its own data; that at the usual port is the server's."""
    return directory if srs_port == DEFAULT_MANAGER_PORT else directory / f"srs-{srs_port}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bitfusion resource_scheduler", description="Lease GPUs of this machine to clients.")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("-n", "--num_gpus", "--num-gpus", type=_count, metavar="N", help="lease the first N GPUs (default: all)")
    which.add_argument("-d", "--devices", metavar="I,J", help="lease the GPUs with these indexes")
    parser.add_argument("-l", "--listen", default="0.0.0.0", metavar="ADDRESS", help="address to listen at (default: all)")
    parser.add_argument(
        "-s", "--srs_port", "--srs-port", type=int, default=DEFAULT_MANAGER_PORT, metavar="PORT", help="port of the API (default 56001)"
    )
    parser.add_argument(
        "-p",
        "--server_port",
        "--server-port",
        type=int,
        default=DEFAULT_DISPATCHER_PORT,
        metavar="PORT",
        help="port of the data connections (default 55001)",
    )
    local.add_data_option(parser)
    parser.add_argument("--config", type=Path, metavar="FILE", help="bitfusion-manager.yaml")
    parser.add_argument("--log-level", default="info", choices=["debug", "info", "warning", "error"])
    return parser


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


if __name__ == "__main__":
    sys.exit(main())
