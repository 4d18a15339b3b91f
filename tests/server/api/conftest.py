"""The API as clients meet it: the real listener, TLS, a store, a fake dispatcher."""

from __future__ import annotations

import datetime
import json
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from bitfusion_server.api.context import Services
from bitfusion_server.api.listener import Listener
from bitfusion_server.api.routes import make_app
from bitfusion_server.auth import authority, tokens
from bitfusion_server.auth.access import Authenticator
from bitfusion_server.auth.authority import TlsFiles
from bitfusion_server.sessions.sensors import Sensors
from bitfusion_server.sessions.service import LeaseService
from bitfusion_server.store.base import Role, Store
from tests.server.fakes import FakeGpus


@dataclass
class Api:
    """A running API and tokens for it."""

    port: int
    trust: ssl.SSLContext
    services: Services
    admin: str
    client: str
    other: str

    def session(self, token: str | None = None) -> aiohttp.ClientSession:
        """An HTTP client with a token, by default the client's."""
        text = self.client if token is None else token
        headers = {"Authorization": f"Bearer {text}"} if text else {}
        connector = aiohttp.TCPConnector(ssl=self.trust)
        return aiohttp.ClientSession(f"https://127.0.0.1:{self.port}", connector=connector, headers=headers)


class LeaseStream:
    """One `POST /v1/leases`, read event by event."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    async def next(self, *, skip: str = "") -> dict[str, Any]:
        """The next event that is not of the kind to skip."""
        while True:
            line = await self.response.content.readline()
            assert line, "the stream has ended"
            event: dict[str, Any] = json.loads(line)
            if event["event"] != skip:
                return event


@pytest.fixture(scope="session")
def tls_files(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    """One authority for all tests."""
    files = TlsFiles(tmp_path_factory.mktemp("tls"))
    authority.prepare(files, ("127.0.0.1",), datetime.datetime.now(datetime.UTC))
    return files


@pytest_asyncio.fixture
async def api(service: LeaseService, store: Store, tls_files: TlsFiles, tmp_path: Path) -> AsyncIterator[Api]:
    """A running API over `service`."""
    now = time.time()
    services = Services(
        leases=service,
        store=store,
        authenticator=Authenticator(store, time.time),
        sensors=Sensors(FakeGpus(16000, 16000)),
        address="",
        srs_port=56001,
        dispatcher_port=55001,
        idle_timeout_min=0,
        silence_s=2.0,
        wall_clock=time.time,
    )
    listener = Listener("127.0.0.1", 0, authority.server_context(tls_files), max_connections=64, silence_s=2.0)
    runner = web.AppRunner(make_app(services, listener.middleware()), handler_cancellation=True, access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    assert runner.server is not None
    listener.start(runner.server)
    issued = [await tokens.issue(store, role, "", now, 1) for role in (Role.ADMIN, Role.CLIENT, Role.CLIENT)]
    trust = ssl.create_default_context(cafile=str(tls_files.ca_certificate))
    yield Api(listener.port, trust, services, *(new.text for new in issued))
    service.detach()
    await listener.stop()
    await runner.cleanup()
