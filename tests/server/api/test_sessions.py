"""Sessions as administrators see them."""

from __future__ import annotations

import time

from bitfusion_server.sessions.service import LeaseService
from tests.server.api.calls import call, lease
from tests.server.api.conftest import CLIENT_ID, Api
from tests.server.conftest import until
from tests.server.fakes import FakeDispatcher


async def test_who_uses_what(api: Api, service: LeaseService, dispatcher: FakeDispatcher) -> None:
    """Client, user, host, command, GPUs, memory, since, last activity, bytes of all its processes, also of those that have ended."""
    lease_id = await lease(api, fraction=0.5, command=["python", "x.py"])
    for process, calls in (("a", 5), ("b", 7)):
        dispatcher.emit(event="stats", session=lease_id, process=process, calls=calls, bytes_in=100, bytes_out=10)
    dispatcher.emit(event="worker_ended", session=lease_id, process="a", reason="exit")
    await until(lambda: service.session(lease_id).processes == 1)

    _, listed = await call(api, "GET", "/v1/sessions", token=api.viewer)

    (shown,) = listed["sessions"]
    assert (shown["client_id"], shown["user"], shown["hostname"], shown["command"]) == (CLIENT_ID, "ann", "laptop", ["python", "x.py"])
    assert (shown["memory_mib"], [gpu["index"] for gpu in shown["gpus"]]) == (8000, [0])
    assert (shown["processes"], shown["calls"], shown["bytes_in"], shown["bytes_out"]) == (1, 12, 200, 20)
    assert shown["since"] <= shown["last_activity"] <= time.time() + 1


async def test_figures_that_are_no_figures(api: Api, service: LeaseService, dispatcher: FakeDispatcher) -> None:
    """What a worker reports is not trusted to be numbers."""
    lease_id = await lease(api)
    dispatcher.emit(event="stats", session=lease_id, process="a", calls="many", bytes_in=None, bytes_out=[])
    await until(lambda: service.session(lease_id).processes == 1)

    assert (await call(api, "GET", f"/v1/sessions/{lease_id}"))[1]["calls"] == 0


async def test_terminate(api: Api, service: LeaseService, dispatcher: FakeDispatcher) -> None:
    """An operator ends a session; it is gone, in the history with its reason, and in the audit log."""
    lease_id = await lease(api)

    assert (await call(api, "DELETE", f"/v1/sessions/{lease_id}", token=api.operator))[0] == 204

    assert service.leases() == ()
    assert dispatcher.revoked == [(lease_id, "terminated by an administrator")]
    _, ended = await call(api, "GET", "/v1/ended-sessions", token=api.viewer)
    assert [(one["id"], one["reason"]) for one in ended["sessions"]] == [(lease_id, "terminated by an administrator")]
    _, log = await call(api, "GET", "/v1/audit")
    assert (log["entries"][0]["action"], log["entries"][0]["subject"]) == ("session.terminate", f"session {lease_id}")
    assert (await call(api, "GET", f"/v1/sessions/{lease_id}"))[0] == 404


async def test_viewers_see_the_leases_of_all(api: Api) -> None:
    """What is a lease to its client is a session to a viewer, who cannot end it."""
    lease_id = await lease(api)

    assert (await call(api, "GET", f"/v1/leases/{lease_id}", token=api.viewer))[0] == 200
    assert (await call(api, "DELETE", f"/v1/leases/{lease_id}", token=api.viewer))[0] == 403
    assert (await call(api, "GET", f"/v1/leases/{lease_id}", token=api.other))[0] == 404
