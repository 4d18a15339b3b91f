"""The server's own certificate authority and its certificate.

`tls/ca.crt` is what clients trust; `tls/ca.key` never leaves the data directory. The server's certificate is made anew when it runs out or
when the server has got other addresses; clients do not notice, since they trust the authority. An administrator may put a certificate of
another authority in its place (`installed.pem`); clients then have to trust that authority as well.

The authority's key can be changed without enabling clients again: for a while the old key vouches for the new one (`handover.crt`, "new with
old" of RFC 4210), and the server shows that together with its certificate. Clients that know the old authority follow it, those that are
enabled from now on know the new one. Both have one name, so that the old authority, which may have no others below it, does not stand in the way.
"""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from bitfusion_server.auth import certificates
from bitfusion_server.auth.certificates import Certificate, TlsFilesDamaged
from bitfusion_server.files import replace

_AUTHORITY_YEARS = 20
_SERVER_DAYS = 397
_RENEW_DAYS = 30
_CLOCK_SKEW = datetime.timedelta(hours=1)

Names = frozenset[str]


@dataclass(frozen=True)
class TlsFiles:
    """Where the authority and the certificate are."""

    directory: Path

    @property
    def ca_certificate(self) -> Path:
        """Public: handed to clients."""
        return self.directory / "ca.crt"

    @property
    def ca_key(self) -> Path:
        """The one secret everything rests on."""
        return self.directory / "ca.key"

    @property
    def server_certificate(self) -> Path:
        """Certificate and key of the server in one file, so that both are replaced in one step."""
        return self.directory / "server.pem"

    @property
    def installed_certificate(self) -> Path:
        """Certificate chain and key an administrator has put in the place of the server's own."""
        return self.directory / "installed.pem"

    @property
    def installed_authority(self) -> Path:
        """Who has signed the installed certificate, for clients to trust."""
        return self.directory / "installed-ca.crt"

    @property
    def handover(self) -> Path:
        """The authority's new key, signed with the old one."""
        return self.directory / "handover.crt"

    @property
    def next_authority(self) -> Path:
        """Certificate and key of the authority that is about to be used, in one file: what was interrupted can be finished."""
        return self.directory / "next-ca.pem"

    @property
    def in_use(self) -> Path:
        """The certificate that the API shows."""
        return self.installed_certificate if self.installed_certificate.exists() else self.server_certificate

    def trusted(self) -> bytes:
        """What clients have to trust, in PEM form."""
        authorities = (self.ca_certificate, self.installed_authority)
        return b"".join(path.read_bytes().rstrip() + b"\n" for path in authorities if path.exists())


def prepare(files: TlsFiles, names: Iterable[str], now: datetime.datetime) -> bool:
    """Make whatever is missing, expired or for other names; was a server certificate made?"""
    files.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not files.ca_certificate.exists():
        _write_authority(files, now)
    _adopt_next(files)
    wanted = frozenset(names)
    if _usable(files, wanted, now):
        return False
    _write_server_certificate(files, wanted, now)
    return True


def server_context(files: TlsFiles) -> ssl.SSLContext:
    """TLS as the API speaks it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    reload(context, files)
    return context


def reload(context: ssl.SSLContext, files: TlsFiles) -> None:
    """Use a renewed certificate for connections that come from now on."""
    context.load_cert_chain(files.in_use)


def renew(files: TlsFiles, names: Iterable[str], now: datetime.datetime) -> None:
    """A new certificate and key of the server, whether or not the old ones would last."""
    _write_server_certificate(files, frozenset(names), now)


def renew_authority(files: TlsFiles, now: datetime.datetime) -> None:
    """A new certificate for the key the authority has: clients that know the old one trust what it signs until that runs out."""
    certificate, key = _load_authority(files)
    replace(files.ca_certificate, _authority_certificate(certificate.subject, key, now), 0o644)


def replace_authority(files: TlsFiles, overlap: datetime.timedelta, now: datetime.datetime) -> None:
    """A new key for the authority. Clients that know the old one follow for `overlap`; without any they have to be enabled again."""
    old, old_key = _load_authority(files)
    key = ec.generate_private_key(ec.SECP256R1())
    until = min(overlap, old.not_valid_after_utc - now)
    if until > datetime.timedelta():
        replace(files.handover, _authority_certificate(old.subject, key, now, until, signed_by=old_key), 0o644)
    else:
        files.handover.unlink(missing_ok=True)
    replace(files.next_authority, _authority_certificate(old.subject, key, now) + _key_bytes(key), 0o600)
    _adopt_next(files)


def _adopt_next(files: TlsFiles) -> None:
    """Put the next authority in its place, also when that was begun before a crash."""
    if files.next_authority.exists():
        pem = files.next_authority.read_bytes()
        certificate, key = x509.load_pem_x509_certificate(pem), serialization.load_pem_private_key(pem, password=None)
        replace(files.ca_key, _key_bytes(key), 0o600)
        replace(files.ca_certificate, certificate.public_bytes(serialization.Encoding.PEM), 0o644)
        files.next_authority.unlink()


def install(files: TlsFiles, certificate: bytes, key: bytes, authority: bytes | None, now: datetime.datetime) -> None:
    """Put a certificate of another authority in the place of the server's own, after it has been shown to be usable."""
    certificates.check_pair(certificate, key, now)
    if authority is not None:
        certificates.read(authority, "the certificate authority")
        replace(files.installed_authority, authority, 0o644)
    else:
        files.installed_authority.unlink(missing_ok=True)
    replace(files.installed_certificate, certificate.rstrip() + b"\n" + key, 0o600)


