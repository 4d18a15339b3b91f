"""Packs what was collected, redacted, with a manifest of hashes."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from bitfusion_appliance.firstboot import form
from bitfusion_appliance.properties import table
from bitfusion_appliance.support.collect import Collected
from bitfusion_appliance.support.redact import Redactor, known_secrets

FOLDER = "bitfusion-supportbundle"
_TOKENS = ("var/lib/bitfusion/data/admin.token",)


@dataclass(frozen=True)
class Entry:
    """A row of the manifest."""

    name: str
    size: int
    sha256: str
    redactions: int
    note: str


def secrets(root: Path) -> tuple[str, ...]:
    """Secrets of this machine by value, to be taken out wherever they turn up."""
    found = [path.read_text(errors="replace").strip() for name in _TOKENS if (path := root / name).is_file()]
    cache = root / form.CACHE[1:]
    if cache.is_file():
        try:
            properties = json.loads(cache.read_text())["properties"]
        except (ValueError, KeyError):
            properties = {}
        found += [str(properties[row.key]) for row in table().properties if row.secret and properties.get(row.key)]
    return known_secrets(found)


def write(target: Path, collected: Iterable[Collected], known: tuple[str, ...]) -> list[Entry]:
    """A .tar.gz that only root can read. It appears when it is whole."""
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    entries: list[Entry] = []
    descriptor = os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
    try:
        with (
            os.fdopen(descriptor, "wb") as raw,
            gzip.GzipFile(fileobj=raw, mode="wb", filename="") as packed,
            tarfile.open(fileobj=packed, mode="w") as archive,
        ):
            entries.extend(_add(archive, row, known) for row in collected)
            _put(archive, "manifest.json", json.dumps(_manifest(entries), indent=1).encode())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return entries


def _manifest(entries: list[Entry]) -> dict[str, object]:
    return {"version": 1, "created": int(time.time()), "files": [asdict(entry) for entry in entries]}


def _add(archive: tarfile.TarFile, row: Collected, known: tuple[str, ...]) -> Entry:
    redactor = Redactor(known)
    text = redactor.settings(row.text) if row.settings else redactor.text(row.text)
    data = text.encode()
    _put(archive, row.name, data)
    return Entry(row.name, len(data), hashlib.sha256(data).hexdigest(), redactor.count, row.note)


def _put(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    row = tarfile.TarInfo(f"{FOLDER}/{name}")
    row.size, row.mode, row.mtime = len(data), 0o600, int(time.time())
    archive.addfile(row, io.BytesIO(data))
