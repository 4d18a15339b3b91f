"""The OpenAPI 3.1 document of the route table."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec
from aiohttp import web

import bitfusion_core
from bitfusion_core.errors import (
    BitfusionError,
    Forbidden,
    InvalidRequest,
    NotFound,
    RequestTooLarge,
    ServerUnavailable,
    TooManyRequests,
    Unauthenticated,
)
from bitfusion_server.api.middleware import PROBLEM
from bitfusion_server.api.routing import JSON, Call, Route
from bitfusion_server.auth.access import Permission

Document = dict[str, Any]

DOCUMENT = web.AppKey("openapi", Document)
_REFERENCE = "#/components/schemas/{name}"
_ANY_ROLE = (Permission.PUBLIC, Permission.LOOK)


class Problem(msgspec.Struct, frozen=True):
    """Why a request was refused (RFC 9457). `code` is stable, `detail` says why, `hint` what to do."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    hint: str
    request_id: str


async def show(call: Call) -> Document:
    """The routes, bodies and answers of this server."""
    return call.request.app[DOCUMENT]


def document(routes: Iterable[Route]) -> Document:
    """All rows as one document; paths are written in full."""
    rows = tuple(routes)
    paths: dict[str, dict[str, Any]] = {}
    for route in rows:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "GPU server",
            "version": bitfusion_core.__version__,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": _schemas(rows),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "an access token, or that of a login"}},
        },
    }


def _structs(rows: Iterable[Route]) -> list[type]:
    kinds = {kind for route in rows for kind in (route.body, route.answer) if isinstance(kind, type) and issubclass(kind, msgspec.Struct)}
    return [Problem, *sorted(kinds, key=lambda kind: kind.__name__)]


def _schemas(rows: Iterable[Route]) -> dict[str, Any]:
    _, components = msgspec.json.schema_components(_structs(rows), ref_template=_REFERENCE)
    return dict(sorted(components.items()))


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": operation_id(route),
        "tags": [_module(route)],
        "summary": route.summary,
        "description": route.handler.__doc__,
        "x-permission": route.permission.value,
        "x-idempotent": route.idempotent,
        "security": [] if route.permission is Permission.PUBLIC else [{"token": []}],
        "responses": _responses(route),
    }
    parameters = [*_path_parameters(route), *_query_parameters(route), *_header_parameters(route)]
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        operation["requestBody"] = {"required": True, "content": {JSON: {"schema": _reference(route.body)}}}
    return operation


def operation_id(route: Route) -> str:
    """A name for programs that make clients from the document."""
    return f"{_module(route)}_{route.handler.__name__}"


def _module(route: Route) -> str:
    return route.handler.__module__.rpartition(".")[2]


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    names = re.findall(r"{(\w+)}", route.path)
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}} for name in names]


def _query_parameters(route: Route) -> list[dict[str, Any]]:
    if route.query is None:
        return []
    _, components = msgspec.json.schema_components([route.query], ref_template=_REFERENCE)
    schema = components[route.query.__name__]
    required = schema.get("required", [])
    return [{"name": name, "in": "query", "required": name in required, "schema": one} for name, one in schema["properties"].items()]


def _header_parameters(route: Route) -> list[dict[str, Any]]:
    if not (route.versioned and route.body is not None):
        return []
    meaning = "the ETag that was read: change only if nobody has changed it since"
    return [{"name": "If-Match", "in": "header", "required": False, "description": meaning, "schema": {"type": "string"}}]


def _responses(route: Route) -> dict[str, Any]:
    success: dict[str, Any] = {"description": "done"}
    if route.answer is not None:
        success["content"] = {route.media: {"schema": _answer_schema(route)}}
    if route.versioned:
        success["headers"] = {"ETag": {"description": "the version, for If-Match", "schema": {"type": "string"}}}
    responses = {str(status): success for status in (route.status, *route.also)}
    by_status: dict[int, list[type[BitfusionError]]] = {}
    for error in dict.fromkeys(errors_of(route)):
        by_status.setdefault(error.http_status, []).append(error)
    for status, errors in sorted(by_status.items()):
        description = "; ".join(f"`{error.code}`: {error.title}" for error in errors)
        responses.setdefault(str(status), {"description": description, "content": {PROBLEM: {"schema": _reference(Problem)}}})
    return responses


def errors_of(route: Route) -> list[type[BitfusionError]]:
    """What a caller has to expect: the row's own, and what follows from the rest of the row."""
    errors: list[type[BitfusionError]] = [InvalidRequest, *route.errors]
    if route.permission is not Permission.PUBLIC:
        errors += [Unauthenticated, TooManyRequests, ServerUnavailable]
    if route.permission not in _ANY_ROLE:
        errors.append(Forbidden)
    if route.body is not None:
        errors.append(RequestTooLarge)
    if "{" in route.path:
        errors.append(NotFound)
    return errors


def _answer_schema(route: Route) -> dict[str, Any]:
    if route.answer is dict:
        return {"type": "object"}
    if route.answer is bytes:
        return {"type": "string", "format": "binary"}
    return _reference(route.answer)


def _reference(kind: type) -> dict[str, Any]:
    return {"$ref": _REFERENCE.format(name=kind.__name__)}
