"""The lease stream and its neighbours over real TLS connections."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from bitfusion_server.sessions.service import LeaseService
from tests.server.api.conftest import WHO, Api, LeaseStream
from tests.server.conftest import until
from tests.server.fakes import FakeDispatcher

WHOLE: dict[str, Any] = {"gpus": 1, **WHO}
BOTH: dict[str, Any] = {"gpus": 2, **WHO}


async def test_grant_as_in_the_contract(api: Api, dispatcher: FakeDispatcher) -> None:
    """Every field the launcher needs is there, and the key is the one admitted."""
    body = {"gpus": 2, "fraction": 0.5, "hold": "connection", "timeout_s": 5, "command": ["python", "x.py"], **WHO}
    async with api.session() as http, http.post("/v1/leases", json=body) as response:
        event = await LeaseStream(response).next(skip="queued")

        lease = event["lease"]
        assert event["event"] == "granted"
        assert dispatcher.sessions[lease["id"]]["key"] == lease.pop("key")
        del lease["id"]
        assert lease == {
            "server_id": api.services.leases.server_id,
            "address": "127.0.0.1",
            "dispatcher_port": 55001,
            "srs_port": 56001,
            "version": "0.1.0",
            "tls": True,
            "gpus": [
                {"index": 0, "uuid": "GPU-0", "name": "Simulated A2", "memory_mib": 8000},
                {"index": 1, "uuid": "GPU-1", "name": "Simulated A2", "memory_mib": 8000},
            ],
            "memory_mib": 8000,
            "fraction": 0.5,
            "idle_timeout_min": 0,
        }


async def test_heartbeats_then_the_end(api: Api, service: LeaseService) -> None:
    """A held lease beats; when it is taken away the holder learns why."""
    async with api.session() as http, http.post("/v1/leases", json=WHOLE) as response:
        stream = LeaseStream(response)
        lease_id = (await stream.next())["lease"]["id"]
        assert await stream.next() == {"event": "heartbeat"}

        service.end(lease_id, "maintenance")

        assert await stream.next(skip="heartbeat") == {"event": "ended", "reason": "maintenance"}
        assert await response.content.readline() == b""


async def test_closed_connection_ends_the_lease_at_once(api: Api, service: LeaseService) -> None:
    """The client dies: its GPUs are free well within a second."""
    async with api.session() as http:
        response = await http.post("/v1/leases", json=WHOLE)
        await LeaseStream(response).next()
        assert len(service.leases()) == 1
        started = time.monotonic()
        response.close()

        await until(lambda: not service.leases())

    assert time.monotonic() - started < 1.0


async def test_queue_and_cancel(api: Api, service: LeaseService) -> None:
    """A waiting client sees its place; whoever closes the stream has left the queue."""
    async with api.session() as http:
        holder = await http.post("/v1/leases", json=BOTH)
        await LeaseStream(holder).next()
        first = await http.post("/v1/leases", json=BOTH)
        second = await http.post("/v1/leases", json=BOTH)
        event = await LeaseStream(first).next()
        assert event.pop("waited_s") < 1
        assert event == {"event": "queued", "place": 1, "reason": "2 whole GPUs needed, 0 free"}
        assert (await LeaseStream(second).next())["place"] == 2

        first.close()

        assert (await LeaseStream(second).next())["place"] == 1
        holder.close()
        assert (await LeaseStream(second).next())["event"] == "granted"
        assert service.waiting == 0
        second.close()


async def test_time_out(api: Api) -> None:
    """A bounded wait ends with its reason."""
    async with api.session() as http:
        holder = await http.post("/v1/leases", json=BOTH)
        await LeaseStream(holder).next()
        async with http.post("/v1/leases", json={**WHOLE, "timeout_s": 0.05}) as response:
            event = await LeaseStream(response).next(skip="queued")

        assert (event["event"], event["reason"]) == ("timeout", "1 whole GPU needed, 0 free")
        holder.close()


async def test_never_fits(api: Api) -> None:
    """What can never be satisfied is refused before anything is streamed."""
    async with api.session() as http, http.post("/v1/leases", json={"gpus": 3, **WHO}) as response:
        problem = await response.json()

    assert (response.status, problem["code"], problem["detail"]) == (409, "never_fits", "3 GPUs requested, the server has 2")


async def test_lease_without_connection(api: Api, service: LeaseService) -> None:
    """`hold: lease` ends the stream after the grant and lives until it is deleted."""
    async with api.session() as http:
        async with http.post("/v1/leases", json={**WHOLE, "hold": "lease"}) as response:
            stream = LeaseStream(response)
            lease_id = (await stream.next())["lease"]["id"]
            assert await response.content.readline() == b""
        async with http.post(f"/v1/leases/{lease_id}/keep") as response:
            assert response.status == 204
        assert not service.session(lease_id).unclaimed
        async with http.get(f"/v1/leases/{lease_id}") as response:
            shown = await response.json()
        assert (shown["id"], shown["user"], "key" in shown) == (lease_id, "ann", False)

        async with http.delete(f"/v1/leases/{lease_id}") as response:
            assert response.status == 204
        assert not service.leases()
        async with http.delete(f"/v1/leases/{lease_id}") as response:
            assert response.status == 404


async def test_a_stranger_sees_nothing(api: Api, service: LeaseService) -> None:
    """Another client can neither see, hold nor end the lease; an administrator sees it."""
    async with api.session() as http, http.post("/v1/leases", json={**WHOLE, "hold": "lease"}) as response:
        lease_id = (await LeaseStream(response).next())["lease"]["id"]
    async with api.session(api.other) as http:
        async with http.get("/v1/leases") as response:
            assert await response.json() == {"leases": []}
        for method, path in (("GET", ""), ("GET", "/hold"), ("DELETE", "")):
            async with http.request(method, f"/v1/leases/{lease_id}{path}") as response:
                assert response.status == 404
    async with api.session(api.admin) as http, http.get("/v1/leases") as response:
        assert [lease["id"] for lease in (await response.json())["leases"]] == [lease_id]
    assert len(service.leases()) == 1


async def test_holder_comes_back(api: Api, service: LeaseService) -> None:
    """While one holder is left the lease lives; with the last it ends."""
    async with api.session() as http:
        first = await http.post("/v1/leases", json=WHOLE)
        lease_id = (await LeaseStream(first).next())["lease"]["id"]
        again = await http.get(f"/v1/leases/{lease_id}/hold")
        assert await LeaseStream(again).next() == {"event": "heartbeat"}
        first.close()
        assert await LeaseStream(again).next() == {"event": "heartbeat"}
        assert len(service.leases()) == 1

        again.close()

        await until(lambda: not service.leases())
        async with http.get(f"/v1/leases/{lease_id}/hold") as response:
            assert response.status == 404


@pytest.mark.parametrize(
    "body, part",
    [
        ({"gpus": 0, **WHO}, "$.gpus"),
        ({"gpus": "1", **WHO}, "$.gpus"),
        ({"gpus": 1}, "hostname"),
        ({"gpus": 1, "fraction": 1.5, **WHO}, "$.fraction"),
        ({"gpus": 1, "fraction": 0.5, "memory_mib": 5, **WHO}, "exclude each other"),
        ({"gpus": 1, "memory_mib": 0, **WHO}, "$.memory_mib"),
        ({"gpus": 1, "hold": "forever", **WHO}, "$.hold"),
        ({"gpus": 1, "timeout_s": -1, **WHO}, "$.timeout_s"),
        ({"gpus": 1, "gpu_count": 2, **WHO}, "gpu_count"),
        ({"gpus": 1, "filters": {"device.nane": ["x"]}, **WHO}, "Did you mean device.name"),
        ({"gpus": 1, "filters": {"device.name": []}, **WHO}, "$.filters"),
        ([], "Expected `object`"),
    ],
)
async def test_bad_bodies(api: Api, service: LeaseService, body: object, part: str) -> None:
    """A body that is not as it should be is refused with the place of the fault, and leaves nothing."""
    async with api.session() as http, http.post("/v1/leases", json=body) as response:
        problem = await response.json()

    assert response.status == 400
    assert part in problem["detail"]
    assert (service.waiting, service.leases()) == (0, ())


async def test_client_identity_is_checked(api: Api) -> None:
    """A lease names only a client of the caller's own token."""
    async with api.session() as http, http.post("/claim_id", json=WHO) as response:
        client_id = (await response.json())["client_id"]
    body = {**WHOLE, "hold": "lease", "client_id": client_id}

    async with api.session(api.other) as http, http.post("/v1/leases", json=body) as response:
        assert (response.status, (await response.json())["code"]) == (403, "client_refused")
    async with api.session() as http, http.post("/v1/leases", json=body) as response:
        assert (await LeaseStream(response).next())["event"] == "granted"


async def test_many_at_once(api: Api, service: LeaseService) -> None:
    """Thirty clients on two GPUs are all served, and nothing is left."""

    async def use() -> None:
        async with api.session() as http, http.post("/v1/leases", json=WHOLE) as response:
            assert (await LeaseStream(response).next(skip="queued"))["event"] == "granted"

    await asyncio.gather(*(use() for _ in range(30)))
    await until(lambda: not service.leases() and service.waiting == 0)


async def test_secrets_stay_out_of_the_log(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither the session key nor a token, good or bad, is written anywhere."""
    async with api.session() as http, http.post("/v1/leases", json=WHOLE) as response:
        key = (await LeaseStream(response).next())["lease"]["key"]
    async with api.session("BADBAD2.canary-secret") as http, http.get("/query") as response:
        assert response.status == 401
    async with api.session() as http, http.post("/v1/leases", json={**WHOLE, "gpus": 1.5}) as response:
        assert response.status == 400
    await until(lambda: not api.services.leases.leases())

    captured = capsys.readouterr()
    written = captured.out + captured.err
    assert "lease granted" in written
    for secret in (key, api.client.partition(".")[2], "canary-secret"):
        assert secret not in written
