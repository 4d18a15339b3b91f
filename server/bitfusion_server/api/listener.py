"""Accepts TLS connections for the API, and bounds what strangers can hold of it.

A connection has to finish its handshake, then its first request, and later each further request within a time limit, whatever it dribbles.
When all places are taken, the oldest connection that has not yet made a request makes room.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from aiohttp import web
from aiohttp.typedefs import Middleware

from bitfusion_server.api.middleware import Handler

_log = structlog.get_logger(__name__)

_HANDSHAKE_S = 10.0
_FIRST_REQUEST_S = 20.0
_IDLE_S = 90.0
_SWEEP_S = 5.0
_BACKLOG = 512
_ACCEPT_PAUSE_S = 0.1


@dataclass
class _Connection:
    peer: str
    idle_since: float
    requests: int = 0
    active: int = 0

    def overdue(self, now: float) -> bool:
        limit_s = _IDLE_S if self.requests else _FIRST_REQUEST_S
        return self.active == 0 and now - self.idle_since > limit_s


class Listener:
    """One listening socket."""

    def __init__(self, address: str, port: int, tls: ssl.SSLContext, max_connections: int, silence_s: Callable[[], float]) -> None:
        self._socket = socket.create_server((address, port), backlog=_BACKLOG)
        self._socket.setblocking(False)
        self._tls = tls
        self._max_connections = max_connections
        self._silence_s = silence_s
        self._connections: dict[asyncio.BaseTransport, _Connection] = {}
        self._handshakes: set[asyncio.Task[None]] = set()
        self._tasks: tuple[asyncio.Task[None], ...] = ()
        self._factory: Callable[[], asyncio.BaseProtocol] = asyncio.Protocol

    @property
    def port(self) -> int:
        """The port listened on."""
        return int(self._socket.getsockname()[1])

    def start(self, protocol_factory: Callable[[], asyncio.BaseProtocol]) -> None:
        """Accept from now on."""
        self._factory = protocol_factory
        loop = asyncio.get_running_loop()
        self._tasks = (loop.create_task(self._accept()), loop.create_task(self._sweep()))

    async def stop(self) -> None:
        """Accept no more; open connections are left to their protocol."""
        tasks = (*self._tasks, *self._handshakes)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.close()

    def close(self) -> None:
        """Give the port back."""
        self._socket.close()

    def middleware(self) -> Middleware:
        """Tells connections that are being served from those that only take a place."""

        @web.middleware
        async def track(request: web.Request, handler: Handler) -> web.StreamResponse:
            if request.transport is None:
                return await handler(request)
            connection = self._known(request.transport)
            connection.requests += 1
            connection.active += 1
            try:
                return await handler(request)
            finally:
                connection.active -= 1
                connection.idle_since = asyncio.get_running_loop().time()

        return track

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, peer = await loop.sock_accept(self._socket)
            except OSError as error:
                _log.error("cannot accept connections", reason=str(error))
                await asyncio.sleep(_ACCEPT_PAUSE_S)
                continue
            if not self._make_room():
                _log.warning("connection refused: all places are taken", peer=peer[0], limit=self._max_connections)
                accepted.close()
                continue
            task = loop.create_task(self._open(accepted, f"{peer[0]}:{peer[1]}"))
            self._handshakes.add(task)
            task.add_done_callback(self._handshakes.discard)

    async def _open(self, accepted: socket.socket, peer: str) -> None:
        loop = asyncio.get_running_loop()
        try:
            self._detect_silence(accepted)
            transport, _ = await loop.connect_accepted_socket(
                self._factory, accepted, ssl=self._tls, ssl_handshake_timeout=_HANDSHAKE_S, ssl_shutdown_timeout=1.0
            )
        except (OSError, TimeoutError) as error:  # ssl.SSLError is an OSError
            _log.warning("connection refused", peer=peer, reason=_reason(error))
            accepted.close()
            return
        self._known(transport)

    def _known(self, transport: asyncio.BaseTransport) -> _Connection:
        """The first request may be there before the task that awaits the handshake runs again."""
        if transport not in self._connections:
            peer = transport.get_extra_info("peername") or ("?", 0)
            self._connections[transport] = _Connection(f"{peer[0]}:{peer[1]}", asyncio.get_running_loop().time())
        return self._connections[transport]

    def _detect_silence(self, accepted: socket.socket) -> None:
        """The kernel gives up a peer that acknowledges nothing for this long."""
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(self._silence_s() * 1000))

    def _make_room(self) -> bool:
        if len(self._connections) + len(self._handshakes) < self._max_connections:
            return True
        self._forget_closed()
        if len(self._connections) + len(self._handshakes) < self._max_connections:
            return True
        for transport, connection in self._connections.items():
            if connection.requests == 0:
                self._abort(transport, "its place was needed")
                return True
        return False

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_S)
            self._forget_closed()
            now = asyncio.get_running_loop().time()
            for transport in [t for t, connection in self._connections.items() if connection.overdue(now)]:
                self._abort(transport, "no request in time")

    def _forget_closed(self) -> None:
        for transport in [t for t in self._connections if t.is_closing()]:
            del self._connections[transport]

    def _abort(self, transport: asyncio.BaseTransport, reason: str) -> None:
        connection = self._connections.pop(transport)
        _log.info("connection closed", peer=connection.peer, reason=reason)
        if isinstance(transport, asyncio.Transport):
            transport.abort()


def _reason(error: BaseException) -> str:
    """One line, without the library's source positions."""
    if isinstance(error, ssl.SSLError):
        return f"no TLS: {error.reason or error}"
    return str(error) or type(error).__name__
