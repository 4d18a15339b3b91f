"""The certificate authority and the server's certificate."""

from __future__ import annotations

import datetime
import ssl
import stat
from pathlib import Path

import pytest

from bitfusion_server.auth import authority
from bitfusion_server.auth.authority import TlsFiles
from bitfusion_server.auth.certificates import TlsFilesDamaged

NOW = datetime.datetime.now(datetime.UTC)
NAMES = ("gpu-1.example", "localhost", "127.0.0.1", "10.0.0.5")


def connect(server_files: TlsFiles, trusted: Path, name: str) -> None:
    """A whole TLS handshake in memory, with the strictest checks the library has."""
    client_context = ssl.create_default_context(cafile=str(trusted))
    client_context.verify_flags |= ssl.VERIFY_X509_STRICT
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname=name)
    server = authority.server_context(server_files).wrap_bio(to_server, to_client, server_side=True)
    for _ in range(3):
        for end in (client, server):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert client.version() == "TLSv1.3"


@pytest.fixture
def files(tmp_path: Path) -> TlsFiles:
    """A prepared directory."""
    made = TlsFiles(tmp_path / "tls")
    assert authority.prepare(made, NAMES, NOW)
    return made


@pytest.mark.parametrize("name", NAMES)
def test_certificate_is_good_for_every_name(files: TlsFiles, name: str) -> None:
    """A client that trusts the authority accepts the server under each of its names."""
    connect(files, files.ca_certificate, name)


def test_stranger_is_not_trusted(files: TlsFiles, tmp_path: Path) -> None:
    """Another server's authority does not vouch for this one, nor this one for another name."""
    other = TlsFiles(tmp_path / "other")
    authority.prepare(other, NAMES, NOW)

    with pytest.raises(ssl.SSLCertVerificationError):
        connect(files, other.ca_certificate, "localhost")
    with pytest.raises(ssl.SSLCertVerificationError):
        connect(files, files.ca_certificate, "elsewhere.example")


def test_keys_are_private(files: TlsFiles) -> None:
    """Only the owner can read the keys."""
    assert {0o600} == {stat.S_IMODE(path.stat().st_mode) for path in (files.ca_key, files.server_certificate)}
    assert stat.S_IMODE(files.directory.stat().st_mode) == 0o700


def test_nothing_changes_without_need(files: TlsFiles) -> None:
    """A restart keeps certificate and authority."""
    before = files.server_certificate.read_bytes()

    assert not authority.prepare(files, NAMES, NOW)
    assert before == files.server_certificate.read_bytes()


@pytest.mark.parametrize("names, days", [((*NAMES, "10.0.0.6"), 0), (NAMES, 380)], ids=["another address", "about to expire"])
def test_renewal_keeps_the_authority(files: TlsFiles, names: tuple[str, ...], days: int) -> None:
    """A new server certificate needs no change at the clients."""
    trusted = files.ca_certificate.read_bytes()

    assert authority.prepare(files, names, NOW + datetime.timedelta(days=days))
    assert trusted == files.ca_certificate.read_bytes()


def test_damaged_certificate_is_replaced(files: TlsFiles) -> None:
    """A broken server certificate is made again; it holds nothing of value."""
    files.server_certificate.write_text("broken")

    assert authority.prepare(files, NAMES, NOW)
    connect(files, files.ca_certificate, "localhost")


def test_damaged_authority_is_an_error(files: TlsFiles) -> None:
    """A broken authority is never replaced silently: every client would be cut off."""
    files.ca_key.write_text("broken")
    files.server_certificate.unlink()

    with pytest.raises(TlsFilesDamaged):
        authority.prepare(files, NAMES, NOW)


def test_a_new_authority_is_followed(files: TlsFiles, tmp_path: Path) -> None:
    """While it is handed over, clients of the old authority and of the new one accept the server; afterwards only those of the new one."""
    old = tmp_path / "old.crt"
    old.write_bytes(files.trusted())
    authority.replace_authority(files, datetime.timedelta(days=60), NOW)
    assert authority.prepare(files, NAMES, NOW)
    new = tmp_path / "new.crt"
    new.write_bytes(files.trusted())

    assert old.read_bytes() != new.read_bytes()
    connect(files, old, "localhost")
    connect(files, new, "localhost")
    assert authority.prepare(files, NAMES, NOW + datetime.timedelta(days=380))
    assert not files.handover.exists()
    with pytest.raises(ssl.SSLCertVerificationError):
        connect(files, old, "localhost")


def test_a_new_authority_at_once(files: TlsFiles, tmp_path: Path) -> None:
    """Without a hand-over the old authority vouches for nothing more, also if it was to before."""
    old = tmp_path / "old.crt"
    old.write_bytes(files.trusted())
    for days in (60, 0):
        authority.replace_authority(files, datetime.timedelta(days=days), NOW)
    assert authority.prepare(files, NAMES, NOW)

    with pytest.raises(ssl.SSLCertVerificationError):
        connect(files, old, "localhost")


def test_interrupted_replacement_is_finished(files: TlsFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash between key and certificate leaves an authority that the next start completes."""
    old = files.ca_certificate.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(authority, "_adopt_next", lambda _: None)
        authority.replace_authority(files, datetime.timedelta(days=60), NOW)
    files.ca_key.write_bytes(files.next_authority.read_bytes().partition(b"-----END CERTIFICATE-----\n")[2])

    assert authority.prepare(files, NAMES, NOW)
    assert files.ca_certificate.read_bytes() != old
    connect(files, files.ca_certificate, "localhost")
