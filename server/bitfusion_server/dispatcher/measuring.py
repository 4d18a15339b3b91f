"""Data connections that measure the network: no worker, no GPU, only bytes that go back as they came.

A measurement is admitted by the manager for a client whose token it has checked, like a session; its connections are plain TCP. Each round is
a length of 4 bytes, little-endian, and so many bytes; the server sends both back. Everything is bounded: bytes, time, connections.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
import time
import uuid
from collections.abc import Callable

import structlog

_log = structlog.get_logger(__name__)

LONGEST_MESSAGE = 4 << 20
MOST_CONNECTIONS = 4
CONNECTION_S = 30.0
VALID_S = 120.0
_MOST_VALID = 1024
_LENGTH = struct.Struct("<I")


class Measurements:
    """What has been admitted; everything but the echo itself runs in the event loop's thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._valid: dict[bytes, tuple[bytes, float]] = {}
        self._open = 0

    def admit(self, session: str, key: bytes) -> None:
        """Let connections of this measurement in, for a while."""
        now = self._clock()
        self._valid = {name: entry for name, entry in self._valid.items() if entry[1] > now}
        while len(self._valid) >= _MOST_VALID:
            del self._valid[next(iter(self._valid))]
        self._valid[uuid.UUID(session).bytes] = (key, now + VALID_S)

    def key(self, session: bytes) -> bytes | None:
        """The key of a measurement that is still valid."""
        entry = self._valid.get(session)
        return entry[0] if entry is not None and entry[1] > self._clock() else None

    @property
    def busy(self) -> bool:
        """Measurements beside each other would measure each other."""
        return self._open >= MOST_CONNECTIONS

    async def serve(self, connection: socket.socket) -> None:
        """Send back what comes, until the other side closes or the time is over."""
        loop = asyncio.get_running_loop()
        done = loop.create_future()

        def work(own: socket.socket) -> None:
            echo(own, CONNECTION_S)
            with contextlib.suppress(RuntimeError):  # the dispatcher has ended meanwhile
                loop.call_soon_threadsafe(done.set_result, None)

        self._open += 1
        try:
            # A thread of its own, which nobody waits for when the dispatcher ends.
            threading.Thread(target=work, args=(connection.dup(),), daemon=True).start()
            await asyncio.shield(done)
        finally:
            self._open -= 1


def echo(connection: socket.socket, limit_s: float) -> None:
    """Blocking: waking a thread costs less than a turn of the event loop."""
    deadline = time.monotonic() + limit_s
    buffer = memoryview(bytearray(_LENGTH.size + LONGEST_MESSAGE))
    with connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            while (left_s := deadline - time.monotonic()) > 0:
                connection.settimeout(left_s)
                if not _receive(connection, buffer[: _LENGTH.size]):
                    return
                (length,) = _LENGTH.unpack_from(buffer)
                if length > LONGEST_MESSAGE or not _receive(connection, buffer[_LENGTH.size : _LENGTH.size + length]):
                    return
                connection.sendall(buffer[: _LENGTH.size + length])
        except OSError as error:
            _log.info("measurement ended", reason=str(error))


def _receive(connection: socket.socket, buffer: memoryview) -> bool:
    """Fill the buffer; False when the other side has closed."""
    while buffer:
        count = connection.recv_into(buffer)
        if not count:
            return False
        buffer = buffer[count:]
    return True
