"""Every route of the API, as rows."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Middleware

from bitfusion_server.api import leases, server
from bitfusion_server.api.bodies import MAX_BODY_BYTES
from bitfusion_server.api.context import SERVICES, Services
from bitfusion_server.api.middleware import Handler, guarded, problems
from bitfusion_server.auth.access import Permission


@dataclass(frozen=True)
class Route:
    """One row; the handler's docstring describes it."""

    method: str
    path: str
    handler: Handler
    permission: Permission


ROUTES: tuple[Route, ...] = (
    Route("GET", "/livez", server.livez, Permission.PUBLIC),
    Route("GET", "/readyz", server.readyz, Permission.PUBLIC),
    Route("GET", "/query", server.query, Permission.CLIENT),
    Route("POST", "/claim_id", server.claim_id, Permission.CLIENT),
    Route("GET", "/v1/gpus", server.gpus, Permission.CLIENT),
    Route("POST", "/v1/leases", leases.create, Permission.CLIENT),
    Route("GET", "/v1/leases", leases.index, Permission.CLIENT),
    Route("GET", "/v1/leases/{id}", leases.show, Permission.CLIENT),
    Route("GET", "/v1/leases/{id}/hold", leases.hold, Permission.CLIENT),
    Route("DELETE", "/v1/leases/{id}", leases.delete, Permission.CLIENT),
)


def make_app(services: Services, *outer: Middleware) -> web.Application:
    """The application of the table; `outer` are middlewares around it."""
    app = web.Application(middlewares=[*outer, problems], client_max_size=MAX_BODY_BYTES)
    app[SERVICES] = services
    for route in ROUTES:
        app.router.add_route(route.method, route.path, guarded(route.handler, route.permission))
    return app
