"""Settings through the API."""

from __future__ import annotations

from typing import Any

import pytest

from bitfusion_server.sessions.service import LeaseService
from tests.server.api.calls import call, call_full
from tests.server.api.conftest import CLIENT_ID, Api


def value(answer: Any, name: str) -> tuple[Any, bool, Any]:
    """Value, whether it is the object's own, and the default it would match."""
    (row,) = [row for row in answer["settings"] if row["name"] == name]
    return row["value"], row["own"], row["default"]


async def test_match_the_default(api: Api) -> None:
    """A client has the default until it gets a value of its own, and again after that is removed."""
    path = f"/v1/clients/{CLIENT_ID}/settings"
    await call(api, "PATCH", "/v1/settings", {"settings": {"lease.idle_timeout_min": 30}})
    _, before = await call(api, "GET", path, token=api.viewer)
    _, own = await call(api, "PATCH", path, {"settings": {"lease.idle_timeout_min": 5}}, token=api.operator)
    _, after = await call(api, "PATCH", path, {"settings": {"lease.idle_timeout_min": None}}, token=api.operator)

    assert [value(answer, "lease.idle_timeout_min") for answer in (before, own, after)] == [(30, False, 30), (5, True, 30), (30, False, 30)]


async def test_two_people_at_once(api: Api) -> None:
    """The second of two changes that began with the same values is refused with 412; unconditional ones are not."""
    _, _, headers = await call_full(api, "GET", "/v1/settings")
    etag = headers["ETag"]
    body = {"settings": {"queue.max_waiting": 5}}

    first = await call(api, "PATCH", "/v1/settings", body, If_Match=etag)
    second = await call(api, "PATCH", "/v1/settings", {"settings": {"queue.max_waiting": 6}}, If_Match=etag)
    third = await call(api, "PATCH", "/v1/settings", {"settings": {"queue.max_waiting": 7}})

    assert (first[0], second[0], second[1]["code"], third[0]) == (200, 412, "precondition_failed", 200)
    assert value(third[1], "queue.max_waiting") == (7, True, 10000)


@pytest.mark.parametrize(
    "path, given",
    [
        ("/v1/settings", {"no.such": 1}),
        ("/v1/settings", {"manager.listen": "0.0.0.0:1"}),
        ("/v1/settings", {"queue.max_waiting": 0}),
        (f"/v1/clients/{CLIENT_ID}/settings", {"server.accepting": False}),
    ],
)
async def test_bad_values(api: Api, path: str, given: dict[str, Any]) -> None:
    """Unknown, out of scope, out of range: 400, with the name in the message."""
    status, problem = await call(api, "PATCH", path, {"settings": given})

    assert (status, problem["code"]) == (400, "invalid_setting")
    assert next(iter(given)) in problem["detail"]


async def test_unknown_objects(api: Api) -> None:
    """Nobody sets anything for what does not exist."""
    for path in ("/v1/clients/nobody/settings", "/v1/servers/nowhere/settings"):
        assert (await call(api, "GET", path))[0] == 404
        assert (await call(api, "PATCH", path, {"settings": {}}))[0] == 404


async def test_changes_are_in_the_audit_log(api: Api, service: LeaseService) -> None:
    """Which setting of what, before and after."""
    await call(api, "PATCH", f"/v1/servers/{service.server_id}/settings", {"settings": {"metrics.interval_s": "10s"}}, token=api.operator)

    _, log = await call(api, "GET", "/v1/audit")

    (entry,) = log["entries"]
    assert (entry["action"], entry["subject"]) == ("settings.change", f"server/{service.server_id}")
    assert (entry["before"], entry["after"]) == ({}, {"metrics.interval_s": "10.0"})
