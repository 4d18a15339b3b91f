"""What happens around every handler: request id, errors as problem details."""

from __future__ import annotations

import re
import uuid
from collections.abc import Awaitable, Callable

import msgspec
import structlog
from aiohttp import web

from bitfusion_core.errors import BitfusionError, InvalidRequest, MethodNotAllowed, NotFound, RequestTooLarge

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

REQUEST_ID = web.RequestKey("request_id", str)
PROBLEM = "application/problem+json"
_HEADER = "X-Request-Id"
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
            response.headers.update({name: value for name, value in error.headers.items() if name == "Allow"})
        except Exception:  # noqa: BLE001 - the last edge: the reason goes to the log, its number to the caller
            _log.exception("request failed", method=request.method, path=request.path)
            response = _refusal(request, BitfusionError("the server could not serve this request"))
    if not response.prepared:
        response.headers[_HEADER] = request[REQUEST_ID]
        response.headers.setdefault("Cache-Control", "no-store")
    return response


def _refusal(request: web.Request, error: BitfusionError) -> web.Response:
    response = web.Response(body=msgspec.json.encode(error.problem(request[REQUEST_ID])), status=error.http_status, content_type=PROBLEM)
    if error.http_status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if "retry_after_s" in error.fields:
        response.headers["Retry-After"] = str(error.fields["retry_after_s"])
    return response
