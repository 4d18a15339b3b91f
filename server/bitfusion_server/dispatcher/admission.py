"""What happens to a data connection before it is a worker's: nonce, hello, verdict, all within a deadline."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket

import structlog

from bitfusion_core import hello
from bitfusion_core.hello import AnswerCode, ConnectionKind, Hello, HelloError
from bitfusion_server.dispatcher.sessions import Session, Sessions
from bitfusion_server.dispatcher.workers import Worker, WorkerFailed

_log = structlog.get_logger(__name__)

_HELLO_WITHIN_S = 5.0
_ANSWER_WITHIN_S = 5.0
# Connections that have not yet shown who they are. More are turned away at once.
_MOST_STRANGERS = 256


class Refused(Exception):
    """The connection is not admitted."""

    def __init__(self, code: AnswerCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Admissions:
    """Accepts connections and passes those of admitted sessions on."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._strangers = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, listener: socket.socket) -> None:
        """Accept until cancelled."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                try:
                    connection, address = await loop.sock_accept(listener)
                except OSError as error:  # the peer has gone again, or descriptors are short
                    _log.warning("accept failed", reason=str(error))
                    await asyncio.sleep(0.05)
                    continue
                self._take(connection, address)
        finally:
            for task in tuple(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _take(self, connection: socket.socket, address: tuple[object, ...]) -> None:
        connection.setblocking(False)
        peer = f"{address[0]}:{address[1]}"
        if self._strangers >= _MOST_STRANGERS:
            _log.warning("connection refused", peer=peer, reason="too many connections that have not authenticated")
            connection.close()
            return
        self._strangers += 1  # until _identify knows who it is
        task = asyncio.create_task(self._handle(connection, peer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _handle(self, connection: socket.socket, peer: str) -> None:
        """Admit, or say why not. The worker gets a duplicate of the descriptor; ours is closed here."""
        with connection:
            try:
                greeting, session = await self._identify(connection)
                if session is None:
                    await self._measure(connection)
                    return
                worker = await self._sessions.worker(session, greeting.process, greeting.kind is ConnectionKind.COMMAND)
                _require_same_spec(greeting, worker)
                await _answer(connection, AnswerCode.ADMITTED, "")
                await worker.give(greeting.kind.name.lower(), connection)
            except Refused as refused:
                _log.warning("connection refused", peer=peer, reason=refused.reason)
                await _answer(connection, refused.code, refused.reason)
            except WorkerFailed as failed:
                _log.error("no worker for a connection", peer=peer, reason=str(failed))
                await _answer(connection, AnswerCode.WORKER, str(failed))
            except (OSError, TimeoutError) as error:
                _log.warning("connection lost before it was admitted", peer=peer, reason=str(error) or "it said nothing in time")

    async def _measure(self, connection: socket.socket) -> None:
        """A connection of an admitted measurement needs no worker."""
        if self._sessions.measurements.busy:
            raise Refused(AnswerCode.BUSY, "others are measuring; try again in half a minute")
        await _answer(connection, AnswerCode.ADMITTED, "")
        await self._sessions.measurements.serve(connection)

    async def _identify(self, connection: socket.socket) -> tuple[Hello, Session | None]:
        try:
            random = secrets.token_bytes(hello.RANDOM_SIZE)
            data = await asyncio.wait_for(_exchange(connection, random), _HELLO_WITHIN_S)
        finally:
            self._strangers -= 1
        return self._judge(data, random)

    def _judge(self, data: bytes, random: bytes) -> tuple[Hello, Session | None]:
        """The hello and its session, None for a measurement."""
        try:
            greeting = Hello.parse(data)
        except HelloError as error:
            raise Refused(AnswerCode.BAD_HELLO, str(error)) from error
        if greeting.protocol_major != hello.PROTOCOL_MAJOR:
            theirs = f"{greeting.protocol_major}.{greeting.protocol_minor}"
            ours = f"{hello.PROTOCOL_MAJOR}.{hello.PROTOCOL_MINOR}"
            raise Refused(AnswerCode.VERSION, f"the client speaks protocol {theirs}, this server {ours}: install matching versions")
        measurement = self._sessions.measurements.key(greeting.session)
        if measurement is not None and hello.is_signed_by(data, measurement, random):
            return greeting, None
        session = self._sessions.find(greeting.session)
        # An unknown session and a wrong key cost the same and read the same.
        key = session.admission.key if session else bytes(hello.MAC_SIZE)
        if not hello.is_signed_by(data, key, random) or session is None:
            raise Refused(AnswerCode.NOT_ADMITTED, "this server knows no such session, or the key is wrong; has the lease ended?")
        if greeting.tls != session.admission.tls:
            wants = "encrypted" if session.admission.tls else "plain"
            raise Refused(AnswerCode.TLS, f"the session's connections are {wants}")
        return greeting, session


def _require_same_spec(greeting: Hello, worker: Worker) -> None:
    """Row numbers and layouts mean the same on both ends only if both were generated from the same rows."""
    if greeting.spec_hash != worker.spec_hash:
        theirs, ours = greeting.spec_hash.hex()[:12], worker.spec_hash.hex()[:12]
        raise Refused(AnswerCode.VERSION, f"the client's calls are of version {theirs}, this server's of {ours}: install matching versions")


async def _exchange(connection: socket.socket, random: bytes) -> bytes:
    """Send the nonce, read exactly one hello: not a byte of what follows."""
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(connection, hello.pack_nonce(random))
    data = b""
    while len(data) < hello.HELLO_SIZE:
        more = await loop.sock_recv(connection, hello.HELLO_SIZE - len(data))
        if not more:
            raise Refused(AnswerCode.BAD_HELLO, f"it closed after {len(data)} bytes")
        data += more
        if not data.startswith(hello.HELLO_MAGIC[: len(data)]):
            raise Refused(AnswerCode.BAD_HELLO, "not a hello of this protocol")
    return data


async def _answer(connection: socket.socket, code: AnswerCode, reason: str) -> None:
    sending = asyncio.get_running_loop().sock_sendall(connection, hello.pack_answer(code, reason))
    with contextlib.suppress(OSError, TimeoutError):  # it has gone; there is no one to tell
        await asyncio.wait_for(sending, _ANSWER_WITHIN_S)
