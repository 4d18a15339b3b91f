"""The audit log."""

from __future__ import annotations

from typing import Any

import msgspec

from bitfusion_server.api.fields import PageQuery, Seconds
from bitfusion_server.api.routing import Call


class AuditShown(msgspec.Struct, frozen=True):
    """One change. `before` and `after` hold what is different."""

    at: Seconds
    actor: str
    action: str
    subject: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class AuditPage(msgspec.Struct, frozen=True):
    """Changes, newest first."""

    entries: list[AuditShown]
    next: str | None


async def index(call: Call) -> AuditPage:
    """Who changed what, when, before and after."""
    query: PageQuery = call.query
    page = await call.services.store.audit(query.limit, query.cursor)
    entries = [AuditShown(e.at, e.actor, e.action, e.subject, _plain(e.before), _plain(e.after)) for e in page.items]
    return AuditPage(entries, page.next)


def _plain(values: Any) -> dict[str, Any] | None:
    return None if values is None else dict(values)
