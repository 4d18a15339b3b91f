"""The dispatcher's control socket: requests of the manager in, answers and events out, as JSON lines."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import socket
from pathlib import Path
from typing import Any

import structlog

from bitfusion_server.dispatcher.sessions import Admission, BadRequest, Sessions

_log = structlog.get_logger(__name__)

_LONGEST_LINE = 1 << 20
# A manager that does not take its events is cut off; it connects again and asks for the list.
_MOST_UNSENT = 16 << 20


class Control:
    """Serves any number of managers, one at a time in practice."""

    def __init__(self, path: Path, group: str | None = None) -> None:
        self._path = path
        self._group = group
        self._sessions: Sessions | None = None
        self._subscribers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def start(self, sessions: Sessions) -> None:
        """Listen; a socket left by a dispatcher that died is replaced."""
        self._sessions = sessions
        self._path.parent.mkdir(parents=True, exist_ok=True)
        _remove_dead(self._path)
        self._server = await asyncio.start_unix_server(self._serve, self._path, limit=_LONGEST_LINE)
        if self._group is not None:
            shutil.chown(self._path, group=self._group)
        self._path.chmod(0o600 if self._group is None else 0o660)

    async def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)

    def notify(self, event: dict[str, Any]) -> None:
        """Tell every subscriber."""
        line = json.dumps(event).encode() + b"\n"
        for writer in tuple(self._subscribers):
            if writer.transport.get_write_buffer_size() > _MOST_UNSENT:
                _log.error("subscriber cut off", reason="it does not take its events")
                writer.transport.abort()
                self._subscribers.discard(writer)
            else:
                writer.write(line)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks: set[asyncio.Task[None]] = set()
        try:
            with contextlib.suppress(ConnectionError, ValueError):  # ValueError: an endless line
                while line := await reader.readline():
                    # A revoke takes as long as its workers; other requests do not wait for it.
                    task = asyncio.create_task(self._answer(line, writer))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
        finally:
            self._subscribers.discard(writer)
            writer.close()

    async def _answer(self, line: bytes, writer: asyncio.StreamWriter) -> None:
        number = None
        try:
            request = json.loads(line)
            number = request.get("id")
            answer = {"ok": True, **await self._perform(request, writer)}
        except (BadRequest, ValueError, KeyError, AttributeError, OSError) as error:
            _log.error("request failed", reason=repr(error))
            answer = {"ok": False, "error": str(error) or repr(error)}
        except Exception as error:  # noqa: BLE001 - whoever asked must not wait for ever
            _log.exception("request failed")
            answer = {"ok": False, "error": f"the dispatcher failed: {error!r}"}
        if not writer.is_closing():
            writer.write(json.dumps({"id": number, **answer}).encode() + b"\n")

    async def _perform(self, request: dict[str, Any], writer: asyncio.StreamWriter) -> dict[str, Any]:
        assert self._sessions is not None  # noqa: S101 - set before the socket listens
        match request.get("op"):
            case "admit":
                self._sessions.admit(Admission.parse(request))
            case "measure":
                self._sessions.measurements.admit(str(request["session"]), bytes.fromhex(request["key"]))
            case "revoke":
                await self._sessions.revoke(str(request["session"]), str(request.get("reason", "the lease has ended")))
            case "list":
                return {"sessions": self._sessions.describe()}
            case "subscribe":
                self._subscribers.add(writer)
            case unknown:
                raise BadRequest(f"unknown operation {unknown!r}")
        return {}


def _remove_dead(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            path.unlink(missing_ok=True)
        else:
            raise BadRequest(f"another dispatcher serves {path}")
