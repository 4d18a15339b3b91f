"""The manager put together: store, authority, GPUs, lease service, API."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import fcntl
import os
import ssl
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import structlog
from aiohttp import web

from bitfusion_core.errors import InvalidSetting, ServerUnavailable
from bitfusion_core.models import ServerFacts
from bitfusion_core.settings import BY_NAME, Scope, Settings
from bitfusion_server import network
from bitfusion_server.api.context import Services
from bitfusion_server.api.listener import Listener
from bitfusion_server.api.routes import make_app
from bitfusion_server.auth import authority
from bitfusion_server.auth.access import Authenticator
from bitfusion_server.auth.authority import TlsFiles
from bitfusion_server.dispatcher_process import DispatcherProcess
from bitfusion_server.sessions.sensors import GpuSource, Sensors
from bitfusion_server.sessions.service import LeaseService
from bitfusion_server.store.base import ServerIdentity, Store
from bitfusion_server.store.sqlite import SqliteStore

_log = structlog.get_logger(__name__)

_RENEWAL_CHECK_S = 6 * 3600.0
_SHUTDOWN_S = 0.5
_LONGEST_SOCKET_PATH = 107  # sun_path of Linux, less its end


@dataclass(frozen=True)
class DataDirectory:
    """What lies where. Only the manager's user may read it."""

    path: Path

    def prepare(self) -> None:
        """Make the directories."""
        if len(os.fsencode(self.dispatcher_socket)) > _LONGEST_SOCKET_PATH:
            raise InvalidSetting(f"the path of the data directory is too long: {self.path}", hint="Choose a shorter --data.")
        for directory in (self.path, self.run):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    @property
    def run(self) -> Path:
        """Sockets and locks."""
        return self.path / "run"

    @property
    def dispatcher_socket(self) -> Path:
        """The dispatcher's control socket."""
        return self.run / "dispatcher.sock"

    @property
    def tls(self) -> TlsFiles:
        """Authority and certificate."""
        return TlsFiles(self.path / "tls")

    def store(self) -> Store:
        """The store of a single server."""
        return SqliteStore(self.path / "store.db")


class OpenableGpus(GpuSource, Protocol):
    """GPUs that have to be opened first."""

    async def open(self) -> None:
        """Find them."""

    async def close(self) -> None:
        """Let go of them."""


