"""The store of a single server: SQLite in WAL mode, durable at every commit.

One thread writes, one reads. Writes that arrive together share a transaction, so that one flush to disk serves all of them; each runs
in its own savepoint and fails alone.
"""

# ruff: noqa: D102 - the interface documents the methods

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from bitfusion_core.models import EndedLease, Lease
from bitfusion_server.store import schema
from bitfusion_server.store.base import ActiveLease, AuditEntry, Client, ServerIdentity, Store, Token
from bitfusion_server.store.lane import Lane, StoreFailed

T = TypeVar("T")

_BUSY_TIMEOUT_S = 10.0


class SqliteStore(Store):
    """The engine; `path` is created with mode 0600."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer = Lane(lambda: _connect(path), transactional=True)
        self._reader = Lane(lambda: _connect(path), transactional=False)

    async def open(self) -> None:
        os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
        await self._writer.start()
        await self._writer.run(_migrate)
        await self._reader.start()

    async def close(self) -> None:
        await self._writer.stop()
        await self._reader.stop()

    async def identify_server(self, proposed: ServerIdentity) -> ServerIdentity:
        def work(db: sqlite3.Connection) -> ServerIdentity:
            db.execute("INSERT OR IGNORE INTO server (slot, body) VALUES (0, ?)", (_encode(proposed),))
            return _decode(db.execute("SELECT body FROM server WHERE slot = 0").fetchone()[0], ServerIdentity)

        return await self._writer.run(work)

    async def settings(self) -> Mapping[str, str]:
        return await self._reader.run(lambda db: dict(db.execute("SELECT name, value FROM setting").fetchall()))

    async def put_setting(self, name: str, value: str, expected: str | None) -> bool:
        if expected is None:
            return await self._insert("INSERT OR IGNORE INTO setting (name, value) VALUES (?, ?)", name, value)
        return await self._insert("UPDATE setting SET value = ? WHERE name = ? AND value = ?", value, name, expected)

    async def insert_token(self, token: Token) -> bool:
        return await self._insert(
            "INSERT OR IGNORE INTO token (id, created_at, body) VALUES (?, ?, ?)", token.id, token.created_at, _encode(token)
        )

    async def replace_token(self, token: Token, expected: Token) -> bool:
        return await self._insert("UPDATE token SET body = ? WHERE id = ? AND body = ?", _encode(token), expected.id, _encode(expected))

    async def token(self, token_id: str) -> Token | None:
        return await self._one("SELECT body FROM token WHERE id = ?", Token, token_id)

    async def tokens(self) -> Sequence[Token]:
        return await self._many("SELECT body FROM token ORDER BY created_at, rowid", Token)

    async def insert_client(self, client: Client) -> bool:
        return await self._insert(
            "INSERT OR IGNORE INTO client (id, token_id, created_at, body) VALUES (?, ?, ?, ?)",
            *(client.id, client.token_id, client.created_at, _encode(client)),
        )

    async def replace_client(self, client: Client, expected: Client) -> bool:
        return await self._insert("UPDATE client SET body = ? WHERE id = ? AND body = ?", _encode(client), expected.id, _encode(expected))

    async def client(self, client_id: str) -> Client | None:
        return await self._one("SELECT body FROM client WHERE id = ?", Client, client_id)

    async def clients(self) -> Sequence[Client]:
        return await self._many("SELECT body FROM client ORDER BY created_at, rowid", Client)

    async def open_lease(self, active: ActiveLease) -> bool:
        lease = active.lease
        return await self._insert(
            "INSERT OR IGNORE INTO lease (id, server_id, granted_at, session_key, body) VALUES (?, ?, ?, ?, ?)",
            *(lease.id, lease.server_id, lease.granted_at, active.key, _encode(lease)),
        )

    async def close_lease(self, lease_id: str, ended_at: float, reason: str) -> bool:
        def work(db: sqlite3.Connection) -> bool:
            row = db.execute("SELECT body FROM lease WHERE id = ?", (lease_id,)).fetchone()
            if row is None:
                return False
            ended = EndedLease(_decode(row[0], Lease), ended_at, reason)
            db.execute("DELETE FROM lease WHERE id = ?", (lease_id,))
            db.execute("INSERT INTO lease_history (id, ended_at, body) VALUES (?, ?, ?)", (lease_id, ended_at, _encode(ended)))
            return True

        return await self._writer.run(work)

    async def active_leases(self, server_id: str) -> Sequence[ActiveLease]:
        def work(db: sqlite3.Connection) -> tuple[ActiveLease, ...]:
            rows = db.execute("SELECT body, session_key FROM lease WHERE server_id = ? ORDER BY granted_at, rowid", (server_id,))
            return tuple(ActiveLease(_decode(body, Lease), key) for body, key in rows)

        return await self._reader.run(work)

    async def ended_leases(self, limit: int, before: float | None = None) -> Sequence[EndedLease]:
        return await self._many(
            "SELECT body FROM lease_history WHERE ended_at < ? ORDER BY ended_at DESC, rowid DESC LIMIT ?", EndedLease, _end(before), limit
        )

    async def append_audit(self, entry: AuditEntry) -> None:
        await self._insert("INSERT INTO audit (at, body) VALUES (?, ?)", entry.at, _encode(entry))

    async def audit(self, limit: int, before: float | None = None) -> Sequence[AuditEntry]:
        return await self._many(
            "SELECT body FROM audit WHERE at < ? ORDER BY at DESC, number DESC LIMIT ?", AuditEntry, _end(before), limit
        )

    async def _insert(self, statement: str, *values: Any) -> bool:
        """Run a conditional write; did it change anything?"""
        return await self._writer.run(lambda db: db.execute(statement, values).rowcount > 0)

    async def _one(self, query: str, kind: type[T], *values: Any) -> T | None:
        row = await self._reader.run(lambda db: db.execute(query, values).fetchone())
        return None if row is None else _decode(row[0], kind)

    async def _many(self, query: str, kind: type[T], *values: Any) -> Sequence[T]:
        return await self._reader.run(lambda db: tuple(_decode(body, kind) for (body,) in db.execute(query, values)))


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def _migrate(db: sqlite3.Connection) -> None:
    """Bring the file to this program's schema version."""
    found = db.execute("PRAGMA user_version").fetchone()[0]
    if found > schema.VERSION:
        raise StoreFailed(
            f"the store has schema version {found}, this program knows {schema.VERSION}", hint="Install the version that wrote it."
        )
    for version in range(found + 1, schema.VERSION + 1):
        for table in schema.TABLES:
            _add(db, table, version)
    db.execute(f"PRAGMA user_version = {schema.VERSION}")


def _add(db: sqlite3.Connection, table: schema.Table, version: int) -> None:
    """What a schema version adds to one table."""
    if table.since == version:
        columns = ", ".join(f"{column.name} {column.type}" for column in table.columns if column.since <= version)
        db.execute(f"CREATE TABLE {table.name} ({columns}, PRIMARY KEY ({', '.join(table.key)}))")
        if table.order:
            db.execute(f"CREATE INDEX {table.name}_order ON {table.name} ({', '.join(table.order)})")
    elif table.since < version:
        for column in table.columns:
            if column.since == version:
                db.execute(f"ALTER TABLE {table.name} ADD COLUMN {column.name} {column.type}")


def _encode(value: Any) -> str:
    return msgspec.json.encode(value, order="deterministic").decode()


def _decode(text: str, kind: type[T]) -> T:
    return msgspec.json.decode(text, type=kind)


def _end(before: float | None) -> float:
    return float("inf") if before is None else before
