"""Routes about the server, and what protects all of them."""

from __future__ import annotations

import asyncio
import io
import ssl
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from bitfusion_server.api.listener import Listener
from bitfusion_server.sessions.service import LeaseService
from tests.server.api.conftest import WHO, Api, LeaseStream
from tests.server.conftest import until
from tests.server.fakes import FakeDispatcher


async def test_query(api: Api) -> None:
    """GPU availability as the contract names it."""
    async with api.session() as http:
        async with http.post("/v1/leases", json={"gpus": 1, "memory_mib": 4000, "hold": "lease", **WHO}) as response:
            await response.read()
        async with http.get("/query") as response:
            answer = await response.json()

    assert {key: answer[key] for key in ("hostname", "address", "driver_version", "cuda_version", "has_rdma", "tasks", "accepting")} == {
        "hostname": "gpu-1",
        "address": "127.0.0.1",
        "driver_version": "580.65.06",
        "cuda_version": "13.0",
        "has_rdma": False,
        "tasks": 1,
        "accepting": True,
    }
    assert answer["gpus"][0] == {
        "index": 0,
        "uuid": "GPU-0",
        "name": "Simulated A2",
        "pci_bus_id": "0000:00:00.0",
        "memory_mib": 16000,
        "free_mib": 12000,
        "leases": 1,
    }


async def test_sensors(api: Api) -> None:
    """A sensor that is missing is null."""
    async with api.session() as http, http.get("/v1/gpus") as response:
        first, second = (await response.json())["gpus"]

    assert (first["used_mib"], first["allocated_mib"], first["temperature_c"], first["power_w"]) == (5, 0, 40, None)
    assert second["temperature_c"] is None


async def test_probes(api: Api, dispatcher: FakeDispatcher, service: LeaseService) -> None:
    """Alive without a token; ready only with a dispatcher."""
    await until(lambda: service.ready)
    async with api.session("") as http:
        async with http.get("/livez") as response:
            assert response.status == 200
        async with http.get("/readyz") as response:
            assert response.status == 200
        await dispatcher.stop()
        await until(lambda: not service.ready)
        async with http.get("/readyz") as response:
            assert response.status == 503
        async with http.get("/livez") as response:
            assert response.status == 200


async def test_problem_details(api: Api) -> None:
    """An error has all the fields of the contract, and the caller's request id if it sent one."""
    async with api.session() as http, http.get("/nowhere", headers={"X-Request-Id": "r-1"}) as response:
        problem = await response.json()

    assert response.content_type == "application/problem+json"
    assert response.headers["X-Request-Id"] == "r-1"
    assert {"type", "title", "status", "detail", "code", "hint", "request_id"} <= problem.keys()
    assert (problem["status"], problem["code"], problem["request_id"]) == (404, "not_found", "r-1")


@pytest.mark.parametrize(
    "method, path, status, code", [("PUT", "/query", 405, "method_not_allowed"), ("POST", "/claim_id", 400, "invalid_request")]
)
async def test_other_errors(api: Api, method: str, path: str, status: int, code: str) -> None:
    """Errors of the HTTP library and of the body look the same."""
    async with api.session() as http, http.request(method, path, data=b"{") as response:
        assert (response.status, (await response.json())["code"]) == (status, code)


async def test_too_large_body(api: Api) -> None:
    """A body over the limit is refused."""
    async with api.session() as http, http.post("/claim_id", data=io.BytesIO(b" " * (2 << 20))) as response:
        assert (response.status, (await response.json())["code"]) == (413, "request_too_large")


async def test_garbage_is_refused_and_disturbs_nobody(api: Api, service: LeaseService, capsys: pytest.CaptureFixture[str]) -> None:
    """Bytes that are no TLS are logged; a lease beside them goes on."""
    async with api.session() as http, http.post("/v1/leases", json={"gpus": 1, **WHO}) as response:
        stream = LeaseStream(response)
        await stream.next()
        for garbage in (b"GET / HTTP/1.1\r\n\r\n", b"\x00" * 4096, b"BFHELLO1" + bytes(152), b"\x16\x03\x01\xff\xff" + b"A" * 70000):
            reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
            writer.write(garbage)
            writer.write_eof()
            assert await _read_to_the_end(reader)
            writer.close()

        assert await stream.next() == {"event": "heartbeat"}
        assert len(service.leases()) == 1
    assert "connection refused" in capsys.readouterr().out


async def test_garbage_inside_tls(api: Api) -> None:
    """A TLS client that speaks no HTTP gets an error and loses its connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port, ssl=api.trust)
    writer.write(b"\x00\x01\x02 garbage\r\n\r\n")

    assert (await reader.read(12)) == b"HTTP/1.0 400"
    writer.close()


async def test_crowd_makes_room(api: Api, tls_listener: Listener) -> None:
    """When every place is taken by connections that ask nothing, the oldest goes."""
    idle = [await asyncio.open_connection("127.0.0.1", tls_listener.port, ssl=api.trust) for _ in range(5)]

    gone = [await asyncio.wait_for(reader.read(1), 5) for reader, _ in idle[:1]]

    assert gone == [b""]
    for _, writer in idle:
        writer.close()


@pytest_asyncio.fixture
async def tls_listener(tls: ssl.SSLContext) -> AsyncIterator[Listener]:
    """A listener with four places."""
    listener = Listener("127.0.0.1", 0, tls, max_connections=4, silence_s=lambda: 2.0)
    listener.start(asyncio.Protocol)
    yield listener
    await listener.stop()


async def _read_to_the_end(reader: asyncio.StreamReader) -> bool:
    try:
        async with asyncio.timeout(5):
            await reader.read()
    except (ConnectionError, ssl.SSLError):
        return True
    return True
