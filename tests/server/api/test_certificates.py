"""Certificates through the API: renewed and replaced while a lease goes on."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest
import trustme

from bitfusion_server.auth.authority import TlsFiles
from bitfusion_server.sessions.service import LeaseService
from tests.server.api.calls import call
from tests.server.api.conftest import WHO, Api, LeaseStream


@pytest.fixture
def other_authority() -> trustme.CA:
    """A company's own."""
    return trustme.CA()


async def fingerprint(api: Api) -> str:
    """Of the certificate that new connections meet."""
    _, answer = await call(api, "GET", "/v1/certificates", token=api.viewer)
    return next(str(one["sha256"]) for one in answer["certificates"] if one["in_use"] and one["kind"] != "authority")


async def test_renewal_drops_nothing(api: Api, service: LeaseService) -> None:
    """New connections meet the new certificate, which clients trust as before; the stream that holds a lease goes on."""
    async with api.session() as http, http.post("/v1/leases", json={"gpus": 1, **WHO}) as response:
        stream = LeaseStream(response)
        await stream.next()
        before = await fingerprint(api)

        for body in ({}, {"authority": True}):
            assert (await call(api, "POST", "/v1/certificates/renew", body))[0] == 200

        assert await fingerprint(api) != before
        assert (await stream.next())["event"] == "heartbeat"
        assert len(service.leases()) == 1


async def test_a_certificate_of_another_authority(
    api: Api, tls_files: TlsFiles, other_authority: trustme.CA, capsys: pytest.CaptureFixture[str]
) -> None:
    """Installed, it is what new connections meet; removed, the server's own is there again."""
    issued = other_authority.issue_cert("127.0.0.1")
    body = {
        "certificate": issued.cert_chain_pems[0].bytes().decode(),
        "key": issued.private_key_pem.bytes().decode(),
        "authority": other_authority.cert_pem.bytes().decode(),
    }
    own = await fingerprint(api)
    assert (await call(api, "PUT", "/v1/certificates/installed", body))[0] == 200
    old_trust, api.trust = api.trust, ssl.create_default_context(cadata=body["authority"])
    try:
        assert await fingerprint(api) != own
        assert (await call(api, "DELETE", "/v1/certificates/installed"))[0] == 204
    finally:
        api.trust = old_trust
    assert await fingerprint(api) == own
    _, log = await call(api, "GET", "/v1/audit")
    assert [entry["action"] for entry in log["entries"]] == ["certificate.uninstall", "certificate.install"]
    captured = capsys.readouterr()
    written = f"{log}{captured.out}{captured.err}"
    assert "certificate.install" in written
    assert "PRIVATE KEY" not in written
    assert body["key"].splitlines()[1] not in written


async def test_what_cannot_work_is_not_installed(api: Api, tls_files: TlsFiles, other_authority: trustme.CA, tmp_path: Path) -> None:
    """A foreign key, garbage, nothing: refused, and the certificate in use stays."""
    one, two = other_authority.issue_cert("127.0.0.1"), other_authority.issue_cert("127.0.0.1")
    certificate, key = one.cert_chain_pems[0].bytes().decode(), two.private_key_pem.bytes().decode()
    before = await fingerprint(api)

    for body in ({"certificate": certificate, "key": key}, {"certificate": "x", "key": key}, {"certificate": certificate, "key": ""}):
        status, problem = await call(api, "PUT", "/v1/certificates/installed", body)
        assert (status, problem["code"]) == (400, "bad_certificate")

    assert await fingerprint(api) == before


async def test_a_new_authority_drops_nothing(api: Api, service: LeaseService, tls_files: TlsFiles) -> None:
    """New connections of clients that know the old authority or the new one are served; the stream that holds a lease goes on."""
    async with api.session() as http, http.post("/v1/leases", json={"gpus": 1, **WHO}) as response:
        stream = LeaseStream(response)
        await stream.next()
        old = await asyncio.to_thread(tls_files.trusted)

        status, answer = await call(api, "POST", "/v1/certificates/authority", {"overlap_days": 30})

        assert (status, {one["kind"] for one in answer["certificates"] if one["in_use"]}) == (200, {"authority", "handover", "server"})
        new = await asyncio.to_thread(tls_files.trusted)
        assert new != old
        for trusted in (old, new):
            api.trust = ssl.create_default_context(cadata=trusted.decode())
            await fingerprint(api)
        assert (await stream.next())["event"] == "heartbeat"
        assert len(service.leases()) == 1
