"""Clients through the API: disable, enable, delete, quota, extension."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import pytest

from bitfusion_server.auth.clients import Clients
from bitfusion_server.sessions.service import LeaseService
from bitfusion_server.store.base import Store
from tests.server.api.calls import call, lease
from tests.server.api.conftest import CLIENT_ID, OTHER_ID, WHO, Api, LeaseStream
from tests.server.conftest import until
from tests.server.fakes import FakeDispatcher

HALF: dict[str, Any] = {"gpus": 1, "fraction": 0.5, "hold": "lease", **WHO}


async def test_shown_with_what_it_uses(api: Api) -> None:
    """A client's page says who it is, what it may have and what it has."""
    await lease(api, gpus=2, fraction=0.5)

    status, shown = await call(api, "GET", f"/v1/clients/{CLIENT_ID}", token=api.viewer)

    assert status == 200
    assert {
        name: shown[name] for name in ("id", "state", "gpu_quota", "idle_timeout_min", "gpus_in_use", "sessions", "hostname", "user")
    } == {
        "id": CLIENT_ID,
        "state": "active",
        "gpu_quota": 64,
        "idle_timeout_min": 0,
        "gpus_in_use": 1,
        "sessions": 1,
        "hostname": "laptop",
        "user": "ann",
    }


async def test_pages(api: Api) -> None:
    """The list comes in pages that join without gap."""
    _, first = await call(api, "GET", "/v1/clients?limit=1", token=api.viewer)
    _, second = await call(api, "GET", f"/v1/clients?limit=1&cursor={first['next']}", token=api.viewer)

    assert [client["id"] for page in (first, second) for client in page["clients"]] == [CLIENT_ID, OTHER_ID]
    assert second["next"] is None


async def test_disabled_client_starts_nothing_and_keeps_what_runs(api: Api, service: LeaseService) -> None:
    """What runs goes on, what waits is refused, what is new is refused; enabled again everything is possible again."""
    running = await lease(api, gpus=2)
    async with api.session() as http, http.post("/v1/leases", json={"gpus": 1, **WHO}) as response:
        stream = LeaseStream(response)
        await stream.next()
        status, client = await call(api, "POST", f"/v1/clients/{CLIENT_ID}/disable", token=api.operator)
        event = await stream.next(skip="queued")

    assert (status, client["state"]) == (200, "disabled")
    assert (event["event"], event["problem"]["code"]) == ("refused", "client_refused")
    assert await call(api, "POST", "/claim_id", WHO, token=api.client) == (200, {"client_id": CLIENT_ID})
    status, problem = await call(api, "POST", "/v1/leases", HALF, token=api.client)
    assert (status, problem["code"]) == (403, "client_refused")
    assert [one.id for one in service.leases()] == [running]

    await call(api, "POST", f"/v1/clients/{CLIENT_ID}/enable", token=api.operator)
    await service.release(running)
    await lease(api)


async def test_deleted_client_is_cut_off(api: Api, service: LeaseService, dispatcher: FakeDispatcher, store: Store) -> None:
    """Its sessions have ended when the answer comes, nothing is possible any more, its history stays, others are left alone."""
    mine, also_mine = await lease(api, fraction=0.5), await lease(api, fraction=0.5)
    others = await lease(api, token=api.other, client_id=OTHER_ID)

    status, _ = await call(api, "DELETE", f"/v1/clients/{CLIENT_ID}", token=api.operator)

    assert status == 204
    assert [one.id for one in service.leases()] == [others]
    assert dict(dispatcher.revoked) == {mine: "the client was deleted", also_mine: "the client was deleted"}
    assert {ended.lease.id for ended in (await store.ended_leases(10)).items} == {mine, also_mine}
    for method, path, body in (("POST", "/claim_id", WHO), ("POST", "/v1/leases", HALF)):
        status, problem = await call(api, method, path, body, token=api.client)
        assert (status, problem["code"]) == (403, "client_refused")
    status, _ = await call(api, "POST", f"/v1/clients/{CLIENT_ID}/enable")
    assert status == 409


