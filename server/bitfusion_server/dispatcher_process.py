"""Keeps a dispatcher running beside the manager.

The dispatcher is its own process in its own session: it and the workers below it go on when the manager stops, and the next manager finds
it by its socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from pathlib import Path

import structlog

_log = structlog.get_logger(__name__)

_CHECK_S = 1.0
_STOP_S = 10.0


class DispatcherProcess:
    """Starts the dispatcher whenever nobody answers at its socket."""

    def __init__(self, data: Path, control_socket: Path, address: str, port: int) -> None:
        self._command = (sys.executable, "-m", "bitfusion_server.dispatcher", "--data", str(data), "--listen", f"{address}:{port}")
        self._socket = control_socket
        self._process: asyncio.subprocess.Process | None = None
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
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _STOP_S)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _keep_running(self) -> None:
        while True:
            if self._process is not None:
                code = await self._process.wait()
                _log.error("dispatcher ended", exit_code=code)
                self._process = None
            if not _answers(self._socket):
                self._process = await asyncio.create_subprocess_exec(
                    *self._command, stdin=asyncio.subprocess.DEVNULL, start_new_session=True
                )
                _log.info("dispatcher started", pid=self._process.pid)
            await asyncio.sleep(_CHECK_S)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True
