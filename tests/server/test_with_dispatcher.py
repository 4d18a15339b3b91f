"""The manager with the real dispatcher process; only the GPUs are fake."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bitfusion_core.settings import Settings
from bitfusion_server.app import Manager
from bitfusion_server.data_directory import DataDirectory
from tests.server.api.conftest import LeaseStream
from tests.server.test_manager import WHO, OpenableFakeGpus, client_of


def free_port() -> int:
    """A port nobody uses at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


class Control:
    """A second connection to the dispatcher's control socket, to see what it knows."""

    def __init__(self, data: Path) -> None:
        self._path = data / "run" / "dispatcher.sock"

    async def sessions(self) -> list[str]:
        """Ids of the sessions it has admitted; none while it is not there."""
        try:
            reader, writer = await asyncio.open_unix_connection(self._path)
        except OSError:
            return []
        try:
            writer.write(b'{"id": 1, "op": "list"}\n')
            answer: dict[str, Any] = json.loads(await reader.readline() or b'{"sessions": []}')
        except ConnectionError:
            return []
        finally:
            writer.close()
        return [session["session"] for session in answer["sessions"]]

    async def until_sessions(self, expected: list[str]) -> None:
        """Wait until it knows exactly these."""
        async with asyncio.timeout(20):
            while await self.sessions() != expected:  # noqa: ASYNC110 - the state of another process
                await asyncio.sleep(0.05)

    def process_id(self) -> int:
        """Who listens there."""
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(self._path))
            return int.from_bytes(probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)[:4], "little")


@asynccontextmanager
async def server(data: Path, port: int, *, own_dispatcher: bool) -> AsyncIterator[tuple[Manager, aiohttp.ClientSession]]:
    """A manager that looks after its dispatcher, and a client of it, when both are ready."""
    settings = Settings({"manager.listen": "127.0.0.1:0", "dispatcher.port": port})
    manager = Manager(DataDirectory(data), settings, OpenableFakeGpus(16000), own_dispatcher=own_dispatcher)
    try:
        await manager.start()
        async with client_of(manager, data) as http:
            async with asyncio.timeout(20):
                while (await http.get("/readyz")).status != 200:  # noqa: ASYNC110 - the state of another process
                    await asyncio.sleep(0.02)
            yield manager, http
    finally:
        await manager.stop()


async def lease(http: aiohttp.ClientSession, hold: str) -> tuple[aiohttp.ClientResponse, str]:
    """Take the GPU."""
    response = await http.post("/v1/leases", json={"gpus": 1, "hold": hold, **WHO})
    return response, (await LeaseStream(response).next(skip="queued"))["lease"]["id"]


async def test_a_lease_is_a_session_of_the_dispatcher(tmp_path: Path) -> None:
    """Admitted with the grant, revoked when its connection closes; the dispatcher ends with a manager that owns it."""
    control = Control(tmp_path)
    async with server(tmp_path, free_port(), own_dispatcher=True) as (_, http):
        response, lease_id = await lease(http, "connection")
        assert await control.sessions() == [lease_id]

        response.close()

        await control.until_sessions([])
        pid = control.process_id()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_dispatcher_is_started_again(tmp_path: Path) -> None:
    """A dispatcher that was killed comes back and learns of the leases that exist."""
    control = Control(tmp_path)
    async with server(tmp_path, free_port(), own_dispatcher=True) as (_, http):
        response, lease_id = await lease(http, "lease")
        await response.read()

        killed = control.process_id()
        os.kill(killed, signal.SIGKILL)

        await control.until_sessions([])
        await control.until_sessions([lease_id])
        assert control.process_id() != killed


async def test_sessions_outlive_the_manager(tmp_path: Path) -> None:
    """A manager that restarts finds the same dispatcher with the same session."""
    control, port = Control(tmp_path), free_port()
    async with server(tmp_path, port, own_dispatcher=False) as (_, http):
        response, lease_id = await lease(http, "lease")
        await response.read()
    pid = control.process_id()
    try:
        assert await control.sessions() == [lease_id]
        async with server(tmp_path, port, own_dispatcher=False) as (manager, http):
            assert control.process_id() == pid
            async with http.get("/query") as answer:
                assert (await answer.json())["tasks"] == 1
            await manager.store.settings()
    finally:
        os.kill(pid, signal.SIGTERM)
