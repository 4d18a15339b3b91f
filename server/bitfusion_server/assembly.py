"""The services behind the API, put together from what a manager has opened."""

from __future__ import annotations

import datetime
import ssl
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bitfusion_core.models import ServerFacts
from bitfusion_server.administration.audit import Audit
from bitfusion_server.administration.certificates import Certificates
from bitfusion_server.administration.clients import ClientAdministration
from bitfusion_server.administration.tasks import Tasks
from bitfusion_server.administration.tokens import Reachable, TokenAdministration
from bitfusion_server.administration.users import UserAdministration
from bitfusion_server.api.context import Administration, Services
from bitfusion_server.auth.access import Authenticator
from bitfusion_server.auth.authority import TlsFiles
from bitfusion_server.auth.clients import Clients
from bitfusion_server.auth.passwords import Passwords
from bitfusion_server.auth.tokens import TokenKey
from bitfusion_server.metrics.collector import Collector
from bitfusion_server.metrics.history import History
from bitfusion_server.sessions.sensors import GpuSource, Sensors
from bitfusion_server.sessions.service import LeaseService
from bitfusion_server.settings.live import LiveSettings
from bitfusion_server.store.base import GLOBAL, Store, client_subject


@dataclass(frozen=True)
class Opened:
    """What is there before the services are. `names`: for which the server's certificate has to be good."""

    store: Store
    settings: LiveSettings
    clients: Clients
    leases: LeaseService
    gpus: GpuSource
    tls_files: TlsFiles
    tls: ssl.SSLContext
    names: Callable[[], Iterable[str]]
    token_key: TokenKey


@dataclass(frozen=True)
class Endpoint:
    """Where clients reach this server. `address` empty: where they reached us."""

    address: str
    srs_port: int
    dispatcher_port: int


def services_of(opened: Opened, endpoint: Endpoint, passwords: Passwords) -> Services:
    """All services."""
    sensors = Sensors(opened.gpus)
    return Services(
        leases=opened.leases,
        clients=opened.clients,
        settings=opened.settings,
        store=opened.store,
        authenticator=Authenticator(opened.store, time.time),
        administration=_administration(opened, endpoint, passwords),
        sensors=sensors,
        collector=Collector(opened.leases, sensors.report, opened.store.samples, time.time),
        history=History(opened.store.samples, time.time),
        address=endpoint.address,
        srs_port=endpoint.srs_port,
        dispatcher_port=endpoint.dispatcher_port,
        wall_clock=time.time,
    )


def obey(leases: LeaseService, settings: LiveSettings) -> None:
    """Let the settings decide about leases, now and after every change."""

    def changed(subject: str) -> None:
        if subject.startswith(client_subject("")):
            client_id = subject.removeprefix(client_subject(""))
            own = settings.own(subject, "client.gpu_quota")
            leases.use_quota(client_id, settings.of(subject).number("client.gpu_quota") if own else None)
        else:
            leases.use_settings(settings)
            leases.use_default_quota(settings.of(GLOBAL).number("client.gpu_quota"))

    settings.observe(changed)
    for subject in (GLOBAL, *settings.subjects):
        changed(subject)


def _administration(opened: Opened, endpoint: Endpoint, passwords: Passwords) -> Administration:
    store, settings, leases = opened.store, opened.settings, opened.leases
    reachable = Reachable(opened.tls_files.trusted, server_addresses(leases.server, endpoint.srs_port))
    audit = Audit(store, time.time)
    return Administration(
        audit=audit,
        clients=ClientAdministration(store, opened.clients, leases, audit, time.time),
        tokens=TokenAdministration(store, settings, opened.token_key, opened.clients, leases, audit, reachable, time.time),
        users=UserAdministration(store, settings, passwords, audit, time.time),
        certificates=Certificates(opened.tls_files, opened.tls, opened.names, audit, utc_now),
        tasks=Tasks(store, time.time),
    )


def server_addresses(facts: ServerFacts, port: int) -> tuple[str, ...]:
    """Where clients reach the manager, best first; loopback only if there is nothing else."""
    known = dict.fromkeys((facts.address, *facts.addresses))
    outside = [address for address in known if not address.startswith("127.")]
    return tuple(f"{address}:{port}" for address in outside or known)


def utc_now() -> datetime.datetime:
    """The time certificates are made and checked by."""
    return datetime.datetime.now(datetime.UTC)
