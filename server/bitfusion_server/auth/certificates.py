"""Certificates as they are: read, described, and checked before they are used."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization

from bitfusion_core.errors import InvalidRequest, ServerUnavailable


class TlsFilesDamaged(ServerUnavailable):
    """The authority exists but cannot be used; making another would cut off every client."""

    code = "tls_files_damaged"
    title = "The server's TLS files cannot be read"
    hint = "Restore the tls directory from a backup; without one remove it, restart, and enable every client again."


class BadCertificate(InvalidRequest):
    """What was to be installed cannot work."""

    code = "bad_certificate"
    title = "The certificate cannot be used"
    hint = "Give the certificate, with its chain, and the key that belongs to it, both in PEM form and without a pass phrase."


@dataclass(frozen=True)
class Certificate:
    """What can be known of a certificate."""

    kind: str
    subject: str
    issuer: str
    names: tuple[str, ...]
    serial: str
    sha256: str
    not_before: datetime.datetime
    not_after: datetime.datetime
    in_use: bool


def described(kind: str, certificate: x509.Certificate, *, in_use: bool) -> Certificate:
    """What there is to know of it."""
    return Certificate(
        kind=kind,
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        names=names_in(certificate),
        serial=f"{certificate.serial_number:x}",
        sha256=certificate.fingerprint(hashes.SHA256()).hex(),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        in_use=in_use,
    )


def first(path: Path) -> x509.Certificate:
    """The first certificate of one of our files."""
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise TlsFilesDamaged(f"{path}: {error}") from error


def names_in(certificate: x509.Certificate) -> tuple[str, ...]:
    """For which names and addresses it is good."""
    try:
        alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(str(name.value) for name in alternative)


def read(pem: bytes, what: str) -> list[x509.Certificate]:
    """The certificates of a PEM text; `what` it is, for the message."""
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise BadCertificate(f"{what} cannot be read: {error}") from error


def check_pair(certificate: bytes, key: bytes, now: datetime.datetime) -> None:
    """Refuse a certificate that could not be used with this key now."""
    leaf = read(certificate, "the certificate")[0]
    try:
        private = serialization.load_pem_private_key(key, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise BadCertificate(f"the key cannot be read: {error}") from error
    if private.public_key() != leaf.public_key():
        raise BadCertificate("the key is not the key of the certificate")
    if not leaf.not_valid_before_utc <= now < leaf.not_valid_after_utc:
        raise BadCertificate(f"the certificate is valid from {leaf.not_valid_before_utc:%Y-%m-%d} to {leaf.not_valid_after_utc:%Y-%m-%d}")
