"""OVF descriptor, manifest, signature, and the archive of them all (DSP0243, clauses 5 and 6)."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2

from bitfusion_appliance.builder.vmdk import Written
from bitfusion_appliance.properties import Table

TEMPLATE = Path(__file__).resolve().parents[3] / "ovf" / "appliance.ovf.j2"


@dataclass(frozen=True)
class Hardware:
    """What the virtual machine has when it is deployed. GPUs and more network adapters are added later."""

    version: int = 17
    cpus: int = 8
    memory_mib: int = 32768


@dataclass(frozen=True)
class Signer:
    """A PEM private key and the certificate chain that goes with it."""

    key: Path
    certificate: Path


def descriptor(rows: Table, version: str, hardware: Hardware, disk_name: str, disk: Written) -> str:
    """The .ovf file."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(table=rows, version=version, hardware=hardware, disk_name=disk_name, disk=disk) + "\n"


def manifest(files: Sequence[Path]) -> str:
    """The .mf file: a SHA-256 of each of these files."""
    return "".join(f"SHA256({path.name})= {_digest(path)}\n" for path in files)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def signature(manifest_file: Path, signer: Signer) -> str:
    """The .cert file: the manifest's signature, then the certificates."""
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    key = serialization.load_pem_private_key(signer.key.read_bytes(), None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError(f"{signer.key}: OVF packages are signed with RSA keys")
    signed = key.sign(manifest_file.read_bytes(), padding.PKCS1v15(), hashes.SHA256())
    return f"SHA256({manifest_file.name})= {signed.hex()}\n{signer.certificate.read_text()}"


def archive(target: Path, files: Sequence[Path], moment: int) -> None:
    """The .ova file: USTAR, the descriptor first, then manifest and signature, then the disks; nobody's names, one time."""
    with tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as out:
        for path in files:
            row = tarfile.TarInfo(path.name)
            row.size, row.mtime, row.mode = path.stat().st_size, moment, 0o644
            with path.open("rb") as content:
                out.addfile(row, content)
