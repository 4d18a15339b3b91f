"""What strangers can hold of the API, and for how long."""

from __future__ import annotations

import asyncio

import pytest

from bitfusion_server.api import listener
from bitfusion_server.sessions.service import LeaseService
from tests.server.api.conftest import WHO, Api, LeaseStream
from tests.server.conftest import until

LEASE = {"gpus": 1, **WHO}


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits short enough to be met in a test."""
    monkeypatch.setattr(listener, "_HANDSHAKE_S", 0.2)
    monkeypatch.setattr(listener, "_FIRST_REQUEST_S", 0.3)
    monkeypatch.setattr(listener, "_IDLE_S", 0.3)
    monkeypatch.setattr(listener, "_SWEEP_S", 0.05)


async def ends(reader: asyncio.StreamReader) -> bool:
    """The other side closes the connection soon."""
    try:
        async with asyncio.timeout(5):
            await reader.read()
    except ConnectionError:
        return True
    return True


async def test_silent_stranger(hasty: None, api: Api) -> None:
    """Who opens a connection and says nothing loses it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)

    assert await ends(reader)
    writer.close()


async def test_half_a_request(hasty: None, api: Api) -> None:
    """Headers that trickle in do not keep a connection for ever."""
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port, ssl=api.trust)
    writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: ")

    async def dribble() -> None:
        while True:
            writer.write(b"a")
            await asyncio.sleep(0.02)

    dribbling = asyncio.create_task(dribble())
    assert await ends(reader)
    dribbling.cancel()
    writer.close()


async def test_a_second_half_request(hasty: None, api: Api) -> None:
    """One good request does not buy the right to dribble the next."""
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port, ssl=api.trust)
    writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\nGET /livez HTTP/1.1\r\nX-Slow: ")
    assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"

    assert await ends(reader)
    writer.close()


async def test_a_lease_is_no_idle_connection(hasty: None, api: Api, service: LeaseService) -> None:
    """A stream that is being served lives as long as it likes."""
    async with api.session() as http, http.post("/v1/leases", json=LEASE) as response:
        stream = LeaseStream(response)
        await stream.next()
        assert [(await stream.next())["event"] for _ in range(2)] == ["heartbeat"] * 2
    await until(lambda: not service.leases())


async def test_oversized_headers(api: Api) -> None:
    """Headers beyond the limit are refused, not collected."""
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port, ssl=api.trust)
    writer.write(b"GET /livez HTTP/1.1\r\nX-Large: " + b"a" * 100_000 + b"\r\n\r\n")

    assert (await reader.readline()).split()[1] == b"400"
    writer.close()
