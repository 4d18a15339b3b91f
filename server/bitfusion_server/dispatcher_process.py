"""Keeps a dispatcher running beside the manager.

The dispatcher is its own process in its own session: it and the workers below it go on when the manager stops, and the next manager finds
it by its socket. So nothing here may be bound to its life: neither a pipe nor an object that kills it when it is collected.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import structlog

_log = structlog.get_logger(__name__)

_CHECK_S = 0.2
_PAUSE_S = 1.0
_START_S = 30.0
_STOP_S = 10.0


class DispatcherProcess:
    """Starts the dispatcher whenever nobody answers at its socket."""

    def __init__(self, data: Path, control_socket: Path, address: str, port: int, worker_uids: str) -> None:
        command = (sys.executable, "-m", "bitfusion_server.dispatcher", "--data", str(data), "--listen", f"{address}:{port}")
        # Only root can start workers as somebody else.
        self._command = (*command, "--worker-uids", worker_uids) if worker_uids and os.geteuid() == 0 else command
        self._socket = control_socket
        self._pid: int | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Watch over it from now on."""
        self._task = asyncio.get_running_loop().create_task(self._keep_running())

    async def detach(self) -> None:
        """Leave it running."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def stop(self) -> None:
        """End it, if it was started here, and with it all sessions."""
        await self.detach()
        if self._running():
            self._signal(signal.SIGTERM)
            if not await self._gone_within(_STOP_S):
                _log.error("dispatcher killed: it did not end", pid=self._pid)
                self._signal(signal.SIGKILL)
                await self._gone_within(_STOP_S)

    async def _keep_running(self) -> None:
        loop = asyncio.get_running_loop()
        patience_ends = 0.0
        while True:
            answers = _answers(self._socket)
            if not self._running() and not answers:
                self._pid = _spawn(self._command)
                patience_ends = loop.time() + _START_S
                _log.info("dispatcher started", pid=self._pid)
            elif not answers and loop.time() > patience_ends:
                _log.error("dispatcher does not listen", pid=self._pid, socket=str(self._socket))
                patience_ends = loop.time() + _START_S
            # One that ends at once, say because its port is taken, is not started in a tight loop.
            await asyncio.sleep(_CHECK_S if answers else _PAUSE_S)

    def _running(self) -> bool:
        """Is the process that was started here still there? Reaps it if not."""
        if self._pid is None:
            return False
        ended, status = os.waitpid(self._pid, os.WNOHANG)
        if ended:
            _log.warning("dispatcher ended", pid=self._pid, exit_code=os.waitstatus_to_exitcode(status))
            self._pid = None
        return self._pid is not None

    async def _gone_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                while self._running():  # noqa: ASYNC110 - the state of another process
                    await asyncio.sleep(0.01)
        except TimeoutError:
            return False
        return True

    def _signal(self, number: signal.Signals) -> None:
        if self._pid is not None:
            os.kill(self._pid, number)


def _spawn(command: tuple[str, ...]) -> int:
    """A process in a session of its own; our descriptors are closed in it, but for the log."""
    no_input = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)]
    return os.posix_spawn(command[0], command, os.environ, file_actions=no_input, setsid=True)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True
