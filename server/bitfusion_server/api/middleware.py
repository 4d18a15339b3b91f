"""What happens around every handler: request id, authentication, errors as problem details."""

from __future__ import annotations

import re
import uuid
from collections.abc import Awaitable, Callable

import msgspec
import structlog
from aiohttp import web

from bitfusion_core.errors import BitfusionError, InvalidRequest, MethodNotAllowed, NotFound, RequestTooLarge
from bitfusion_server.api.context import PRINCIPAL, services
from bitfusion_server.auth.access import Permission

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

REQUEST_ID = web.RequestKey("request_id", str)
_HEADER = "X-Request-Id"
_PROBLEM = "application/problem+json"
_GIVEN_ID = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)
_HTTP_ERRORS: dict[int, type[BitfusionError]] = {404: NotFound, 405: MethodNotAllowed, 413: RequestTooLarge}

_log = structlog.get_logger(__name__)


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every error leaves as a problem of the one error tree."""
    given = request.headers.get(_HEADER, "")
    request[REQUEST_ID] = given if _GIVEN_ID.fullmatch(given) else uuid.uuid4().hex
    with structlog.contextvars.bound_contextvars(request_id=request[REQUEST_ID]):
        try:
            response = await handler(request)
        except BitfusionError as error:
            response = _refusal(request, error)
        except web.HTTPException as error:
            response = _refusal(request, _HTTP_ERRORS.get(error.status, InvalidRequest)(error.reason))
        except Exception:  # noqa: BLE001 - the last edge: the reason goes to the log, its number to the caller
            _log.exception("request failed", method=request.method, path=request.path)
            response = _refusal(request, BitfusionError("the server could not serve this request"))
    if not response.prepared:
        response.headers[_HEADER] = request[REQUEST_ID]
    return response


def guarded(handler: Handler, permission: Permission) -> Handler:
    """The handler, after the caller has shown that it may."""

    async def check(request: web.Request) -> web.StreamResponse:
        principal = await services(request).authenticator.authenticate(request.headers.get("Authorization", ""), request.remote or "")
        principal.require(permission)
        request[PRINCIPAL] = principal
        return await handler(request)

    return handler if permission is Permission.PUBLIC else check


def json_response(value: object, status: int = 200) -> web.Response:
    """Any value msgspec knows, as JSON."""
    return web.Response(body=msgspec.json.encode(value), status=status, content_type="application/json")


def _refusal(request: web.Request, error: BitfusionError) -> web.Response:
    response = web.Response(body=msgspec.json.encode(error.problem(request[REQUEST_ID])), status=error.http_status, content_type=_PROBLEM)
    if error.http_status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if "retry_after_s" in error.fields:
        response.headers["Retry-After"] = str(error.fields["retry_after_s"])
    return response
