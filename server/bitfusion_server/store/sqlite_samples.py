"""Time series in SQLite: a row for each sample of a subject, its values as compressed JSON."""

# ruff: noqa: D102 - the interface documents the methods

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Mapping, Sequence

import msgspec

from bitfusion_core.metrics import Sample, Subject, Window
from bitfusion_server.store.lane import Lane
from bitfusion_server.store.samples import Point, SampleStore

_DELETED_AT_ONCE = 2000  # other writes wait meanwhile
_FAST = 1

_SELECT = "SELECT subject, at, count, body FROM sample WHERE span = ? AND kind = ?"


class SqliteSamples(SampleStore):
    """On the lanes of the store."""

    def __init__(self, writer: Lane, reader: Lane) -> None:
        self._writer = writer
        self._reader = reader

    async def put(self, window: Window, points: Sequence[Point]) -> None:
        statement = "INSERT OR REPLACE INTO sample (span, kind, subject, bucket, at, count, body) VALUES (?, ?, ?, ?, ?, ?, ?)"
        await self._writer.run(lambda db: db.executemany(statement, (_row(window, point) for point in points)).rowcount)

    async def read(self, window: Window, kind: Subject, subject: str, since: float, until: float) -> Sequence[Sample]:
        # The plus signs keep SQLite from the index by time, in which all subjects lie mixed.
        query = f"{_SELECT} AND subject = ? AND bucket BETWEEN ? AND ? AND +at >= ? AND +at < ? ORDER BY bucket, at"
        buckets = (_bucket(window, since), _bucket(window, until))
        points = await self._points(kind, query, window.name, kind.value, subject, *buckets, since, until)
        return tuple(point.sample for point in points)

    async def read_all(self, window: Window, kind: Subject, since: float, until: float) -> Sequence[Point]:
        return await self._points(kind, f"{_SELECT} AND at >= ? AND at < ? ORDER BY at, subject", window.name, kind.value, since, until)

    async def newest(self, window: Window, kind: Subject) -> float | None:
        return await self._time("SELECT max(at) FROM sample WHERE span = ? AND kind = ?", window, kind)

    async def oldest(self, window: Window, kind: Subject) -> float | None:
        return await self._time("SELECT min(at) FROM sample WHERE span = ? AND kind = ?", window, kind)

    async def subjects(self, window: Window, kind: Subject, after: str, limit: int) -> Sequence[str]:
        # Leaps from one subject to the next in the index, instead of reading all rows of each.
        query = (
            "WITH RECURSIVE name(subject) AS ("
            " SELECT min(subject) FROM sample WHERE span = ?1 AND kind = ?2 AND subject > ?3"
            " UNION ALL"
            " SELECT (SELECT min(subject) FROM sample WHERE span = ?1 AND kind = ?2 AND subject > name.subject)"
            " FROM name WHERE name.subject IS NOT NULL LIMIT ?4"
            ") SELECT subject FROM name WHERE subject IS NOT NULL"
        )
        values = (window.name, kind.value, after, limit)
        return await self._reader.run(lambda db: tuple(subject for (subject,) in db.execute(query, values)))

    async def expire(self, window: Window, before: float) -> int:
        statement = "DELETE FROM sample WHERE rowid IN (SELECT rowid FROM sample WHERE span = ? AND kind = ? AND at < ? LIMIT ?)"
        deleted = 0
        for kind in Subject:
            values = (window.name, kind.value, before, _DELETED_AT_ONCE)
            while True:
                count = await self._writer.run(lambda db, values=values: db.execute(statement, values).rowcount)  # type: ignore[misc]
                deleted += count
                if count < _DELETED_AT_ONCE:
                    break
        return deleted

    async def _points(self, kind: Subject, query: str, *values: str | float) -> tuple[Point, ...]:
        def work(db: sqlite3.Connection) -> tuple[Point, ...]:
            return tuple(Point(kind, subject, Sample(at, _decode(body), count)) for subject, at, count, body in db.execute(query, values))

        return await self._reader.run(work)

    async def _time(self, query: str, window: Window, kind: Subject) -> float | None:
        row = await self._reader.run(lambda db: db.execute(query, (window.name, kind.value)).fetchone())
        return None if row[0] is None else float(row[0])


def _row(window: Window, point: Point) -> tuple[str, str, str, int, float, int, bytes]:
    sample = point.sample
    return (window.name, point.kind.value, point.subject, _bucket(window, sample.at), sample.at, sample.count, _encode(sample.values))


def _bucket(window: Window, at: float) -> int:
    return int(at // window.bucket_s)


def _encode(values: Mapping[str, Mapping[str, float]]) -> bytes:
    return zlib.compress(msgspec.json.encode(values), _FAST)


def _decode(body: bytes) -> dict[str, dict[str, float]]:
    return msgspec.json.decode(zlib.decompress(body), type=dict[str, dict[str, float]])
