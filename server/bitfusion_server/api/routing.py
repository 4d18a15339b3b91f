"""What a row of the route table is, and how a row becomes a handler: authorization, validation, the call, the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from bitfusion_core.errors import BitfusionError, InvalidRequest
from bitfusion_server.api.context import PRINCIPAL, Services, services
from bitfusion_server.auth.access import Permission, Principal

T = TypeVar("T")

JSON = "application/json"
LINES = "application/x-ndjson"
MAX_BODY_BYTES = 1 << 20
_READ_TIMEOUT_S = 15.0
_STRANGER = Principal("", None)


@dataclass(frozen=True)
class Call:
    """One request, checked: who asks, and the body and query as the row's types."""

    request: web.Request
    services: Services
    principal: Principal
    body: Any
    query: Any

    @property
    def id(self) -> str:
        """What the path names."""
        return self.request.match_info["id"]

    @property
    def if_match(self) -> str | None:
        """The version the caller has read, if it insists on it."""
        text = self.request.headers.get("If-Match")
        return None if text is None or text.strip() == "*" else text.strip().removeprefix("W/").strip('"')


@dataclass(frozen=True)
class Answer:
    """A value with its version, or with another status than the row's."""

    value: Any
    version: str | None = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Call], Awaitable[Any]]


@dataclass(frozen=True)
class Route:
    """One row. `answer` is the type of the body of a success, None where there is none; the handler's docstring says the rest.

    `also`: other statuses with that body. `versioned`: it has an ETag, and a change takes If-Match. `errors` are those a caller has to expect beside the usual ones: a bad body or query, a missing or insufficient token, a wrong path.
    """

    method: str
    path: str
    handler: Handler
    permission: Permission
    summary: str
    answer: Any = None
    body: type[msgspec.Struct] | None = None
    query: type[msgspec.Struct] | None = None
    status: int = 200
    media: str = JSON
    idempotent: bool = True
    also: tuple[int, ...] = ()
    versioned: bool = False
    errors: tuple[type[BitfusionError], ...] = ()

    def __post_init__(self) -> None:
        if self.method == "GET" and not self.idempotent:
            raise ValueError(f"{self.path}: a GET changes nothing")


def serve(route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """The row as the HTTP library wants it."""

    async def handle(request: web.Request) -> web.StreamResponse:
        principal = await _authorized(request, route.permission)
        body = await read_body(request, route.body) if route.body is not None else None
        query = _query(request, route.query)
        answer = await route.handler(Call(request, services(request), principal, body, query))
        return answer if isinstance(answer, web.StreamResponse) else _response(answer, route)

    return handle


async def _authorized(request: web.Request, permission: Permission) -> Principal:
    """The caller, after it has shown that it may. Nobody is needed where everybody may."""
    if permission is Permission.PUBLIC:
        return _STRANGER
    principal = await services(request).authenticator.authenticate(request.headers.get("Authorization", ""), request.remote or "")
    principal.require(permission)
    request[PRINCIPAL] = principal
    return principal


async def read_body(request: web.Request, kind: type[T]) -> T:
    """The body as a checked value; one that arrives too slowly is refused."""
    try:
        async with asyncio.timeout(_READ_TIMEOUT_S):
            raw = await request.read()
    except TimeoutError as error:
        raise InvalidRequest("the body did not arrive in time", hint="Send the request again.") from error
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"the body cannot be used: {error}") from error


def _query(request: web.Request, kind: type[msgspec.Struct] | None) -> Any:
    """The query as a checked value. Where none is known, any is refused: a misspelt name is an error, not silence."""
    given = dict(request.query)
    if len(given) != len(request.query):
        raise InvalidRequest("a name is given twice in the query")
    if kind is None:
        if given:
            raise InvalidRequest(f"the query has an unknown field {next(iter(given))!r}")
        return None
    try:
        return msgspec.convert(given, type=kind, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"the query cannot be used: {error}") from error


def _response(answer: Any, route: Route) -> web.Response:
    full = answer if isinstance(answer, Answer) else Answer(answer)
    status = full.status or route.status
    headers = dict(full.headers)
    if full.version is not None:
        headers["ETag"] = f'"{full.version}"'
    if full.value is None:
        return web.Response(status=status, headers=headers)
    return web.Response(body=msgspec.json.encode(full.value), status=status, content_type=JSON, headers=headers)
