"""What systemd is told."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from bitfusion_server import supervision


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    """Its end of the socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(tmp_path / "notify"))
        channel.settimeout(10)
        yield channel


def test_notify(systemd: socket.socket) -> None:
    """The state arrives as one message."""
    supervision.notify("READY=1", {"NOTIFY_SOCKET": systemd.getsockname()})

    assert systemd.recv(100) == b"READY=1"


def test_nobody_asked() -> None:
    """Outside of systemd nothing happens."""
    supervision.notify("READY=1", {})


async def test_watchdog(systemd: socket.socket) -> None:
    """It is fed again and again while the loop turns."""
    systemd.setblocking(False)
    environment = {"NOTIFY_SOCKET": systemd.getsockname(), "WATCHDOG_USEC": "20000", "WATCHDOG_PID": str(os.getpid())}
    feeding = asyncio.create_task(supervision.keep_alive(environment))

    seen = [await asyncio.get_running_loop().sock_recv(systemd, 100) for _ in range(3)]

    assert seen == [b"WATCHDOG=1"] * 3
    feeding.cancel()


@pytest.mark.parametrize("environment", [{}, {"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}])
async def test_no_watchdog(environment: dict[str, str]) -> None:
    """Without one, or with that of another process, there is nothing to feed."""
    await asyncio.wait_for(supervision.keep_alive(environment), 5)
