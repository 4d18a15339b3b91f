"""Certificates of the API: look, renew, replace."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from bitfusion_server.administration.certificates import Certificates
from bitfusion_server.api.fields import Seconds
from bitfusion_server.api.routing import Call
from bitfusion_server.auth.certificates import Certificate

Pem = Annotated[str, Meta(max_length=100_000)]


class CertificateShown(msgspec.Struct, frozen=True):
    """A certificate. `kind`: authority, handover (its key, signed with the one before), server (made by the authority), or installed (by an administrator in its place)."""

    kind: str
    subject: str
    issuer: str
    names: list[str]
    serial: str
    sha256: str
    not_before: Seconds
    not_after: Seconds
    in_use: bool


class CertificateList(msgspec.Struct, frozen=True):
    """The certificates there are."""

    certificates: list[CertificateShown]


class RenewBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """With `authority` its certificate as well, for the key it has: clients need nothing new."""

    authority: bool = False


class ReplaceBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """For how many days clients that know the old authority are served; 0: they have to be enabled again."""

    overlap_days: Annotated[int, Meta(ge=0, le=3650)] = 397


class InstallBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """All in PEM form. `certificate` with its chain; `authority`: what clients enabled from now on are to trust as well."""

    certificate: Pem
    key: Pem
    authority: Pem | None = None


async def index(call: Call) -> CertificateList:
    """The authority's and the server's."""
    return await _list(call)


async def renew(call: Call) -> CertificateList:
    """A new certificate now; open connections and sessions go on."""
    body: RenewBody = call.body
    await _certificates(call).renew(call.principal.name, of_authority=body.authority)
    return await _list(call)


async def replace_authority(call: Call) -> CertificateList:
    """A new key for the authority. Open connections and sessions go on; clients that know the old authority are served while it is handed over."""
    body: ReplaceBody = call.body
    await _certificates(call).replace_authority(call.principal.name, body.overlap_days)
    return await _list(call)


async def install(call: Call) -> CertificateList:
    """A certificate of another authority in the place of the server's own."""
    body: InstallBody = call.body
    issuer = None if body.authority is None else body.authority.encode()
    await _certificates(call).install(call.principal.name, body.certificate.encode(), body.key.encode(), issuer)
    return await _list(call)


async def uninstall(call: Call) -> None:
    """Use the server's own certificate again."""
    await _certificates(call).uninstall(call.principal.name)


async def _list(call: Call) -> CertificateList:
    return CertificateList([_shown(one) for one in await _certificates(call).show()])


def _certificates(call: Call) -> Certificates:
    return call.services.administration.certificates


def _shown(one: Certificate) -> CertificateShown:
    return CertificateShown(
        kind=one.kind,
        subject=one.subject,
        issuer=one.issuer,
        names=list(one.names),
        serial=one.serial,
        sha256=one.sha256,
        not_before=one.not_before.timestamp(),
        not_after=one.not_after.timestamp(),
        in_use=one.in_use,
    )
