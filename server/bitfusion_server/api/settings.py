"""Settings: the defaults for all, and what differs for one server or one client."""

from __future__ import annotations

import msgspec

from bitfusion_core.errors import NotFound
from bitfusion_server.api.routing import Answer, Call
from bitfusion_server.settings.live import Shown
from bitfusion_server.store.base import GLOBAL, ClientState, client_subject, server_subject

Value = str | int | float | bool


class SettingShown(msgspec.Struct, frozen=True):
    """A setting and its value in force. `own` is false where it matches the default."""

    name: str
    value: Value
    own: bool
    default: Value
    type: str
    scope: str
    help: str
    low: float | None
    high: float | None


class SettingList(msgspec.Struct, frozen=True):
    """The settings that can be set here."""

    settings: list[SettingShown]


class SettingsBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """New values by name; null: match the default again. All are set or none."""

    settings: dict[str, Value | None]


async def show_global(call: Call) -> Answer:
    """The defaults for all servers and clients."""
    return _answer(call, GLOBAL)


async def change_global(call: Call) -> Answer:
    """Change defaults. With If-Match only if nobody has changed them since they were read."""
    return await _change(call, GLOBAL)


async def show_server(call: Call) -> Answer:
    """What holds for one server."""
    return _answer(call, _server(call))


async def change_server(call: Call) -> Answer:
    """Change what holds for one server."""
    return await _change(call, _server(call))


async def show_client(call: Call) -> Answer:
    """What holds for one client."""
    return _answer(call, await _client(call))


async def change_client(call: Call) -> Answer:
    """Change what holds for one client."""
    return await _change(call, await _client(call))


def _server(call: Call) -> str:
    if call.id != call.services.leases.server_id:
        raise NotFound(f"there is no server {call.id}")
    return server_subject(call.id)


async def _client(call: Call) -> str:
    client = await call.services.administration.clients.get(call.id)
    if client.state is ClientState.DELETED:
        raise NotFound(f"client {call.id} was deleted")
    return client_subject(call.id)


async def _change(call: Call, subject: str) -> Answer:
    body: SettingsBody = call.body
    before, after = await call.services.settings.change(subject, body.settings, call.if_match)
    if before != after:
        await call.services.administration.audit.record(call.principal.name, "settings.change", subject, before, after)
    return _answer(call, subject)


def _answer(call: Call, subject: str) -> Answer:
    settings = call.services.settings
    shown = [_shown(one, one.source == subject, settings.inherited(one.row.name, subject)) for one in settings.shown(subject)]
    return Answer(SettingList(shown), version=settings.version(subject))


def _shown(one: Shown, own: bool, default: Value) -> SettingShown:
    row = one.row
    return SettingShown(row.name, one.value, own, default, row.type.__name__, row.scope.value, row.help, row.low, row.high)