async def test_quota_counts_partitions(api: Api) -> None:
    """With a quota of 1.5 a client has one whole GPU and a half; a third half waits, two GPUs are refused at once; others are not held up."""
    await call(api, "PATCH", f"/v1/clients/{CLIENT_ID}/settings", {"settings": {"client.gpu_quota": 1.5}}, token=api.operator)
    whole = await lease(api)
    await lease(api, fraction=0.5)

    status, problem = await call(api, "POST", "/v1/leases", {"gpus": 2, **WHO}, token=api.client)
    assert status == 409
    assert "quota" in problem["detail"]
    async with api.session() as http, http.post("/v1/leases", json=HALF) as response:
        stream = LeaseStream(response)
        assert "quota" in (await stream.next())["reason"]
        await lease(api, token=api.other, client_id=OTHER_ID, fraction=0.5)
        await call(api, "DELETE", f"/v1/sessions/{whole}", token=api.operator)
        assert (await stream.next(skip="queued"))["event"] == "granted"


async def test_default_quota(api: Api) -> None:
    """The default holds for all who have none of their own."""
    await call(api, "PATCH", "/v1/settings", {"settings": {"client.gpu_quota": 0.5}})

    status, _ = await call(api, "POST", "/v1/leases", {"gpus": 1, **WHO}, token=api.client)
    assert status == 409
    await lease(api, fraction=0.5)


async def test_extend_all(api: Api, store: Store) -> None:
    """All clients that are not deleted last a year longer; the work is a task that says when it is done."""
    await call(api, "POST", "/claim_id", {"hostname": "h", "user": "u"}, token=api.client)
    before = {client.id: client.expires_at for client in (await store.clients(10)).items}

    status, task = await call(api, "POST", "/v1/client-extensions", {}, token=api.operator)
    assert (status, task["state"]) == (202, "running")
    async with asyncio.timeout(5):
        while task["state"] == "running":
            _, task = await call(api, "GET", f"/v1/tasks/{task['id']}", token=api.viewer)

    assert (task["state"], task["result"]) == ("done", "1 clients extended by 365 days")
    after = {client.id: client.expires_at for client in (await store.clients(10)).items}
    token = await store.token(api.client[:7])
    assert token is not None
    assert token.expires_at == max(expires or 0 for expires in after.values())
    gained = {client_id: (after[client_id] or 0) - (expires or 0) for client_id, expires in before.items()}
    assert sorted(gained.values()) == [0, 0, 365 * 86400.0]


async def test_drain(api: Api, service: LeaseService) -> None:
    """A server that takes no new applications refuses them, lets those run that do, and serves again when it is told to."""
    running = await lease(api)
    path = f"/v1/servers/{service.server_id}/settings"
    await call(api, "PATCH", path, {"settings": {"server.accepting": False}}, token=api.operator)

    status, problem = await call(api, "POST", "/v1/leases", HALF, token=api.client)
    assert (status, problem["code"]) == (503, "not_accepting")
    assert [one.id for one in service.leases()] == [running]

    await call(api, "PATCH", path, {"settings": {"server.accepting": None}}, token=api.operator)
    await lease(api)
    await until(lambda: len(service.leases()) == 2)


async def test_a_client_whose_time_runs_out(api: Api, service: LeaseService, clients: Clients, store: Store) -> None:
    """It is shown as expired, its session ends, what it waits for is refused; extended it starts again."""
    client = await store.client(CLIENT_ID)
    assert client is not None
    over = dataclasses.replace(client, expires_at=1.0)
    await lease(api)
    async with api.session() as http, http.post("/v1/leases", json={"gpus": 2, **WHO}) as response:
        stream = LeaseStream(response)
        assert (await stream.next())["event"] == "queued"
        assert await store.replace_client(over, client)
        clients.remember(over)
        service.end_expired()
        assert (await stream.next(skip="queued"))["problem"]["code"] == "token_expired"

    _, shown = await call(api, "GET", f"/v1/clients/{CLIENT_ID}", token=api.viewer)
    assert shown["state"] == "expired"
    await until(lambda: not service.leases())
    _, past = await call(api, "GET", "/v1/ended-sessions", token=api.viewer)
    assert past["sessions"][0]["reason"] == "the time of the client has run out"
    await api.services.administration.clients.extend("a", 1)
    await lease(api)


@pytest.mark.parametrize(
    "agent, version", [("bitfusion/0.1.0", "0.1.0"), ("bitfusion/1.2 extra", "1.2"), ("curl/8", ""), ("bitfusion/<b>", "")]
)
async def test_version_of_the_software(api: Api, agent: str, version: str) -> None:
    """The client names it with every request; who looks at clients sees the last one."""
    async with api.session() as http, http.post("/claim_id", json=WHO, headers={"User-Agent": agent}) as response:
        assert response.status == 200

    _, shown = await call(api, "GET", f"/v1/clients/{CLIENT_ID}", token=api.viewer)
    assert shown["version"] == version
