"""No request, however much it lists, holds up the event loop, in which all others wait."""

from __future__ import annotations

import asyncio
import time

import pytest

from bitfusion_core.metrics import TABLE, WINDOWS, Instance, Sample, Subject
from bitfusion_core.models import HOLD_LEASE, LeaseRequest
from bitfusion_server.api.fields import PageQuery
from bitfusion_server.api.history import WindowQuery
from bitfusion_server.api.routes import ROUTES, Route
from bitfusion_server.api.routing import LINES
from bitfusion_server.metrics.history import CLUSTER
from bitfusion_server.sessions.service import LeaseService
from bitfusion_server.store.base import AuditEntry, Client, Store
from bitfusion_server.store.samples import Point
from tests.server.api.conftest import CLIENT_ID, WHO, Api
from tests.server.conftest import SERVER_ID
from tests.server.loop import watched

LIMIT_S = 0.05
ROWS = 2000
GPUS = 8


def test_what_holds_it_up_is_found() -> None:
    """The measurement sees a callback that works for too long."""

    async def work() -> None:
        ends_at = time.thread_time() + LIMIT_S
        while time.thread_time() < ends_at:
            pass

    with pytest.MonkeyPatch.context() as patch, watched(patch) as longest:
        longest.doing = "work"
        asyncio.run(work())

    assert longest.seconds >= LIMIT_S
    assert longest.during == "work"


async def fill(store: Store) -> None:
    """Much of everything."""
    now = time.time()
    await asyncio.gather(*(store.insert_client(Client(f"c{number:05}", "T", "host", "ann", float(number))) for number in range(ROWS)))
    await asyncio.gather(*(store.append_audit(AuditEntry(number, "ann", "client.disable", "c")) for number in range(ROWS)))
    for window in WINDOWS:
        times = [now - number * window.step_s for number in range(window.span_s // window.step_s)]
        for kind, subject in ((Subject.SERVER, SERVER_ID), (Subject.CLIENT, CLIENT_ID), (Subject.CLUSTER, CLUSTER)):
            await store.samples.put(window, [Point(kind, subject, sample(kind, at)) for at in times])


def sample(kind: Subject, at: float) -> Sample:
    """All figures of a server with eight GPUs and as many interfaces, or of another subject."""
    instances = [f"GPU-5e1f0000-0000-4000-8000-{number:012}" for number in range(GPUS)]
    rows = (row for row in TABLE if row.subject is kind)
    return Sample(at, {row.name: dict.fromkeys(instances if row.instance is not Instance.NONE else [""], 0.123456789) for row in rows})


def queries(route: Route) -> list[str]:
    """Those that ask for most."""
    if route.query is PageQuery:
        return ["?limit=1000"]
    return [f"?window={window.name}" for window in WINDOWS] if route.query is WindowQuery else [""]


async def test_no_answer_holds_it_up(api: Api, service: LeaseService, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every list at its longest, and a queue of two thousand that moves up: no callback takes 50 ms of the processor."""
    await fill(store)
    for _ in range(ROWS):
        service.request(LeaseRequest(2, hold=HOLD_LEASE, timeout_s=1000.0), "T", CLIENT_ID)
        await asyncio.sleep(0)
    async with api.session(api.admin) as http:
        with watched(monkeypatch) as longest:
            for route in ROUTES:
                subject = {"/v1/history/servers/": SERVER_ID, "/v1/servers/": SERVER_ID}
                name = next((one for start, one in subject.items() if route.path.startswith(start)), CLIENT_ID)
                for query in queries(route) if route.method == "GET" and route.media != LINES else ():
                    longest.doing = route.path.replace("{id}", name) + query
                    async with http.get(longest.doing) as response:
                        await response.read()
            longest.doing = "the queue moves up"
            (running,) = service.leases()
            await service.release(running.id)
            async with http.post("/v1/leases", json={"gpus": 1, **WHO}) as response:
                await response.content.readline()
            service.refuse_waiting()

    print(f"longest: {longest.seconds * 1000:.0f} ms, {longest.during}")
    assert longest.seconds < LIMIT_S, longest.during
    assert service.waiting > ROWS - 5
