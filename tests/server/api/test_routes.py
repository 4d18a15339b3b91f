"""What holds for every row of the route table."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bitfusion_server.api import openapi
from bitfusion_server.api.routes import ROUTES, Route
from bitfusion_server.api.routing import LINES
from bitfusion_server.auth.access import Permission
from bitfusion_server.sessions.service import LeaseService
from bitfusion_server.store.base import Store
from tests.server.api.conftest import CLIENT_ID, WHO, Api
from tests.server.fakes import FakeDispatcher

REPOSITORY = Path(__file__).resolve().parents[3]
OPEN = {("GET", "/livez"), ("GET", "/readyz"), ("POST", "/v1/login")}
# What a viewer may send that is no GET concerns the viewer alone.
ABOUT_ONESELF = {("POST", "/v1/logout"), ("PUT", "/v1/me/password")}
BODIES: dict[str, Any] = {
    "/v1/leases": {"gpus": 1, **WHO},
    "/claim_id": WHO,
    "/v1/tokens": {"role": "administrator"},
    "/v1/users": {"name": "eve", "password": "a long password", "role": "administrator"},
    "/v1/settings": {"settings": {"server.accepting": False}},
    "/v1/me/password": {"old": "x", "new": "a long password"},
    "/v1/certificates/authority": {"overlap_days": 100_000},
    "/v1/certificates/installed": {"certificate": "x", "key": "x"},
}


NOBODY = {"hostname": "laptop", "user": "ann"}
KEY_OF_NOBODY = {"certificate": "x", "key": "-----BEGIN PRIVATE KEY-----\ncanary-key\n-----END PRIVATE KEY-----"}


def path_of(route: Route) -> str:
    """The path with something real in it."""
    return route.path.replace("{id}", CLIENT_ID)


async def ask(http: aiohttp.ClientSession, route: Route) -> tuple[int, str]:
    """Status and error code of a reasonable request to a route."""
    body = BODIES.get(route.path, {"settings": {}} if route.path.endswith("settings") else {})
    async with http.request(route.method, path_of(route), json=body if route.body is not None else None) as response:
        text = await response.text() if response.content_type != "application/x-tar" else "{}"
        return response.status, json.loads(text).get("code", "") if response.status >= 400 else ""


@pytest.mark.parametrize("token", ["", "ABCDEF2.wrong"], ids=["no token", "wrong token"])
async def test_nothing_without_a_token(api: Api, service: LeaseService, dispatcher: FakeDispatcher, store: Store, token: str) -> None:
    """Whatever is asked: without a good token the answer is 401 and nothing happens. Only probes and the login are open."""
    guarded = [route for route in ROUTES if (route.method, route.path) not in OPEN]
    api.services.authenticator._limiter._failures = len(ROUTES) + 1
    async with api.session(token) as http:
        for route in guarded:
            async with http.request(route.method, path_of(route), json=BODIES.get(route.path, {})) as response:
                problem = await response.json()
            seen = (response.status, problem["code"], response.headers.get("WWW-Authenticate"))
            assert seen == (401, "unauthenticated", "Bearer"), f"{route.method} {route.path}"

    assert {(r.method, r.path) for r in ROUTES if r.permission is Permission.PUBLIC} == OPEN
    assert (service.leases(), service.waiting, dispatcher.sessions) == ((), 0, {})
    assert (await store.audit(10)).items == ()


async def test_a_viewer_changes_nothing(api: Api, service: LeaseService, dispatcher: FakeDispatcher, store: Store) -> None:
    """With a viewer's token every request that could change something is refused, and nothing has changed afterwards."""
    before = await everything(store)
    refused = 0
    async with api.session(api.viewer) as http:
        for route in ROUTES:
            if route.method == "GET" or (route.method, route.path) in OPEN | ABOUT_ONESELF:
                continue
            assert await ask(http, route) == (403, "forbidden"), f"{route.method} {route.path}"
            refused += 1

    assert refused > 15
    assert await everything(store) == before
    assert (service.leases(), service.waiting, dispatcher.sessions) == ((), 0, {})


