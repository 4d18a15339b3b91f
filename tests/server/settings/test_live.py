"""Settings that administrators change while the server runs."""

from __future__ import annotations

from typing import Any

import pytest

from bitfusion_core.errors import Conflict, InvalidSetting, PreconditionFailed
from bitfusion_core.settings import Settings
from bitfusion_server.settings.live import LiveSettings
from bitfusion_server.store.base import GLOBAL, Store, client_subject, server_subject

SERVER, CLIENT = server_subject("s1"), client_subject("c1")


@pytest.fixture
def live(store: Store) -> LiveSettings:
    """As after a start with one value from the file."""
    return LiveSettings(store, Settings({"queue.max_waiting": 7}), "s1")


async def test_the_nearest_wins(live: LiveSettings) -> None:
    """Start, over it the default for all, over it the server's own; without its own it matches the default again."""
    assert live.integer("queue.max_waiting") == 7

    await live.change(GLOBAL, {"queue.max_waiting": 8})
    assert live.integer("queue.max_waiting") == 8

    await live.change(SERVER, {"queue.max_waiting": "9"})
    assert live.integer("queue.max_waiting") == 9
    assert live.of(GLOBAL).integer("queue.max_waiting") == 8

    await live.change(SERVER, {"queue.max_waiting": None})
    assert live.integer("queue.max_waiting") == 8


async def test_changes_survive_a_restart(live: LiveSettings, store: Store) -> None:
    """What was set is in force after the next start."""
    await live.change(CLIENT, {"client.gpu_quota": 0.5})

    again = LiveSettings(store, Settings({}), "s1")
    await again.load()

    assert again.client("c1").number("client.gpu_quota") == 0.5
    assert again.client("c2").number("client.gpu_quota") == 64


@pytest.mark.parametrize(
    "subject, changes",
    [
        (GLOBAL, {"no.such": 1}),
        (GLOBAL, {"manager.listen": "0.0.0.0:1"}),
        (GLOBAL, {"client.gpu_quota": -1}),
        (SERVER, {"client.gpu_quota": 1}),
        (SERVER, {"token.lifetime_days": 1}),
        (CLIENT, {"server.accepting": False}),
        (GLOBAL, {"queue.max_waiting": 5, "server.accepting": "maybe"}),
    ],
)
async def test_bad_changes_change_nothing(live: LiveSettings, store: Store, subject: str, changes: dict[str, Any]) -> None:
    """An unknown name, a value out of range or out of scope refuses the whole change."""
    with pytest.raises(InvalidSetting):
        await live.change(subject, changes)

    assert await store.settings() == {}
    assert live.integer("queue.max_waiting") == 7


async def test_a_change_of_what_somebody_else_has_changed(live: LiveSettings) -> None:
    """With the version that was read, a change succeeds once."""
    version = live.version(GLOBAL)
    await live.change(GLOBAL, {"queue.max_waiting": 8}, version)

    with pytest.raises(PreconditionFailed):
        await live.change(GLOBAL, {"queue.max_waiting": 9}, version)
    assert live.integer("queue.max_waiting") == 8


async def test_another_writer(live: LiveSettings, store: Store) -> None:
    """A store changed by another server refuses the change and is read again."""
    await store.replace_settings(GLOBAL, {"queue.max_waiting": "5"}, {})

    with pytest.raises(Conflict):
        await live.change(GLOBAL, {"data.tls": False})

    assert live.integer("queue.max_waiting") == 5
    await live.change(GLOBAL, {"data.tls": False})
    assert live.flag("data.tls") is False


async def test_observers_see_the_new_values(live: LiveSettings) -> None:
    """Whoever has to act on a change is called after it."""
    seen: list[tuple[str, bool]] = []
    live.observe(lambda subject: seen.append((subject, live.flag("server.accepting"))))

    await live.change(SERVER, {"server.accepting": False})

    assert seen == [(SERVER, False)]


async def test_shown(live: LiveSettings) -> None:
    """Each subject shows what can be set for it, its value, and where that comes from."""
    await live.change(GLOBAL, {"client.gpu_quota": 10})
    await live.change(CLIENT, {"lease.idle_timeout_min": 3})

    shown = {one.row.name: (one.value, one.source) for one in live.shown(CLIENT)}

    assert shown == {"client.gpu_quota": (10.0, GLOBAL), "lease.idle_timeout_min": (3, CLIENT)}
    assert live.inherited("lease.idle_timeout_min", CLIENT) == 0
