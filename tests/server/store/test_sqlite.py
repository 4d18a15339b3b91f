"""What only the SQLite engine does."""

from __future__ import annotations

import asyncio
import dataclasses
import sqlite3
import stat
from pathlib import Path

import pytest

from bitfusion_core.metrics import WINDOWS, Sample, Subject
from bitfusion_server.store import schema
from bitfusion_server.store.base import AuditEntry, ClientState, ServerIdentity
from bitfusion_server.store.lane import StoreFailed
from bitfusion_server.store.samples import Point
from bitfusion_server.store.sqlite import SqliteStore, _add


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


async def test_rows_of_an_older_version_can_be_changed(tmp_path: Path) -> None:
    """A row written before a field existed reads with the field's default, and a conditional change of it succeeds."""
    store = SqliteStore(tmp_path / "store.db")
    await store.open()
    body = '{"id":"c1","token_id":"T","hostname":"h","user":"u","created_at":1.0}'
    await store._writer.run(lambda db: db.execute("INSERT INTO client VALUES ('c1', 'T', 1.0, ?)", (body,)))

    client = await store.client("c1")
    assert client is not None
    changed = await store.replace_client(dataclasses.replace(client, state=ClientState.DISABLED), client)
    await store.close()

    assert changed


async def test_first_schema_is_migrated(tmp_path: Path) -> None:
    """A file of schema version 1 gets what has come since and keeps its content."""
    await asyncio.to_thread(_write_first_schema, tmp_path / "store.db")
    store = SqliteStore(tmp_path / "store.db")
    await store.open()

    assert await store.identify_server(ServerIdentity("s2", 2.0)) == ServerIdentity("s1", 1.0)
    assert await store.settings() == {}
    assert await store.users() == ()
    await store.close()


def _write_first_schema(path: Path) -> None:
    with sqlite3.connect(path) as db:
        for table in schema.TABLES:
            _add(db, table, 1)
        db.execute("PRAGMA user_version = 1")
        db.execute('INSERT INTO server VALUES (0, \'{"id":"s1","created_at":1.0}\')')


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
    assert len(entries.items) == 1


async def test_one_history_costs_the_same_among_many(tmp_path: Path) -> None:
    """Reading a subject's samples looks at its own rows, however many others have reported at the same times."""
    store = SqliteStore(tmp_path / "store.db")
    await store.open()
    times = [float(at) for at in range(0, 250, 5)]
    sample = {"server_leases": {"": 1.0}}
    await store.samples.put(WINDOWS[0], [Point(Subject.SERVER, f"s{n}", Sample(at, sample)) for n in range(100) for at in times])
    steps = [0]

    def count() -> None:
        steps[0] += 1

    await store._reader.run(lambda db: db.set_progress_handler(count, 1))
    found = await store.samples.read(WINDOWS[0], Subject.SERVER, "s50", 0.0, 250.0)
    await store._reader.run(lambda db: db.set_progress_handler(None, 0))
    await store.close()

    assert len(found) == len(times)
    assert steps[0] < 40 * len(times)
