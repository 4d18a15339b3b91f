"""The manager's end of the dispatcher's control socket: JSON lines over a Unix stream.

The dispatcher outlives the manager, and may be restarted under it; the link connects again by itself and says so, since after each
connection both sides have to agree on the sessions that exist.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import structlog

from bitfusion_core.errors import ServerUnavailable
from bitfusion_core.units import MIB
from bitfusion_server.store.base import ActiveLease

_log = structlog.get_logger(__name__)

_CALL_TIMEOUT_S = 20.0
_CONNECT_TIMEOUT_S = 5.0
_LONGEST_LINE = 16 * MIB
_RETRY_S = 0.1
_LONGEST_RETRY_S = 5.0
_RETRIES_IN_SILENCE = 50

Event = Mapping[str, Any]


class DispatcherDown(ServerUnavailable):
    """The dispatcher does not answer; what was asked may or may not have happened."""

    code = "dispatcher_down"
    title = "The dispatcher of the server does not answer"


class DispatcherRefused(ServerUnavailable):
    """The dispatcher answered that it cannot do what was asked."""

    code = "dispatcher_refused"
    title = "The dispatcher of the server refused"


class DispatcherLink:
    """Calls in, events out. `on_connected` runs after every connection, `on_event` for each event."""

    def __init__(self, path: Path, on_connected: Callable[[], Awaitable[None]], on_event: Callable[[Event], None]) -> None:
        self._path = path
        self._on_connected = on_connected
        self._on_event = on_event
        self._connected = asyncio.Event()
        self._agreed = asyncio.Event()
        self._writer: asyncio.StreamWriter | None = None
        self._outbox: list[bytes] = []
        self._pending: dict[int, asyncio.Future[Event]] = {}
        self._last_id = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Connect, and keep connected."""
        self._spawn(self._keep_connected())

    async def stop(self) -> None:
        """Disconnect. The dispatcher and its sessions go on."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def agreed(self) -> bool:
        """Is there a dispatcher at the other end, with the sessions that should be?"""
        return self._agreed.is_set()

    async def until_agreed(self) -> None:
        """Before that, a session we do not know may be using any GPU."""
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                await self._agreed.wait()
        except TimeoutError as error:
            raise DispatcherDown("it is not there, or its sessions are not those of this server") from error

    async def admit(self, active: ActiveLease) -> None:
        """Let the session's client processes in."""
        lease = active.lease
        await self._call(
            "admit",
            session=lease.id,
            key=active.key.hex(),
            gpus=[gpu.uuid for gpu in lease.gpus],
            memory_bytes=lease.memory_mib * MIB if lease.partition else 0,
            tls=lease.tls,
        )

    async def measure(self, session: str, key: str) -> None:
        """Let data connections in that only measure, for a while."""
        await self._call("measure", session=session, key=key)

    async def revoke(self, session: str, reason: str) -> None:
        """End the session's workers; returns when they are gone."""
        await self._call("revoke", session=session, reason=reason)

    async def sessions(self) -> frozenset[str]:
        """The sessions the dispatcher knows."""
        answer = await self._call("list")
        return frozenset(str(entry["session"]) for entry in answer.get("sessions", ()))

    async def _call(self, op: str, **fields: Any) -> Event:
        try:
            if not self._connected.is_set():
                async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                    await self._connected.wait()
            async with asyncio.timeout(_CALL_TIMEOUT_S):
                return await self._exchange({"op": op, **fields})
        except TimeoutError as error:
            raise DispatcherDown(f"no answer to {op}") from error

    async def _exchange(self, request: dict[str, Any]) -> Event:
        if self._writer is None:
            raise DispatcherDown(f"the connection was lost before {request['op']}")
        self._last_id += 1
        number = self._last_id
        answered: asyncio.Future[Event] = asyncio.get_running_loop().create_future()
        self._pending[number] = answered
        try:
            self._send(msgspec.json.encode({"id": number, **request}) + b"\n")
            answer = await answered
        finally:
            self._pending.pop(number, None)
        if answer.get("ok") is not True:
            raise DispatcherRefused(f"{request['op']}: {answer.get('error', 'no reason given')}")
        return answer

    def _send(self, line: bytes) -> None:
        """What is asked in one turn of the event loop travels together."""
        if not self._outbox:
            asyncio.get_running_loop().call_soon(self._flush)
        self._outbox.append(line)

    def _flush(self) -> None:
        if self._writer is not None:
            self._writer.write(b"".join(self._outbox))
        self._outbox.clear()

    async def _keep_connected(self) -> None:
        """Whatever goes wrong is logged and tried again: without this link no lease begins or ends."""
        attempt = 0
        while True:
            try:
                reader, self._writer = await asyncio.open_unix_connection(self._path, limit=_LONGEST_LINE)
                attempt = 0
                await self._serve(reader)
            except OSError as error:
                attempt += 1
                if attempt == _RETRIES_IN_SILENCE:
                    _log.warning("dispatcher not reachable", path=str(self._path), reason=str(error))
            except Exception:  # noqa: BLE001 - the link must come back whatever happens
                _log.exception("dispatcher connection failed")
            finally:
                self._disconnect()
            await asyncio.sleep(_RETRY_S)

    async def _serve(self, reader: asyncio.StreamReader) -> None:
        self._connected.set()
        _log.info("dispatcher connected")
        introduction = asyncio.create_task(self._introduce())
        try:
            with contextlib.suppress(ConnectionError, ValueError):  # ValueError: an endless line
                while line := await reader.readline():
                    self._receive(line)
        finally:
            introduction.cancel()
            await asyncio.gather(introduction, return_exceptions=True)
        _log.warning("dispatcher connection lost")

    async def _introduce(self) -> None:
        """Agree on the sessions; until that has worked, there is nothing else to be done with this dispatcher."""
        pause_s = _RETRY_S
        while True:
            try:
                await self._call("subscribe")
                await self._on_connected()
            except ServerUnavailable as error:
                _log.error("dispatcher cannot be used yet", reason=error.detail)
            except Exception:  # noqa: BLE001 - tried again, whatever it was
                _log.exception("dispatcher cannot be used yet")
            else:
                self._agreed.set()
                return
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_RETRY_S)

    def _receive(self, line: bytes) -> None:
        try:
            message = json.loads(line)
            number = message.get("id")
        except (ValueError, AttributeError):
            _log.error("dispatcher sent no JSON object", length=len(line))
            return
        if number is None:
            self._tell(message)
        elif isinstance(number, int) and (answered := self._pending.get(number)) is not None and not answered.done():
            answered.set_result(message)

    def _tell(self, event: Event) -> None:
        try:
            self._on_event(event)
        except Exception:  # noqa: BLE001 - one event must not end the link
            _log.exception("dispatcher event not understood", event_name=str(event.get("event")))

    def _disconnect(self) -> None:
        self._connected.clear()
        self._agreed.clear()
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        for answered in self._pending.values():
            if not answered.done():
                answered.set_exception(DispatcherDown("the connection was lost"))

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
