"""The allocation file `/tmp/bitfusion<digits>`: how an application and the other commands find the GPUs of a session.

BITFUSION_ALLOCATION_DIR names another folder than /tmp. The file holds the session key, so it is created with mode 0600 and never followed
through a link.
"""

from __future__ import annotations

import os
import re
import stat
import time
from pathlib import Path
from typing import NamedTuple

from bitfusion_client import networks
from bitfusion_client.config import Server, parse_server
from bitfusion_client.errors import CannotStart, NoAllocation
from bitfusion_client.lease import Grant
from bitfusion_core.models import HOLD_LEASE
from bitfusion_core.units import format_fraction

_DIRECTORY = "/tmp"  # noqa: S108 - the path is documented; files are created exclusively
FORMAT_VERSION = "1"
_NAME = re.compile(r"bitfusion\d{1,12}", re.ASCII)
_MAX_BYTES = 65536
_LEASE_ID = re.compile(r"[0-9a-f-]{36}", re.ASCII)


class Allocation(NamedTuple):
    """A session as its file describes it."""

    path: Path
    session: str
    server: Server
    gpus: int
    memory_mib: int
    fraction: float
    hold: str

    @property
    def reserved(self) -> bool:
        """Made by request_gpus, rather than by a `run` that is still going."""
        return self.hold == HOLD_LEASE


def directory() -> Path:
    """Where the files are."""
    return Path(os.environ.get("BITFUSION_ALLOCATION_DIR") or _DIRECTORY)


def lines(grant: Grant) -> list[str]:
    """The contents of the file."""
    return [
        f"version {FORMAT_VERSION}",
        f"session {grant.id}",
        f"key {grant.key}",
        *(f"address {address}:{grant.dispatcher_port}" for address in networks.addresses(grant.address, time.time())),
        f"tls {'on' if grant.tls else 'off'}",
        f"server {grant.server} {grant.version}",
        f"gpus {len(grant.gpus)}",
        f"memory_mib {grant.memory_mib}",
        f"fraction {format_fraction(grant.fraction)}",
        f"hold {grant.hold}",
    ]


def create(grant: Grant) -> Path:
    """Write a new file; nobody else can have prepared it."""
    for _ in range(100):
        path = directory() / f"bitfusion{int.from_bytes(os.urandom(8), 'little') % 10**9}"
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            continue
        except OSError as error:
            raise _cannot_write(path, error) from None
        _fill(path, descriptor, "\n".join(lines(grant)) + "\n")
        return path
    raise CannotStart(f"cannot find a free name in {directory()}", hint=f"Remove old files: rm {directory()}/bitfusion*")


def _fill(path: Path, descriptor: int, text: str) -> None:
    """Write the new file in full, or leave none."""
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        remove(path)
        raise _cannot_write(path, error) from None


def _cannot_write(path: Path, error: OSError) -> CannotStart:
    return CannotStart(f"cannot write {path}: {error.strerror}", hint=f"Make room in {path.parent} or correct its permissions.")


def read(path: Path) -> Allocation:
    """The allocation in this file, or an error that says why it is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            text = file.read(_MAX_BYTES).decode("utf-8", errors="replace")
    except OSError as error:
        raise NoAllocation(f"cannot read the allocation file {path}: {error.strerror}") from None
    fields: dict[str, str] = dict(line.split(" ", 1) for line in text.splitlines() if " " in line)
    try:
        return _parse(path, fields)
    except (KeyError, ValueError) as error:
        raise NoAllocation(f"{path} is not an allocation file: {error}") from None


def _parse(path: Path, fields: dict[str, str]) -> Allocation:
    if fields["version"] != FORMAT_VERSION:
        raise ValueError(f"version {fields['version']} is not {FORMAT_VERSION}")
    if not _LEASE_ID.fullmatch(fields["session"]):
        raise ValueError("its session is not an id")
    return Allocation(
        path=path,
        session=fields["session"],
        server=parse_server(fields["server"].split(" ")[0]),
        gpus=int(fields["gpus"]),
        memory_mib=int(fields["memory_mib"]),
        fraction=float(fields.get("fraction", "1")),
        hold=fields.get("hold", HOLD_LEASE),
    )


def remove(path: Path) -> None:
    """Delete the file, if it is still there."""
    try:
        path.unlink()
    except FileNotFoundError:
        pass


def chosen(file: str | None) -> Allocation | None:
    """The allocation that the user named: -f, else BITFUSION_ALLOCATION."""
    named = file or os.environ.get("BITFUSION_ALLOCATION")
    # The application may change its directory before it reads the variable.
    return read(Path(named).absolute()) if named else None


def reserved() -> list[Allocation]:
    """The user's allocations made by request_gpus, newest first."""
    found = []
    for path in _own_files():
        try:
            allocation = read(path)
        except NoAllocation:
            continue
        if allocation.reserved:
            found.append(allocation)
    return found


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        return list(os.scandir(folder))
    except OSError as error:
        raise NoAllocation(f"cannot look for allocation files in {folder}: {error.strerror}") from None


def _own_files() -> list[Path]:
    dated = []
    for entry in _entries(directory()):
        if not _NAME.fullmatch(entry.name):
            continue
        try:
            status = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue
        if stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid():
            dated.append((status.st_mtime_ns, Path(entry.path)))
    return [path for _, path in sorted(dated, reverse=True)]