class Manager:
    """One manager on one data directory. `own_dispatcher`: sessions end with it."""

    def __init__(self, data: DataDirectory, settings: Settings, gpus: OpenableGpus, *, own_dispatcher: bool = False) -> None:
        self._data = data
        self._settings = settings
        self._gpus = gpus
        self._own_dispatcher = own_dispatcher
        self._store = data.store()
        self._listener: Listener | None = None
        self._undo = contextlib.AsyncExitStack()

    async def start(self) -> None:
        """Up to the point where requests are answered. After a failure, `stop` undoes what was done."""
        self._data.prepare()
        self._undo.callback(os.close, _lock(self._data.run / "manager.lock"))
        self._undo.push_async_callback(self._store.close)
        await self._store.open()
        self._settings = _with_stored(self._settings, await self._store.settings())
        await self._gpus.open()
        self._undo.push_async_callback(self._gpus.close)
        host, port = _endpoint(self._settings.text("manager.listen"))
        tls = self._prepare_tls(host)
        silence_s = self._settings.number("lease.silence_s")
        self._listener = Listener(host, port, tls, self._settings.integer("manager.max_connections"), silence_s)
        self._undo.callback(self._listener.close)
        self._start_dispatcher(host)
        await self._serve(self._listener, await self._start_leases())
        _log.info("manager ready", address=host, port=self._listener.port, gpus=len(self._gpus.gpus))

    async def stop(self) -> None:
        """Answer no more. Sessions run on, unless the dispatcher is our own."""
        await self._undo.aclose()

    @property
    def port(self) -> int:
        """The port of the API."""
        return self._listener.port if self._listener is not None else 0

    @property
    def store(self) -> Store:
        """The open store."""
        return self._store

    def _prepare_tls(self, host: str) -> ssl.SSLContext:
        names = self._names(host)
        authority.prepare(self._data.tls, names, _utc_now())
        context = authority.server_context(self._data.tls)
        renewal = asyncio.get_running_loop().create_task(self._renew(context, host))
        self._undo.callback(renewal.cancel)
        return context

    async def _renew(self, context: ssl.SSLContext, host: str) -> None:
        while True:
            await asyncio.sleep(_RENEWAL_CHECK_S)
            if authority.prepare(self._data.tls, self._names(host), _utc_now()):
                authority.reload(context, self._data.tls)
                _log.info("server certificate renewed")

    def _names(self, host: str) -> set[str]:
        configured = self._settings.text("server.address")
        names = {"localhost", "127.0.0.1", network.hostname(), *network.addresses(), host, configured}
        return names - {"", "0.0.0.0"}

    def _start_dispatcher(self, host: str) -> None:
        if self._settings.flag("dispatcher.managed"):
            port = self._settings.integer("dispatcher.port")
            uids = self._settings.text("dispatcher.worker_uids")
            dispatcher = DispatcherProcess(self._data.path, self._data.dispatcher_socket, host, port, uids)
            dispatcher.start()
            self._undo.push_async_callback(dispatcher.stop if self._own_dispatcher else dispatcher.detach)

    async def _start_leases(self) -> LeaseService:
        identity = await self._store.identify_server(ServerIdentity(_server_id(self._settings.text("server.id")), time.time()))
        facts = ServerFacts(
            address=self._settings.text("server.address") or network.default_address(),
            hostname=network.hostname(),
            driver_version=self._gpus.driver_version,
            cuda_version=self._gpus.cuda_version,
            addresses=network.addresses(),
        )
        leases = LeaseService(self._store, self._data.dispatcher_socket, self._gpus, identity.id, facts, self._settings, time.time)
        await leases.start()
        self._undo.push_async_callback(leases.stop)
        return leases

    async def _serve(self, listener: Listener, leases: LeaseService) -> None:
        services = Services(
            leases=leases,
            store=self._store,
            authenticator=Authenticator(self._store, time.time),
            sensors=Sensors(self._gpus),
            address=self._settings.text("server.address"),
            srs_port=listener.port,
            dispatcher_port=self._settings.integer("dispatcher.port"),
            idle_timeout_min=self._settings.integer("lease.idle_timeout_min"),
            silence_s=self._settings.number("lease.silence_s"),
            wall_clock=time.time,
        )
        app = make_app(services, listener.middleware())
        # A handler ends with its connection: that is how a closed stream ends its lease.
        runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=_SHUTDOWN_S)
        await runner.setup()
        self._undo.push_async_callback(runner.cleanup)
        if runner.server is None:
            raise ServerUnavailable("the API has no server")
        listener.start(runner.server)
        self._undo.push_async_callback(listener.stop)
        self._undo.callback(leases.detach)
        if self._own_dispatcher:
            self._undo.push_async_callback(leases.end_all, "the server stops")


def _with_stored(settings: Settings, stored: Mapping[str, str]) -> Settings:
    """What an administrator has set wins where it may be set; a setting this version does not know any more is left alone."""
    known = {name: value for name, value in stored.items() if name in BY_NAME}
    return settings.with_values({name: value for name, value in known.items() if BY_NAME[name].scope is not Scope.PROCESS})


def _server_id(text: str) -> str:
    try:
        return str(uuid.UUID(text) if text else uuid.uuid4())
    except ValueError:
        raise InvalidSetting(f"server.id: {text!r} is not a UUID") from None


def _endpoint(text: str) -> tuple[str, int]:
    host, separator, port = text.rpartition(":")
    if not separator or not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise InvalidSetting(f"manager.listen: {text!r} is not address:port", hint="Write for example 0.0.0.0:56001.")
    return host or "0.0.0.0", int(port)


def _lock(path: Path) -> int:
    """Two managers on one store would give the same GPU twice."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise ServerUnavailable(f"another manager uses {path.parent.parent}", hint="Stop it, or give this one another --data.") from None
    return descriptor


def _utc_now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
