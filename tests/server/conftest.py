"""A lease service on a real store, with a fake dispatcher and fake GPUs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
import structlog
from blockbuster import BlockBuster, blockbuster_ctx

from bitfusion_core.models import ServerFacts
from bitfusion_core.settings import Settings
from bitfusion_server.assembly import obey
from bitfusion_server.auth.clients import Clients
from bitfusion_server.sessions.rules import ClientRules
from bitfusion_server.sessions.service import LeaseService
from bitfusion_server.settings.live import LiveSettings, Reading
from bitfusion_server.store.base import Store
from bitfusion_server.store.sqlite import SqliteStore
from tests.server.fakes import FakeDispatcher, FakeGpus

_PRODUCT = "bitfusion_server"
SERVER_ID = "5e1f0000-0000-4000-8000-000000000001"


@pytest.fixture(autouse=True)
def _log_of_this_test(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A command that a test runs sets up the log; what it writes to is closed when that test ends, so no logger may keep it."""
    configure = structlog.configure
    monkeypatch.setattr(structlog, "configure", lambda **options: configure(**{**options, "cache_logger_on_first_use": False}))
    yield
    structlog.reset_defaults()


async def until(condition: Callable[[], bool], timeout_s: float = 5.0) -> None:
    """Let the event loop run until something has become true."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - a state of any object
            await asyncio.sleep(0.002)


def new_service(store: Store, dispatcher: FakeDispatcher, gpus: FakeGpus, **settings: object) -> LeaseService:
    """A service with settings that do not change."""
    values = {name.replace("__", "."): value for name, value in settings.items()}
    return service_with(store, dispatcher, gpus, Settings(values))


def service_with(
    store: Store, dispatcher: FakeDispatcher, gpus: FakeGpus, settings: Reading, clients: ClientRules | None = None
) -> LeaseService:
    """A service as the manager makes it."""
    facts = ServerFacts("10.0.0.5", "gpu-1", gpus.driver_version, gpus.cuda_version)
    return LeaseService(store, dispatcher.path, gpus, SERVER_ID, facts, settings, time.time, clients)


@pytest.fixture(autouse=True)
def _no_blocking_calls() -> Iterator[None]:
    """Product code that blocks the event loop fails the test that finds it."""
    with blockbuster_ctx(_PRODUCT) as blockbuster:
        _allow_at_start(blockbuster)
        yield


def _allow_at_start(blockbuster: BlockBuster) -> None:
    """Before it answers requests the manager may read and write its few small files; a traceback in the log quotes source lines."""
    for function in blockbuster.functions.values():
        function.can_block_in("structlog/dev.py", {"__call__"})
        function.can_block_in("structlog/processors.py", {"__call__"})
        function.can_block_in("bitfusion_server/app.py", {"start", "stop", "prepare", "_lock", "_prepare_tls"})
        function.can_block_in("bitfusion_server/store/sqlite.py", {"open"})
        function.can_block_in("tests/server/sessions/test_stateful.py", {"_turn", "stop"})


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store."""
    opened = SqliteStore(tmp_path / "store.db")
    await opened.open()
    yield opened
    await opened.close()


@pytest_asyncio.fixture
async def dispatcher(tmp_path: Path) -> AsyncIterator[FakeDispatcher]:
    """A listening fake."""
    fake = FakeDispatcher(tmp_path / "dispatcher.sock")
    await fake.start()
    yield fake
    await fake.stop()


@pytest_asyncio.fixture
async def settings(store: Store) -> LiveSettings:
    """All defaults, and changeable."""
    live = LiveSettings(store, Settings({}), SERVER_ID)
    await live.load()
    return live


@pytest_asyncio.fixture
async def clients(store: Store, settings: LiveSettings) -> Clients:
    """Nobody yet."""
    return Clients(store, settings, time.time)


@pytest_asyncio.fixture
async def service(store: Store, dispatcher: FakeDispatcher, settings: LiveSettings, clients: Clients) -> AsyncIterator[LeaseService]:
    """A running service with two 16 GB GPUs."""
    running = service_with(store, dispatcher, FakeGpus(16000, 16000), settings, clients)
    obey(running, settings)
    await running.start()
    yield running
    await running.stop()
