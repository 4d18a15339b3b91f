"""Access tokens through the API."""

from __future__ import annotations

import io
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest

from bitfusion_client import config, identity
from bitfusion_server.auth.authority import TlsFiles
from bitfusion_server.sessions.service import LeaseService
from tests.server.api.calls import call, call_full, lease
from tests.server.api.conftest import WHO, Api, LeaseStream


async def create(api: Api, **fields: Any) -> dict[str, Any]:
    """A new token."""
    status, created = await call(api, "POST", "/v1/tokens", fields)
    assert status == 201
    return dict(created)


async def test_life(api: Api) -> None:
    """Created, used, listed without its text, deactivated, activated, expired, deleted: each is in force at once."""
    created = await create(api, description="laboratory")
    text, path = created["text"], f"/v1/tokens/{created['token']['id']}"
    assert (await call(api, "GET", "/query", token=text))[0] == 200

    _, listed = await call(api, "GET", "/v1/tokens")
    assert created["token"] in listed["tokens"]
    assert text.partition(".")[2] not in str(listed)
    lasts_s = created["token"]["expires_at"] - created["token"]["created_at"]
    assert lasts_s == 365 * 86400

    for change, status in (({"active": False}, 401), ({"active": True}, 200), ({"expires_at": 5.0}, 401), ({"expires_at": None}, 200)):
        assert (await call(api, "PATCH", path, change))[0] == 200
        assert (await call(api, "GET", "/query", token=text))[0] == status, change
    _, shown = await call(api, "PATCH", path, {"description": "workshop"})
    assert (shown["description"], shown["active"], shown["expires_at"]) == ("workshop", True, None)

    assert (await call(api, "DELETE", path))[0] == 204
    assert (await call(api, "GET", "/query", token=text))[0] == 401
    assert (await call(api, "GET", path))[0] == 404


async def test_expired_says_so(api: Api) -> None:
    """The user of an expired token learns when it expired."""
    created = await create(api)
    await call(api, "PATCH", f"/v1/tokens/{created['token']['id']}", {"expires_at": 0.0})

    status, problem = await call(api, "GET", "/query", token=created["text"])

    assert (status, problem["code"], problem["detail"]) == (401, "token_expired", "Token expired at: 1970-01-01T00:00:00Z")


async def test_deleting_a_token_ends_what_runs_with_it(api: Api, service: LeaseService) -> None:
    """A revoked token's sessions are cut off; one that is only inactive keeps them."""
    token_id = api.client[:7]
    await lease(api)
    await call(api, "PATCH", f"/v1/tokens/{token_id}", {"active": False})
    assert len(service.leases()) == 1

    await call(api, "DELETE", f"/v1/tokens/{token_id}")

    assert service.leases() == ()


@pytest.mark.parametrize("method, body", [("DELETE", None), ("PATCH", {"active": False})])
async def test_a_revoked_token_gets_nothing_it_waits_for(api: Api, method: str, body: Any) -> None:
    """A request that waits when its token is deleted or deactivated is refused."""
    await lease(api, gpus=2, token=api.admin, client_id=None)
    async with api.session() as http, http.post("/v1/leases", json={"gpus": 1, **WHO}) as response:
        stream = LeaseStream(response)
        await stream.next()

        await call(api, method, f"/v1/tokens/{api.client[:7]}", body)

        event = await stream.next(skip="queued")
    assert (event["event"], event["problem"]["code"]) == ("refused", "unauthenticated")


async def test_download_enables_a_client(api: Api, tls_files: TlsFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tar file holds exactly the three files, the client's own code reads them, and its token is good; again and again."""
    created = await create(api)
    token_id = created["token"]["id"]
    for _ in range(2):
        status, archive, headers = await call_full(api, "GET", f"/v1/tokens/{token_id}/download")
    assert (status, headers["Content-Type"]) == (200, "application/x-tar")
    assert headers["Content-Disposition"] == f'attachment; filename="{token_id}.tar"'

    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        assert {entry.name: entry.mode for entry in tar} == {"ca.crt": 0o644, "client.yaml": 0o600, "servers.conf": 0o644}
        tar.extractall(tmp_path, filter="data")
    (tmp_path / "tls").mkdir()
    (tmp_path / "ca.crt").rename(tmp_path / "tls" / "ca.crt")
    monkeypatch.setenv("BITFUSION_HOME", str(tmp_path))
    known = identity.load()
    assert (known.token, known.ca_file.read_bytes()) == (created["text"], tls_files.ca_certificate.read_bytes())
    assert [server.port for server in config.servers()] == [56001]


async def test_only_a_clients_token_can_be_downloaded(api: Api) -> None:
    """A token for people enables no machine, and one whose text is not known cannot be given again."""
    created = await create(api, role="viewer")
    assert created["token"]["expires_at"] is None

    assert (await call(api, "GET", f"/v1/tokens/{created['token']['id']}/download"))[0] == 400
    assert (await call(api, "GET", f"/v1/tokens/{api.client[:7]}/download"))[0] == 409


async def test_bad_changes(api: Api) -> None:
    """Unknown fields, roles and lifetimes are refused."""
    for body in ({"role": "root"}, {"lifetime_days": 0}, {"descriptions": "x"}, {"description": "x" * 2000}):
        assert (await call(api, "POST", "/v1/tokens", body))[0] == 400
    for change in ({"role": "administrator"}, {"expires_at": "soon"}, {"active": None}):
        assert (await call(api, "PATCH", f"/v1/tokens/{api.client[:7]}", change))[0] == 400


async def test_every_change_is_in_the_audit_log(api: Api) -> None:
    """Who, what, before, after; only what is different, and no secret."""
    started = time.time()
    created = await create(api, description="a")
    path = f"/v1/tokens/{created['token']['id']}"
    await call(api, "PATCH", path, {"description": "b"})
    await call(api, "GET", f"{path}/download")
    await call(api, "DELETE", path)

    _, log = await call(api, "GET", "/v1/audit?limit=4")

    assert [entry["action"] for entry in log["entries"]] == ["token.delete", "token.download", "token.change", "token.create"]
    assert {entry["actor"] for entry in log["entries"]} == {f"token {api.admin[:7]}"}
    assert (log["entries"][2]["before"], log["entries"][2]["after"]) == ({"description": "a"}, {"description": "b"})
    assert all(entry["at"] >= started for entry in log["entries"])
    assert created["text"].partition(".")[2] not in str(log)
    assert "hash" not in str(log)
