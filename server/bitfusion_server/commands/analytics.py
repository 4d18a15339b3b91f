"""`bitfusion analytics`: the history service as a process of its own.

The manager reads the figures; this process sums them up for the cluster, rolls them up and lets them expire. Start the manager with
`history.managed: false` beside it; if both do it, they do the same.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import structlog

from bitfusion_core.errors import InvalidSetting
from bitfusion_core.settings import Settings
from bitfusion_server import log
from bitfusion_server.commands import local
from bitfusion_server.data_directory import DataDirectory
from bitfusion_server.metrics.history import History
from bitfusion_server.settings import sources

_log = structlog.get_logger(__name__)


def main(words: Sequence[str] | None = None) -> int:
    """Run until told to stop; returns the exit code."""
    parser = argparse.ArgumentParser(prog="bitfusion analytics", description="Keeps the history of the cluster: sums, roll-ups, expiry.")
    local.add_data_option(parser)
    parser.add_argument("--config", type=Path, metavar="FILE", help="bitfusion-manager.yaml")
    parser.add_argument("--once", action="store_true", help="do what is due now and exit")
    parser.add_argument("--log-level", default="info", choices=["debug", "info", "warning", "error"])
    arguments = parser.parse_args(words)
    log.configure(arguments.log_level)

    def command() -> None:
        data = DataDirectory(arguments.data.absolute())
        if not data.path.is_dir():
            raise InvalidSetting(f"there is no data directory {data.path}", hint="Give the --data of the manager.")
        asyncio.run(_run(data, sources.load(arguments.config, os.environ, {}), once=arguments.once))

    return local.run(command)


async def _run(data: DataDirectory, settings: Settings, *, once: bool) -> None:
    store = data.store()
    await store.open()
    try:
        history = History(store.samples, time.time)
        interval_s = settings.number("metrics.interval_s")
        if once:
            await history.tick(interval_s)
        else:
            await _until_stopped(history, interval_s)
    finally:
        await store.close()


async def _until_stopped(history: History, interval_s: float) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    work = asyncio.get_running_loop().create_task(history.run(lambda: interval_s))
    _log.info("history service ready")
    await stop.wait()
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)


if __name__ == "__main__":
    sys.exit(main())
