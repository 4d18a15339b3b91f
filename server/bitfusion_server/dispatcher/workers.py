"""One worker process: started, given connections, ended."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import structlog

_log = structlog.get_logger(__name__)

_READY_WITHIN_S = 30.0
_STOP_GRACE_S = 1.2
_TERM_GRACE_S = 0.6
_LONGEST_MESSAGE = 64 * 1024


class Ready(msgspec.Struct, tag_field="op", tag="ready"):
    """It serves, calls of this spec."""

    pid: int
    spec_hash: str


class Stats(msgspec.Struct, tag_field="op", tag="stats"):
    """What it has done so far."""

    bytes_in: int
    bytes_out: int
    calls: int
    memory_bytes: list[int]


class Ended(msgspec.Struct, tag_field="op", tag="ended"):
    """Its last words."""

    reason: str


# Given the process id, puts it into its control group.
Place = Callable[[int], Awaitable[None]]

_message = msgspec.json.Decoder(Ready | Stats | Ended)


class WorkerFailed(RuntimeError):
    """The worker ended before it could serve; the message says why."""


class Worker:
    """The dispatcher's end of one worker. `on_ended` is called once, after the process is gone."""

    def __init__(self, process_id: bytes, on_stats: Callable[[Worker, dict[str, Any]], None], on_ended: Callable[[Worker], None]) -> None:
        self.process_id = process_id
        self.pid = 0
        self.reason = ""
        self.spec_hash = b""
        self._on_stats = on_stats
        self._on_ended = on_ended
        self._process: asyncio.subprocess.Process | None = None
        self._control: socket.socket | None = None
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ended = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, config: dict[str, Any], uid: int | None, place: Place, *descriptors: int) -> None:
        """Start the process, as `uid`, put it into its `place` and wait until it serves. The descriptors go with its first message."""
        await self._spawn({**os.environ, "CUDA_VISIBLE_DEVICES": ",".join(config["gpus"])}, uid)
        self._tasks = [asyncio.create_task(self._receive()), asyncio.create_task(self._reap())]
        await self._put(place)
        try:
            await self._send({"op": "start", **config}, descriptors)
            await asyncio.wait_for(asyncio.shield(self._ready), _READY_WITHIN_S)
        except (TimeoutError, OSError) as error:  # TimeoutError is an OSError; the others mean that it has ended already
            await self.stop("the worker did not start in time" if isinstance(error, TimeoutError) else "")
            raise WorkerFailed(self.reason) from error

    async def _spawn(self, environment: dict[str, str], uid: int | None) -> None:
        """The environment's CUDA_VISIBLE_DEVICES makes the driver show the worker its session's GPUs only."""
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.setblocking(False)
        command = (sys.executable, "-m", "bitfusion_server.worker", str(theirs.fileno()))
        identity: dict[str, Any] = {} if uid is None else {"user": uid, "group": uid, "extra_groups": ()}
        try:
            with theirs:
                self._process = await asyncio.create_subprocess_exec(
                    *command, stdin=asyncio.subprocess.DEVNULL, pass_fds=(theirs.fileno(),), env=environment, cwd="/", **identity
                )
        except (OSError, subprocess.SubprocessError) as error:
            raise WorkerFailed(f"a worker cannot be started: {error}") from error
        finally:
            if self._process is None:
                self._close_control()
        self.pid = self._process.pid

    async def _put(self, place: Place) -> None:
        """Until its first message the process does nothing for anybody."""
        try:
            await place(self.pid)
        except OSError as error:
            await self.stop(f"the worker cannot be put into its session's control group: {error}")
            raise WorkerFailed(self.reason) from error

    async def give(self, kind: str, connection: socket.socket) -> None:
        """Hand it an admitted connection."""
        await self._send({"op": "connection", "kind": kind}, (connection.fileno(),))

    async def stop(self, reason: str) -> None:
        """End it, politely first; returns when it is gone."""
        if self._process is None:
            return
        self.reason = self.reason or reason
        with contextlib.suppress(OSError):  # it has gone already
            await self._send({"op": "stop", "reason": reason})
        for grace, end in ((_STOP_GRACE_S, self._process.terminate), (_TERM_GRACE_S, self._process.kill)):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), grace)
                return
            with contextlib.suppress(ProcessLookupError):
                end()
        await self._ended.wait()

    async def _send(self, message: dict[str, Any], descriptors: tuple[int, ...] = ()) -> None:
        if self._control is None:
            raise BrokenPipeError("the worker has ended")
        socket.send_fds(self._control, [json.dumps(message).encode()], list(descriptors))

    async def _receive(self) -> None:
        assert self._control is not None  # noqa: S101 - started after it was set
        with contextlib.suppress(OSError):  # as good as its end, which `_reap` reports
            while data := await asyncio.get_running_loop().sock_recv(self._control, _LONGEST_MESSAGE):
                try:
                    self._take(_message.decode(data))
                except (msgspec.MsgspecError, ValueError) as error:
                    self._disown(f"the worker sent nonsense: {error}")
                    return

    def _take(self, message: Ready | Stats | Ended) -> None:
        if isinstance(message, Stats):
            self._on_stats(self, msgspec.structs.asdict(message))
        elif isinstance(message, Ended):
            self.reason = self.reason or message.reason
        elif not self._ready.done():
            self.spec_hash = bytes.fromhex(message.spec_hash)
            self._ready.set_result(None)

    def _disown(self, reason: str) -> None:
        """A worker that does not keep to the contract may be its client's by now: it ends at once."""
        self.reason = self.reason or reason
        _log.error("worker killed", pid=self.pid, reason=reason)
        with contextlib.suppress(ProcessLookupError):
            assert self._process is not None  # noqa: S101 - started before it could send
            self._process.kill()

    async def _reap(self) -> None:
        assert self._process is not None  # noqa: S101 - started after it was set
        code = await self._process.wait()
        await self._tasks[0]  # its last words
        self.reason = self.reason or f"the worker ended with status {code}"
        self._close_control()
        if not self._ready.done():
            self._ready.set_exception(WorkerFailed(self.reason))
            self._ready.exception()  # whoever started it may have given up waiting
        self._ended.set()
        self._on_ended(self)

    def _close_control(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
