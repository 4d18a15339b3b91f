"""The API as clients meet it: the real listener, TLS, a store, a fake dispatcher."""

from __future__ import annotations

import datetime
import json
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from bitfusion_server.api.context import Services
from bitfusion_server.api.listener import Listener
from bitfusion_server.api.routes import make_app
from bitfusion_server.assembly import Endpoint, Opened, services_of
from bitfusion_server.auth import authority, tokens
from bitfusion_server.auth.authority import TlsFiles
from bitfusion_server.auth.clients import Clients
from bitfusion_server.auth.passwords import Cost, Passwords
from bitfusion_server.auth.tokens import TokenKey
from bitfusion_server.sessions.service import LeaseService
from bitfusion_server.settings.live import LiveSettings
from bitfusion_server.store.base import Client, Role, Store
from tests.server.fakes import FakeGpus

CLIENT_ID = "c11e0000-0000-4000-8000-000000000001"
OTHER_ID = "c11e0000-0000-4000-8000-000000000002"
WHO = {"hostname": "laptop", "user": "ann", "client_id": CLIENT_ID}


@dataclass
class Api:
    """A running API and tokens for it."""

    port: int
    trust: ssl.SSLContext
    services: Services
    admin: str
    client: str
    other: str
    operator: str
    viewer: str

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


@pytest.fixture
def tls(tls_files: TlsFiles) -> ssl.SSLContext:
    """TLS as the API speaks it."""
    return authority.server_context(tls_files)


@pytest_asyncio.fixture
async def api(
    service: LeaseService, store: Store, settings: LiveSettings, clients: Clients, tls_files: TlsFiles, tls: ssl.SSLContext
) -> AsyncIterator[Api]:
    """A running API over `service`."""
    now = time.time()
    listener = Listener("127.0.0.1", 0, tls, max_connections=64, silence_s=lambda: 2.0)
    opened = Opened(store, settings, clients, service, FakeGpus(16000, 16000), tls_files, tls, lambda: ("127.0.0.1",), TokenKey(b"k" * 32))
    services = services_of(opened, Endpoint("", 56001, 55001), Passwords(Cost(log_n=4)))
    runner = web.AppRunner(make_app(services, listener.middleware()), handler_cancellation=True, access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    assert runner.server is not None
    listener.start(runner.server)
    issued = [await tokens.issue(store, role, "", now, 1) for role in (Role.ADMIN, Role.CLIENT, Role.CLIENT, Role.OPERATOR, Role.VIEWER)]
    for new, client_id in ((issued[1], CLIENT_ID), (issued[2], OTHER_ID)):
        await store.insert_client(Client(client_id, new.token.id, "laptop", "ann", now))
    trust = ssl.create_default_context(cafile=str(tls_files.ca_certificate))
    yield Api(listener.port, trust, services, *(new.text for new in issued))
    service.detach()
    await services.administration.tasks.stop()
    await listener.stop()
    await runner.cleanup()
