"""The storage tables, as data.

`since` is the schema version that brought a table or column; a new version adds rows here and nothing else. Removing or changing a column
is done by adding its successor. What is only ever read as a whole is one JSON document (`body`); what is searched for is a column.
"""

from __future__ import annotations

from dataclasses import dataclass

VERSION = 4


@dataclass(frozen=True)
class Column:
    """`type` is TEXT, REAL, INTEGER or BLOB."""

    name: str
    type: str
    since: int = 1


@dataclass(frozen=True)
class Table:
    """`key` is the primary key, `order` the columns lists are read by."""

    name: str
    help: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    order: tuple[str, ...] = ()
    since: int = 1


def _columns(text: str, since: int = 1) -> tuple[Column, ...]:
    """`"id TEXT, at REAL"` as columns that came with one version."""
    definitions = (definition.split() for definition in text.split(", "))
    return tuple(Column(name, type_, since) for name, type_ in definitions)


TABLES: tuple[Table, ...] = (
    Table("server", "who this server is: one row", _columns("slot INTEGER, body TEXT"), key=("slot",)),
    Table(
        "settings",
        "what administrators have set, for all, one server or one client",
        _columns("subject TEXT, body TEXT", 2),
        ("subject",),
        since=2,
    ),
    Table("token", "access tokens, hashed", _columns("id TEXT, created_at REAL, body TEXT"), key=("id",), order=("created_at",)),
    Table("user", "people who log in", _columns("name TEXT, created_at REAL, body TEXT", 2), key=("name",), order=("created_at",), since=2),
    Table(
        "client",
        "identities claimed by clients",
        _columns("id TEXT, token_id TEXT, created_at REAL, body TEXT"),
        key=("id",),
        order=("created_at",),
    ),
    Table(
        "lease",
        "open leases with their session keys",
        (*_columns("id TEXT, server_id TEXT, granted_at REAL, session_key BLOB, body TEXT"), *_columns("kept INTEGER", 3)),
        key=("id",),
        order=("server_id", "granted_at"),
    ),
    Table("lease_history", "ended leases", _columns("id TEXT, ended_at REAL, body TEXT"), key=("id",), order=("ended_at",)),
    Table(
        "task", "long work, for 30 days", _columns("id TEXT, started_at REAL, body TEXT", 4), key=("id",), order=("started_at",), since=4
    ),
    Table("audit", "who changed what", _columns("number INTEGER, at REAL, body TEXT"), key=("number",), order=("at",)),
    Table(
        "sample",
        "history of the figures in core/metrics.py: `span` is the window, `bucket` the part of it that expires together",
        _columns("span TEXT, kind TEXT, subject TEXT, bucket INTEGER, at REAL, count INTEGER, body BLOB", 2),
        key=("span", "kind", "subject", "bucket", "at"),
        order=("span", "kind", "at"),
        since=2,
    ),
)
