"""The manager put together: store, authority, GPUs, lease service, API."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import ssl
import time
import uuid
from pathlib import Path
from typing import Protocol

import structlog
from aiohttp import web

from bitfusion_core.errors import InvalidSetting, ServerUnavailable
from bitfusion_core.models import ServerFacts
from bitfusion_core.settings import Settings
from bitfusion_server import network
from bitfusion_server.administration.certificates import Certificates
from bitfusion_server.api.context import Services
from bitfusion_server.api.listener import Listener
from bitfusion_server.api.routes import make_app
from bitfusion_server.assembly import Endpoint, Opened, obey, services_of, utc_now
from bitfusion_server.auth import authority
from bitfusion_server.auth.clients import Clients
from bitfusion_server.auth.passwords import Passwords
from bitfusion_server.auth.tokens import load_key
from bitfusion_server.data_directory import DataDirectory, Running
from bitfusion_server.dispatcher_process import DispatcherProcess
from bitfusion_server.sessions.sensors import GpuSource
from bitfusion_server.sessions.service import LeaseService
from bitfusion_server.settings.live import LiveSettings
from bitfusion_server.store.base import ServerIdentity, Store

_log = structlog.get_logger(__name__)

_RENEWAL_CHECK_S = 6 * 3600.0
_SHUTDOWN_S = 0.5


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
        self._certificates: Certificates | None = None
        self._undo = contextlib.AsyncExitStack()

    async def start(self) -> None:
        """Up to the point where requests are answered. After a failure, `stop` undoes what was done."""
        self._data.prepare()
        self._undo.callback(os.close, _lock(self._data.run / "manager.lock"))
        self._undo.push_async_callback(self._store.close)
        await self._store.open()
        identity = await self._store.identify_server(ServerIdentity(_server_id(self._settings.text("server.id")), time.time()))
        settings = LiveSettings(self._store, self._settings, identity.id)
        await settings.load()
        await self._gpus.open()
        self._undo.push_async_callback(self._gpus.close)
        host, port = _endpoint(self._settings.text("manager.listen"))
        tls = self._prepare_tls(host)
        self._listener = Listener(
            host, port, tls, self._settings.integer("manager.max_connections"), lambda: settings.number("lease.silence_s")
        )
        self._undo.callback(self._listener.close)
        self._start_dispatcher(host)
        clients = Clients(self._store, settings, time.time)
        await clients.load()
        leases = await self._start_leases(identity.id, settings, clients)
        opened = Opened(
            self._store,
            settings,
            clients,
            leases,
            self._gpus,
            self._data.tls,
            tls,
            lambda: self._names(host),
            load_key(self._data.token_key),
        )
        endpoint = Endpoint(self._settings.text("server.address"), self._listener.port, self._settings.integer("dispatcher.port"))
        services = services_of(opened, endpoint, Passwords())
        self._watch_certificates(services.administration.certificates)
        self._measure(services)
        await self._serve(self._listener, services)
        self._data.note_running(Running(os.getpid(), "127.0.0.1" if host == "0.0.0.0" else host, self._listener.port))
        self._undo.callback(self._data.forget_running)
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

    async def reload(self) -> None:
        """Files that people change beside the manager have been changed."""
        if self._certificates is not None:
            await self._certificates.reload()

    def _prepare_tls(self, host: str) -> ssl.SSLContext:
        authority.prepare(self._data.tls, self._names(host), utc_now())
        return authority.server_context(self._data.tls)

    def _watch_certificates(self, certificates: Certificates) -> None:
        self._certificates = certificates

        async def watch() -> None:
            while True:
                await asyncio.sleep(_RENEWAL_CHECK_S)
                await certificates.renew_if_needed()

        self._undo.callback(asyncio.get_running_loop().create_task(watch()).cancel)

    def _measure(self, services: Services) -> None:
        """Read the server's figures at every interval, and keep their history unless a service of its own does."""

        def interval_s() -> float:
            return services.settings.number("metrics.interval_s")

        loops = [services.collector.run(interval_s)]
        if self._settings.flag("history.managed"):
            loops.append(services.history.run(interval_s))
        for loop in loops:
            self._undo.push_async_callback(_cancelled, asyncio.get_running_loop().create_task(loop))

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

    async def _start_leases(self, server_id: str, settings: LiveSettings, clients: Clients) -> LeaseService:
        facts = ServerFacts(
            address=self._settings.text("server.address") or network.default_address(),
            hostname=network.hostname(),
            driver_version=self._gpus.driver_version,
            cuda_version=self._gpus.cuda_version,
            addresses=network.addresses(),
        )
        leases = LeaseService(self._store, self._data.dispatcher_socket, self._gpus, server_id, facts, settings, time.time, clients)
        obey(leases, settings)
        await leases.start()
        self._undo.push_async_callback(leases.stop)
        return leases

    async def _serve(self, listener: Listener, services: Services) -> None:
        await services.administration.tasks.load()
        self._undo.push_async_callback(services.administration.tasks.stop)
        app = make_app(services, listener.middleware())
        # A handler ends with its connection: that is how a closed stream ends its lease.
        runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=_SHUTDOWN_S)
        await runner.setup()
        self._undo.push_async_callback(runner.cleanup)
        if runner.server is None:
            raise ServerUnavailable("the API has no server")
        listener.start(runner.server)
        self._undo.push_async_callback(listener.stop)
        self._undo.callback(services.leases.detach)
        if self._own_dispatcher:
            self._undo.push_async_callback(services.leases.end_all, "the server stops")


async def _cancelled(task: asyncio.Task[None]) -> None:
    """A task that is in the middle of a write has to be over before the store closes."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


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
