"""What handlers work with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from bitfusion_server.auth.access import Authenticator, Principal
from bitfusion_server.sessions.sensors import Sensors
from bitfusion_server.sessions.service import LeaseService
from bitfusion_server.store.base import Store


@dataclass(frozen=True)
class Services:
    """The services behind the API. `address` is told to clients; empty: the one they reached us at."""

    leases: LeaseService
    store: Store
    authenticator: Authenticator
    sensors: Sensors
    address: str
    srs_port: int
    dispatcher_port: int
    idle_timeout_min: int
    silence_s: float
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
