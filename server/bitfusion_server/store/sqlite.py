"""The store of a single server: SQLite in WAL mode, durable at every commit.

One thread writes, one reads. Writes that arrive together share a transaction, so that one flush to disk serves all of them; each runs
in its own savepoint and fails alone.
"""

# ruff: noqa: D102 - the interface documents the methods

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from bitfusion_core.models import EndedLease, Lease
from bitfusion_server.store import schema
from bitfusion_server.store.base import ActiveLease, AuditEntry, BadPlace, Client, Page, ServerIdentity, Store, Task, TaskState, Token, User
from bitfusion_server.store.lane import Lane, StoreFailed
from bitfusion_server.store.samples import SampleStore
from bitfusion_server.store.sqlite_samples import SqliteSamples

T = TypeVar("T")

_BUSY_TIMEOUT_S = 10.0
_LONGEST_ROW_NUMBER = 18  # what fits into 64 bits


class SqliteStore(Store):
    """The engine; `path` is created with mode 0600."""

    def __init__(self, path: Path, lane: type[Lane] = Lane) -> None:
        self._path = path
        self._writer = lane(lambda: _connect(path), transactional=True)
        self._reader = lane(lambda: _connect(path), transactional=False)
        self._samples = SqliteSamples(self._writer, self._reader)

    async def open(self) -> None:
        os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
        await self._writer.start()
        await self._writer.run(_migrate)
        await self._reader.start()

    async def close(self) -> None:
        await self._writer.stop()
        await self._reader.stop()

    def describe(self) -> str:
        return f"SQLite, schema version {schema.VERSION}"

    @property
    def samples(self) -> SampleStore:
        return self._samples

    async def identify_server(self, proposed: ServerIdentity) -> ServerIdentity:
        def work(db: sqlite3.Connection) -> ServerIdentity:
            db.execute("INSERT OR IGNORE INTO server (slot, body) VALUES (0, ?)", (_encode(proposed),))
            return _decode(db.execute("SELECT body FROM server WHERE slot = 0").fetchone()[0], ServerIdentity)

        return await self._writer.run(work)

    async def settings(self) -> Mapping[str, Mapping[str, str]]:
        rows = await self._reader.run(lambda db: db.execute("SELECT subject, body FROM settings").fetchall())
        return {subject: _decode(body, dict[str, str]) for subject, body in rows}

    async def replace_settings(self, subject: str, values: Mapping[str, str], expected: Mapping[str, str]) -> bool:
        def work(db: sqlite3.Connection) -> bool:
            row = db.execute("SELECT body FROM settings WHERE subject = ?", (subject,)).fetchone()
            if (_decode(row[0], dict[str, str]) if row is not None else {}) != expected:
                return False
            db.execute("DELETE FROM settings WHERE subject = ?", (subject,))
            if values:
                db.execute("INSERT INTO settings (subject, body) VALUES (?, ?)", (subject, _encode(values)))
            return True

        return await self._writer.run(work)

    async def insert_token(self, token: Token) -> bool:
        return await self._change(
            "INSERT OR IGNORE INTO token (id, created_at, body) VALUES (?, ?, ?)", token.id, token.created_at, _encode(token)
        )

    async def replace_token(self, token: Token, expected: Token) -> bool:
        return await self._replace("token", "id", expected.id, token, expected)

    async def delete_token(self, token_id: str) -> bool:
        return await self._change("DELETE FROM token WHERE id = ?", token_id)

    async def token(self, token_id: str) -> Token | None:
        return await self._one("SELECT body FROM token WHERE id = ?", Token, token_id)

    async def tokens(self) -> Sequence[Token]:
        return await self._many("SELECT body FROM token ORDER BY created_at, rowid", Token)

    async def insert_user(self, user: User) -> bool:
        return await self._change(
            "INSERT OR IGNORE INTO user (name, created_at, body) VALUES (?, ?, ?)", user.name, user.created_at, _encode(user)
        )

    async def replace_user(self, user: User, expected: User) -> bool:
        return await self._replace("user", "name", expected.name, user, expected)

    async def delete_user(self, name: str) -> bool:
        return await self._change("DELETE FROM user WHERE name = ?", name)

    async def user(self, name: str) -> User | None:
        return await self._one("SELECT body FROM user WHERE name = ?", User, name)

    async def users(self) -> Sequence[User]:
        return await self._many("SELECT body FROM user ORDER BY created_at, rowid", User)

    async def insert_client(self, client: Client) -> bool:
        return await self._change(
            "INSERT OR IGNORE INTO client (id, token_id, created_at, body) VALUES (?, ?, ?, ?)",
            *(client.id, client.token_id, client.created_at, _encode(client)),
        )

    async def replace_client(self, client: Client, expected: Client) -> bool:
        return await self._replace("client", "id", expected.id, client, expected)

    async def client(self, client_id: str) -> Client | None:
        return await self._one("SELECT body FROM client WHERE id = ?", Client, client_id)

    async def clients(self, limit: int, start: str | None = None) -> Page[Client]:
        return await self._page(_PageOf("client", "created_at", Client), limit, start)

    async def open_lease(self, active: ActiveLease) -> bool:
        lease = active.lease
        return await self._change(
            "INSERT OR IGNORE INTO lease (id, server_id, granted_at, session_key, body, kept) VALUES (?, ?, ?, ?, ?, ?)",
            *(lease.id, lease.server_id, lease.granted_at, active.key, _encode(lease), active.kept),
        )

    async def keep_lease(self, lease_id: str) -> bool:
        return await self._change("UPDATE lease SET kept = 1 WHERE id = ?", lease_id)

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
            # One that was written before there was anything to confirm has been confirmed.
            query = "SELECT body, session_key, IFNULL(kept, 1) FROM lease WHERE server_id = ? ORDER BY granted_at, rowid"
            return tuple(ActiveLease(_decode(body, Lease), key, bool(kept)) for body, key, kept in db.execute(query, (server_id,)))

        return await self._reader.run(work)

    async def ended_leases(self, limit: int, start: str | None = None) -> Page[EndedLease]:
        return await self._page(_PageOf("lease_history", "ended_at", EndedLease, descending=True), limit, start)

    async def put_task(self, task: Task) -> None:
        await self._change(
            "INSERT INTO task (id, started_at, body) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body",
            *(task.id, task.started_at, _encode(task)),
        )

    async def task(self, task_id: str) -> Task | None:
        return await self._one("SELECT body FROM task WHERE id = ?", Task, task_id)

    async def tasks(self, limit: int, start: str | None = None) -> Page[Task]:
        return await self._page(_PageOf("task", "started_at", Task, descending=True), limit, start)

    async def running_tasks(self) -> Sequence[Task]:
        query = "SELECT body FROM task WHERE body ->> 'state' = ? ORDER BY started_at, rowid"
        return await self._many(query, Task, TaskState.RUNNING.value)

    async def forget_tasks(self, before: float) -> None:
        await self._change("DELETE FROM task WHERE started_at < ?", before)

    async def append_audit(self, entry: AuditEntry) -> None:
        await self._change("INSERT INTO audit (at, body) VALUES (?, ?)", entry.at, _encode(entry))

    async def audit(self, limit: int, start: str | None = None) -> Page[AuditEntry]:
        return await self._page(_PageOf("audit", "at", AuditEntry, descending=True), limit, start)

    async def _change(self, statement: str, *values: Any) -> bool:
        """Run a conditional write; did it change anything?"""
        return await self._writer.run(lambda db: db.execute(statement, values).rowcount > 0)

    async def _replace(self, table: str, key: str, name: str, value: T, expected: T) -> bool:
        """Values are compared, not their text: a row written by an older version lacks fields that have come since."""

        def work(db: sqlite3.Connection) -> bool:
            row = db.execute(f"SELECT body FROM {table} WHERE {key} = ?", (name,)).fetchone()  # noqa: S608 - our own names
            if row is None or _decode(row[0], type(expected)) != expected:
                return False
            db.execute(f"UPDATE {table} SET body = ? WHERE {key} = ?", (_encode(value), name))  # noqa: S608 - our own names
            return True

        return await self._writer.run(work)

    async def _page(self, of: _PageOf[T], limit: int, start: str | None) -> Page[T]:
        rows = await self._reader.run(lambda db: db.execute(of.query, (*of.place(start), limit + 1)).fetchall())
        items = tuple(_decode(body, of.kind) for body, _, _ in rows[:limit])
        return Page(items, f"{rows[limit - 1][1]!r}/{rows[limit - 1][2]}" if len(rows) > limit else None)

    async def _one(self, query: str, kind: type[T], *values: Any) -> T | None:
        row = await self._reader.run(lambda db: db.execute(query, values).fetchone())
        return None if row is None else _decode(row[0], kind)

    async def _many(self, query: str, kind: type[T], *values: Any) -> Sequence[T]:
        return await self._reader.run(lambda db: tuple(_decode(body, kind) for (body,) in db.execute(query, values)))


@dataclass(frozen=True)
class _PageOf(Generic[T]):
    """How a table is read page by page: by a column, and by row where that is equal."""

    table: str
    column: str
    kind: type[T]
    descending: bool = False

    @property
    def query(self) -> str:
        """The following rows after a place."""
        beyond, order = ("<", "DESC") if self.descending else (">", "ASC")
        return (
            f"SELECT body, {self.column}, rowid FROM {self.table} WHERE ({self.column}, rowid) {beyond} (?, ?) "  # noqa: S608 - our own names
            f"ORDER BY {self.column} {order}, rowid {order} LIMIT ?"
        )

    def place(self, start: str | None) -> tuple[float, int]:
        """Where a page begins."""
        if start is None:
            return (float("inf"), 0) if self.descending else (float("-inf"), 0)
        at, _, row = start.partition("/")
        try:
            return float(at), _row_number(row)
        except ValueError as error:
            raise BadPlace(f"{start!r} is not a place in this list") from error


def _row_number(text: str) -> int:
    if len(text) > _LONGEST_ROW_NUMBER:
        raise ValueError(text)
    return int(text)


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
