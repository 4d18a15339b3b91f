"""The audit log: who changed what, before and after. Secrets never get in."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from bitfusion_core.settings import BY_NAME
from bitfusion_server.store.base import AuditEntry, Store

_log = structlog.get_logger(__name__)


class Audit:
    """Writes entries; of a change only what is different."""

    def __init__(self, store: Store, wall_clock: Callable[[], float]) -> None:
        self._store = store
        self._wall_clock = wall_clock

    async def record(self, actor: str, action: str, subject: str, before: Any = None, after: Any = None) -> None:
        """Write an entry. `before` and `after` are mappings or dataclasses, whose fields without repr are secrets."""
        old, new = _shown(before), _shown(after)
        if old is not None and new is not None:
            same = {name for name in old.keys() & new.keys() if old[name] == new[name]}
            old, new = ({name: value for name, value in one.items() if name not in same} for one in (old, new))
        await self._store.append_audit(AuditEntry(self._wall_clock(), actor, action, subject, old, new))
        _log.info("change", actor=actor, action=action, subject=subject)


def _shown(value: Any) -> dict[str, Any] | None:
    if value is None:
        return None
    if isinstance(value, Mapping):
        return {name: "***" if name in BY_NAME and BY_NAME[name].secret else given for name, given in value.items()}
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.repr}
