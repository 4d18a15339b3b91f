"""The settings in force: the values of the start, over them what administrators have set for all, over that for one server or client.

A value of the start may be overridden where its scope allows it; to remove an override is to "match the default" again. Everything is held in
memory, so that deciding needs no store; a change is written first and counts when it is durable.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from bitfusion_core.errors import Conflict, InvalidSetting, PreconditionFailed
from bitfusion_core.settings import BY_NAME, TABLE, Scope, Setting, Settings, Value
from bitfusion_server.store.base import GLOBAL, Store, client_subject, server_subject

Overrides = Mapping[str, str]


class Reading(Protocol):
    """Settings as services read them; `Settings` is one that never changes."""

    def text(self, name: str) -> str:
        """Value of a text setting."""

    def number(self, name: str) -> float:
        """Value of a setting with fractions."""

    def integer(self, name: str) -> int:
        """Value of a whole-number setting."""

    def flag(self, name: str) -> bool:
        """Value of an on/off setting."""


@dataclass(frozen=True)
class Shown:
    """A setting for people to see. `source` is where its value comes from: start, global, or the subject itself."""

    row: Setting
    value: Value
    source: str


class LiveSettings:
    """What holds for this server, for each client, and by default."""

    def __init__(self, store: Store, start: Settings, server_id: str) -> None:
        self._store = store
        self._start = start
        self._server = server_subject(server_id)
        self._overrides: dict[str, Overrides] = {}
        self._effective: dict[str, Settings] = {}
        self._observers: list[Callable[[str], None]] = []
        self._lock = asyncio.Lock()

    async def load(self) -> None:
        """Read what has been set before."""
        self._overrides = dict(await self._store.settings())
        self._effective.clear()

    @property
    def subjects(self) -> tuple[str, ...]:
        """Those that have something of their own."""
        return tuple(self._overrides)

    def observe(self, observer: Callable[[str], None]) -> None:
        """Call it with the subject after every change."""
        self._observers.append(observer)

    def of(self, subject: str) -> Settings:
        """All values as they hold for a subject."""
        known = self._effective.get(subject)
        if known is None:
            known = self._start.with_values({**self._usable(GLOBAL), **self._usable(subject)})
            self._effective[subject] = known
        return known

    def client(self, client_id: str) -> Settings:
        """All values as they hold for a client."""
        subject = client_subject(client_id)
        return self.of(subject if subject in self._overrides else GLOBAL)

    def text(self, name: str) -> str:
        """Value of a text setting for this server."""
        return self.of(self._server).text(name)

    def number(self, name: str) -> float:
        """Value of a setting with fractions for this server."""
        return self.of(self._server).number(name)

    def integer(self, name: str) -> int:
        """Value of a whole-number setting for this server."""
        return self.of(self._server).integer(name)

    def flag(self, name: str) -> bool:
        """Value of an on/off setting for this server."""
        return self.of(self._server).flag(name)

    def shown(self, subject: str) -> tuple[Shown, ...]:
        """The settings that may be set for a subject; the global list has all that may be set at all."""
        values, own, all_ = self.of(subject).shown(), self._usable(subject), self._usable(GLOBAL)
        rows = (row for row in TABLE if settable(row, subject))
        return tuple(Shown(row, values[row.name], subject if row.name in own else GLOBAL if row.name in all_ else "start") for row in rows)

    def inherited(self, name: str, subject: str) -> Value:
        """The value a setting of the subject has when it matches the default."""
        return (self._start if subject == GLOBAL else self.of(GLOBAL)).shown()[name]

    def own(self, subject: str, name: str) -> bool:
        """Does the subject differ from the default?"""
        return name in self._usable(subject)

    def version(self, subject: str) -> str:
        """Changes whenever something shown for the subject does."""
        values = {name: str(value) for name, value in sorted(self.of(subject).shown().items())}
        return hashlib.sha256(msgspec.json.encode([values, dict(sorted(self._usable(subject).items()))])).hexdigest()[:32]

    async def change(self, subject: str, changes: Mapping[str, Any], version: str | None = None) -> tuple[Overrides, Overrides]:
        """Set values, or with None remove them; all or nothing. Returns what the subject had of its own before and after."""
        async with self._lock:
            if version is not None and version != self.version(subject):
                raise PreconditionFailed("the settings are not what they were when they were read")
            before = self._overrides.get(subject, {})
            after = _merged(subject, before, changes)
            if not await self._store.replace_settings(subject, after, before):
                await self.load()
                raise Conflict("another server has changed the settings at the same moment")
            self._overrides[subject] = after
            self._effective.clear()
        for observer in self._observers:
            observer(subject)
        return before, after

    def _usable(self, subject: str) -> Overrides:
        """What a newer or older version has stored and this one cannot use is left alone."""
        stored = self._overrides.get(subject, {})
        return {name: value for name, value in stored.items() if name in BY_NAME and settable(BY_NAME[name], subject)}


def settable(row: Setting, subject: str) -> bool:
    """May it be set for this subject?"""
    if subject == GLOBAL:
        return row.scope is not Scope.PROCESS
    return row.scope is (Scope.CLIENT if subject.startswith(client_subject("")) else Scope.SERVER)


def _merged(subject: str, before: Overrides, changes: Mapping[str, Any]) -> Overrides:
    after = dict(before)
    for name, given in changes.items():
        row = BY_NAME.get(name)
        if row is None:
            raise InvalidSetting(f"unknown setting {name!r}")
        if not settable(row, subject):
            raise InvalidSetting(f"{name} cannot be set here: its scope is {row.scope.value}")
        after.pop(name, None)
        if given is not None:
            after[name] = str(row.parse(given))
    return after
