"""What only the SQLite engine does."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
from pathlib import Path

import pytest

from bitfusion_server.store import schema
from bitfusion_server.store.base import AuditEntry, ServerIdentity
from bitfusion_server.store.lane import StoreFailed
from bitfusion_server.store.sqlite import SqliteStore


async def test_file_is_private(tmp_path: Path) -> None:
    """Session keys are in it: nobody else may read it."""
    store = SqliteStore(tmp_path / "store.db")
    await store.open()
    await store.append_audit(AuditEntry(1.0, "a", "b", "c"))

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}  # noqa: ASYNC240
    await store.close()

    assert {0o600} == set(modes.values()), modes


async def test_newer_schema_is_refused(tmp_path: Path) -> None:
    """A store written by a newer program is left alone."""
    with sqlite3.connect(tmp_path / "store.db") as db:
        db.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    store = SqliteStore(tmp_path / "store.db")

    with pytest.raises(StoreFailed, match=f"schema version {schema.VERSION + 1}, this program knows {schema.VERSION}"):
        await store.open()
    await store.close()


async def test_damaged_file_is_an_error(tmp_path: Path) -> None:
    """A file that is no database is reported, not overwritten."""
    path = tmp_path / "store.db"
    path.write_bytes(b"not a database, surely" * 100)

    store = SqliteStore(path)
    with pytest.raises(StoreFailed):
        await store.open()
    await store.close()

    assert path.read_bytes().startswith(b"not a database")


async def test_a_failing_write_fails_alone(tmp_path: Path) -> None:
    """Writes share a transaction; one that breaks a rule does not take its neighbours along."""
    store = SqliteStore(tmp_path / "store.db")
    await store.open()

    results = await asyncio.gather(
        store.append_audit(AuditEntry(1.0, "a", "b", "c")),
        store._writer.run(lambda db: db.execute("INSERT INTO nowhere VALUES (1)")),
        store.identify_server(ServerIdentity("s", 1.0)),
        return_exceptions=True,
    )
    entries = await store.audit(10)
    await store.close()

    assert isinstance(results[1], StoreFailed)
    assert len(entries) == 1
