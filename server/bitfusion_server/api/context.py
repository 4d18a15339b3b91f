"""What handlers work with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from bitfusion_server.administration.audit import Audit
from bitfusion_server.administration.certificates import Certificates
from bitfusion_server.administration.clients import ClientAdministration
from bitfusion_server.administration.tasks import Tasks
from bitfusion_server.administration.tokens import TokenAdministration
from bitfusion_server.administration.users import UserAdministration
from bitfusion_server.auth.access import Authenticator, Principal
from bitfusion_server.auth.clients import Clients
from bitfusion_server.metrics.collector import Collector
from bitfusion_server.metrics.history import History
from bitfusion_server.sessions.sensors import Sensors
from bitfusion_server.sessions.service import LeaseService
from bitfusion_server.settings.live import LiveSettings
from bitfusion_server.store.base import Store


@dataclass(frozen=True)
class Administration:
    """The services behind everything people change."""

    audit: Audit
    clients: ClientAdministration
    tokens: TokenAdministration
    users: UserAdministration
    certificates: Certificates
    tasks: Tasks


@dataclass(frozen=True)
class Services:
    """The services behind the API. `address` is told to clients; empty: the one they reached us at."""

    leases: LeaseService
    clients: Clients
    settings: LiveSettings
    store: Store
    authenticator: Authenticator
    administration: Administration
    sensors: Sensors
    collector: Collector
    history: History
    address: str
    srs_port: int
    dispatcher_port: int
    wall_clock: Callable[[], float]


SERVICES = web.AppKey("services", Services)
PRINCIPAL = web.RequestKey("principal", Principal)


def services(request: web.Request) -> Services:
    """The services of the application a request belongs to."""
    return request.app[SERVICES]


def address_of(request: web.Request) -> str:
    """The address under which clients reach this server, for data as well."""
    configured = services(request).address
    if configured or request.transport is None:
        return configured
    return str(request.transport.get_extra_info("sockname")[0])