def uninstall(files: TlsFiles) -> None:
    """Use the server's own certificate again."""
    files.installed_certificate.unlink(missing_ok=True)
    files.installed_authority.unlink(missing_ok=True)


def describe(files: TlsFiles) -> tuple[Certificate, ...]:
    """The certificates there are, for people to see."""
    paths = {
        "authority": files.ca_certificate,
        "handover": files.handover,
        "server": files.server_certificate,
        "installed": files.installed_certificate,
    }
    used = {files.ca_certificate, files.handover, files.in_use}
    return tuple(
        certificates.described(kind, certificates.first(path), in_use=path in used) for kind, path in paths.items() if path.exists()
    )


def _write_authority(files: TlsFiles, now: datetime.datetime) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Bitfusion CA {x509.random_serial_number():x}"[:40])])
    replace(files.ca_key, _key_bytes(key), 0o600)
    replace(files.ca_certificate, _authority_certificate(name, key, now), 0o644)


def _authority_certificate(
    name: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    now: datetime.datetime,
    life: datetime.timedelta = datetime.timedelta(days=365 * _AUTHORITY_YEARS),
    *,
    signed_by: ec.EllipticCurvePrivateKey | None = None,
) -> bytes:
    signer = signed_by or key
    certificate = (
        _builder(name, name, key, now, life)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(sign_certificates=True), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .sign(signer, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM)


def _write_server_certificate(files: TlsFiles, names: Names, now: datetime.datetime) -> None:
    authority, authority_key = _load_authority(files)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bitfusion-manager")])
    certificate = (
        _builder(subject, authority.subject, key, now, datetime.timedelta(days=_SERVER_DAYS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(sign_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in sorted(names)]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    chain = certificate.public_bytes(serialization.Encoding.PEM) + _handover(files, now)
    replace(files.server_certificate, chain + _key_bytes(key), 0o600)


def _handover(files: TlsFiles, now: datetime.datetime) -> bytes:
    """What clients of the old authority need to see beside the server's certificate, while it is good."""
    if not files.handover.exists():
        return b""
    if certificates.first(files.handover).not_valid_after_utc <= now:
        files.handover.unlink()
        return b""
    return files.handover.read_bytes()


def _load_authority(files: TlsFiles) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    try:
        certificate = x509.load_pem_x509_certificate(files.ca_certificate.read_bytes())
        key = serialization.load_pem_private_key(files.ca_key.read_bytes(), password=None)
    except (OSError, ValueError) as error:
        raise TlsFilesDamaged(f"{files.directory}: {error}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise TlsFilesDamaged(f"{files.ca_key} is not the key of {files.ca_certificate}")
    return certificate, key


def _usable(files: TlsFiles, names: Names, now: datetime.datetime) -> bool:
    """Is there a certificate of our authority for exactly these names that lasts a while longer?"""
    try:
        certificate = x509.load_pem_x509_certificate(files.server_certificate.read_bytes())
        certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(files.ca_certificate.read_bytes()))
    except (OSError, ValueError, TypeError, InvalidSignature):
        return False
    return set(certificates.names_in(certificate)) == names and certificate.not_valid_after_utc > now + datetime.timedelta(days=_RENEW_DAYS)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime.datetime, life: datetime.timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _key_usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_certificates,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _key_bytes(key: PrivateKeyTypes) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