async def test_no_secret_is_logged(api: Api, store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever asks for whatever: neither the log nor the audit log holds a token, a password, a session key or a private key."""
    secrets = ["canary-secret", "canary-password", BODIES["/v1/users"]["password"], "canary-key"]
    async with api.session(api.operator) as http, http.post("/v1/leases", json={"gpus": 1, "hold": "lease", **NOBODY}) as response:
        secrets.append(json.loads((await response.text()).splitlines()[-1])["lease"]["key"])
    secrets.append(await created(api))
    bodies = {**BODIES, "/v1/login": {"user": "eve", "password": "canary-password"}, "/v1/certificates/installed": KEY_OF_NOBODY}
    for token in (api.admin, api.operator, api.viewer, api.client, "ABCDEF2.canary-secret"):
        secrets.append(token.partition(".")[2])
        async with api.session(token) as http:
            for route in ROUTES:
                if route.media != LINES and route.path != "/v1/me/password":
                    async with http.request(route.method, path_of(route), json=bodies.get(route.path, {})) as response:
                        await response.read()

    captured = capsys.readouterr()
    written = f"{captured.out}{captured.err}{(await store.audit(100)).items}"
    assert all(event in written for event in ("authentication failed", "token.create", "user.create", "lease granted"))
    for secret in secrets:
        assert secret not in written


async def created(api: Api) -> str:
    """The secret of a new token."""
    async with api.session(api.admin) as http, http.post("/v1/tokens", json={"role": "viewer"}) as response:
        return str((await response.json())["text"]).partition(".")[2]


async def everything(store: Store) -> tuple[object, ...]:
    """All that administrators could have changed."""
    return (await store.tokens(), await store.users(), await store.clients(100), await store.settings(), await store.audit(100))


@pytest.mark.parametrize("role", ["client", "operator", "viewer", "admin"])
async def test_roles_open_what_the_table_says(api: Api, role: str) -> None:
    """403 for a role without the row's permission, anything else for one that has it."""
    token = getattr(api, role)
    async with api.session(token) as http:
        principal = await api.services.authenticator.authenticate(token, "test")
        for route in ROUTES:
            if route.method == "GET" and route.path not in ("/v1/leases/{id}/hold", "/v1/tokens/{id}/download"):
                status, _ = await ask(http, route)
                assert (status == 403) == (not principal.may(route.permission)), f"{route.method} {route.path}"


def test_rows_are_unique_and_described() -> None:
    """Each route has one row, a name of its own, and a handler that says what it does."""
    assert len({(route.method, route.path) for route in ROUTES}) == len(ROUTES)
    assert len({openapi.operation_id(route) for route in ROUTES}) == len(ROUTES)
    assert all(route.handler.__doc__ and route.summary for route in ROUTES)


def test_the_document_is_complete() -> None:
    """Every row is in it with its full path, and every reference in it leads somewhere."""
    document = openapi.document(ROUTES)

    assert document["openapi"].startswith("3.1")
    assert {(method.upper(), path) for path, item in document["paths"].items() for method in item} == {(r.method, r.path) for r in ROUTES}
    for reference in references(document):
        assert reference.removeprefix("#/components/schemas/") in document["components"]["schemas"]
    for path, item in document["paths"].items():
        for operation in item.values():
            named = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "path"}
            assert named == set(re.findall(r"{(\w+)}", path))


def references(value: Any) -> Iterator[str]:
    """All `$ref` of a document."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for one in value.values():
            yield from references(one)
    elif isinstance(value, list):
        for one in value:
            yield from references(one)


async def test_the_document_is_served(api: Api) -> None:
    """A client finds the document at the server."""
    async with api.session() as http, http.get("/v1/openapi.json") as response:
        assert await response.json() == json.loads(json.dumps(openapi.document(ROUTES)))


@pytest.mark.parametrize("query", ["?limit=0", "?limit=x", "?cursor=nowhere", "?limits=5", "?limit=1&limit=2"])
async def test_bad_queries(api: Api, query: str) -> None:
    """A query that cannot be meant is refused with its reason."""
    async with api.session(api.viewer) as http, http.get(f"/v1/clients{query}") as response:
        problem = await response.json()

    assert response.status == 400
    assert problem["detail"]


async def test_unknown_query_fields_are_refused_everywhere(api: Api) -> None:
    """Also where a route takes none."""
    async with api.session() as http, http.get("/query?verbose=1") as response:
        assert (response.status, (await response.json())["detail"]) == (400, "the query has an unknown field 'verbose'")
