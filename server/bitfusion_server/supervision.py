"""What systemd is told (sd_notify(3)): ready, stopping, and, with a watchdog, that the event loop still turns."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Mapping


def notify(state: str, environment: Mapping[str, str] = os.environ) -> None:
    """Tell systemd, if it asked to be told."""
    address = environment.get("NOTIFY_SOCKET")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as channel:
            channel.sendto(state.encode(), address.replace("@", "\0", 1) if address.startswith("@") else address)


async def keep_alive(environment: Mapping[str, str] = os.environ) -> None:
    """Twice in each watchdog interval, for ever; returns at once where there is no watchdog, or it is another process's."""
    interval_us = int(environment.get("WATCHDOG_USEC") or 0)
    if interval_us <= 0 or environment.get("WATCHDOG_PID") not in {None, str(os.getpid())}:
        return
    while True:
        with contextlib.suppress(BlockingIOError):  # systemd is busy: the next one will do
            notify("WATCHDOG=1", environment)
        await asyncio.sleep(interval_us / 2e6)
