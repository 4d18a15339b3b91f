"""The manager of this machine, asked through its own API by somebody who may read its data directory.

Whoever may read the directory can do anything with the server anyway, so a command makes itself an administrator's token in the store, for as
long as it runs. The connection is trusted for one reason: the certificate is the one that lies in the directory.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import http.client
import json
import os
import ssl
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bitfusion_core.errors import BitfusionError, ServerUnavailable, from_problem
from bitfusion_server.auth import tokens
from bitfusion_server.auth.authority import TlsFiles
from bitfusion_server.data_directory import DataDirectory, Running
from bitfusion_server.store.base import Role, Store

_TIMEOUT_S = 30.0
_TOKEN_S = 300.0
_TOKEN_DAYS = _TOKEN_S / 86400
_DEFAULT_DATA = "/var/lib/bitfusion/data"


class NotRunning(ServerUnavailable):
    """There is no manager to ask."""

    code = "manager_not_running"
    title = "The manager of this server is not running"
    hint = "Start it: systemctl start bitfusion-manager.service"


def add_data_option(parser: argparse.ArgumentParser, *, again: bool = False) -> None:
    """`--data`, as every command of a server has it; `again` behind a command's verb."""
    default = Path(os.environ.get("BITFUSION_DATA") or _DEFAULT_DATA)
    text = f"the manager's data directory (default {default})"
    parser.add_argument("--data", type=Path, default=argparse.SUPPRESS if again else default, metavar="DIR", help=text)


def run(command: Callable[[], None]) -> int:
    """Run a command; every failure is a message and an exit code."""
    try:
        command()
    except BitfusionError as error:
        print(f"Error: {error.detail}\n{error.advice}\n({error.code}, exit code {error.exit_code})", file=sys.stderr)
        return error.exit_code
    except PermissionError as error:
        print(f"Error: cannot read {error.filename}: only root and the manager's user may\nRun the command with sudo.", file=sys.stderr)
        return 1
    return 0


@dataclass(frozen=True)
class LocalManager:
    """A running manager and a token for it."""

    running: Running
    tls: TlsFiles
    token: str

    def json(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """What it answers; an error answer is raised."""
        content = self.bytes(method, path, body)
        return json.loads(content) if content else None

    def bytes(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> bytes:
        """The same for answers that are no JSON."""
        with contextlib.closing(self._connect()) as connection:
            payload = None if body is None else json.dumps(body)
            headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
            connection.request(method, path, payload, headers)
            response = connection.getresponse()
            content = response.read()
        if response.status >= http.client.BAD_REQUEST:
            raise from_problem(json.loads(content))
        return content

    def _connect(self) -> http.client.HTTPSConnection:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # the one certificate is compared below
        connection = http.client.HTTPSConnection(self.running.host, self.running.port, timeout=_TIMEOUT_S, context=context)
        try:
            connection.connect()
        except OSError as error:
            raise NotRunning(f"nobody answers at {self.running.host}:{self.running.port}: {error}") from error
        shown = connection.sock.getpeercert(binary_form=True) if isinstance(connection.sock, ssl.SSLSocket) else None
        if hashlib.sha256(shown or b"").digest() != _fingerprint(self.tls.in_use):
            connection.close()
            raise NotRunning(f"who answers at {self.running.host}:{self.running.port} is not this server's manager")
        return connection


def _fingerprint(path: Path) -> bytes:
    """Of the first certificate in a PEM file."""
    text = path.read_text(encoding="ascii")
    first = text[: text.index(ssl.PEM_FOOTER) + len(ssl.PEM_FOOTER)]
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(first)).digest()


@contextlib.contextmanager
def manager(path: Path, command: str) -> Iterator[LocalManager]:
    """The manager that runs on this data directory; `command` is who asks, for the audit log."""
    data = DataDirectory(path.absolute())
    running = data.running()
    if running is None:
        raise NotRunning(f"no manager runs on {path}")
    token = asyncio.run(_issue(data, f"bitfusion {command}, run on the server"))
    try:
        yield LocalManager(running, data.tls, token)
    finally:
        asyncio.run(_forget(data, token))


async def _issue(data: DataDirectory, description: str) -> str:
    now = time.time()
    async with _opened(data) as store:
        await _forget_killed(store, now)
        return (await tokens.issue(store, Role.ADMIN, description, now, _TOKEN_DAYS)).text


async def _forget_killed(store: Store, now: float) -> None:
    """Remove what commands have left behind that were killed."""
    for token in await store.tokens():
        if token.expires_at is not None and token.expires_at <= now and token.expires_at - token.created_at <= _TOKEN_S:
            await store.delete_token(token.id)


async def _forget(data: DataDirectory, token: str) -> None:
    async with _opened(data) as store:
        await store.delete_token(token.partition(".")[0])


@contextlib.asynccontextmanager
async def _opened(data: DataDirectory) -> AsyncIterator[Store]:
    store = data.store()
    await store.open()
    try:
        yield store
    finally:
        await store.close()


def table(titles: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Columns for people to read."""
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(titles, *texts, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in (titles, *texts))
    return "\n".join(lines)


def moment(seconds: float | None) -> str:
    """A time of the API for people to read."""
    return "never" if seconds is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
