"""`python -m bitfusion_server.dispatcher --data DIR --listen ADDRESS:PORT`."""

from __future__ import annotations

import argparse
import asyncio
import signal
import socket
import sys
from pathlib import Path

import structlog

from bitfusion_server import log
from bitfusion_server.dispatcher.admission import Admissions
from bitfusion_server.dispatcher.cache import SETTINGS, keep_small, open_cache, read_settings
from bitfusion_server.dispatcher.cgroups import open_groups
from bitfusion_server.dispatcher.control import Control
from bitfusion_server.dispatcher.privileges import parse_uids, renounce, require_root_for
from bitfusion_server.dispatcher.sessions import BadRequest, Sessions

_log = structlog.get_logger(__name__)

_BACKLOG = 1024


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bitfusion-dispatcher", description="Admits data connections and hands them to workers.")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="directory of the server's data")
    parser.add_argument("--listen", default="0.0.0.0:55001", metavar="ADDRESS:PORT", help="where data connections come in")
    parser.add_argument(
        "--worker-uids", type=parse_uids, default=range(0), metavar="FIRST-LAST", help="user ids for workers, one per session (needs root)"
    )
    parser.add_argument("--control-group", metavar="GROUP", help="group that may use the control socket (default: only this user may)")
    parser.add_argument("--settings", type=Path, default=SETTINGS, metavar="FILE", help=f"where cache_store is set (default {SETTINGS})")
    parser.add_argument("--log-level", default="info", choices=("error", "warning", "info", "debug"))
    return parser.parse_args()


def _listen(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host.strip("[]"), int(port)), family=family, backlog=_BACKLOG)
    listener.setblocking(False)
    return listener


async def _serve(arguments: argparse.Namespace) -> None:
    data = arguments.data.resolve()
    control = Control(data / "run" / "dispatcher.sock", arguments.control_group)
    cache = read_settings(arguments.settings, data)
    listener = _listen(arguments.listen)
    groups = open_groups()
    sessions = Sessions(open_cache(cache.root), arguments.worker_uids, control.notify, groups)
    await control.start(sessions)
    tasks = [asyncio.create_task(Admissions(sessions).serve(listener)), asyncio.create_task(keep_small(cache.root, cache.capacity))]
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    _log.info("dispatcher listening", address=arguments.listen, control=str(data / "run" / "dispatcher.sock"), session_cgroups=str(groups))
    await stopping.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await control.stop()
    await sessions.stop("the server is shutting down")


def main() -> None:
    """Serve until told to end; workers end with the dispatcher."""
    arguments = _arguments()
    log.configure(arguments.log_level)
    try:
        require_root_for(arguments.worker_uids)
        renounce()
        asyncio.run(_serve(arguments))
    except (OSError, ValueError, LookupError, BadRequest) as error:
        sys.exit(f"bitfusion-dispatcher: cannot serve {arguments.listen}: {error}")


if __name__ == "__main__":
    main()
