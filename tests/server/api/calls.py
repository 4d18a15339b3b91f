"""Short forms of what many tests ask of the API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.server.api.conftest import WHO, Api, LeaseStream


async def call(api: Api, method: str, path: str, body: Any = None, *, token: str | None = None, **headers: str) -> tuple[int, Any]:
    """Status and JSON of one request, by default an administrator's."""
    status, answer, _ = await call_full(api, method, path, body, token=token, **headers)
    return status, answer


async def call_full(
    api: Api, method: str, path: str, body: Any = None, *, token: str | None = None, **headers: str
) -> tuple[int, Any, Mapping[str, str]]:
    """The same with the headers of the answer."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    async with api.session(api.admin if token is None else token) as http, http.request(method, path, json=body, headers=sent) as response:
        return response.status, await response.json() if response.content_type.endswith("json") else await response.read(), response.headers


async def lease(api: Api, *, token: str | None = None, **fields: Any) -> str:
    """Take GPUs for good; the id of the lease."""
    async with api.session(token) as http, http.post("/v1/leases", json={"gpus": 1, "hold": "lease", **WHO, **fields}) as response:
        event = await LeaseStream(response).next(skip="queued")
        return str(event["lease"]["id"])
