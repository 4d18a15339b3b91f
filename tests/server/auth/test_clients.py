"""Client identities, and who may start something."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bitfusion_core.errors import ClientRefused, InvalidValue, TokenExpired
from bitfusion_core.settings import Settings
from bitfusion_server.auth.access import Principal
from bitfusion_server.auth.clients import Clients
from bitfusion_server.settings.live import LiveSettings
from bitfusion_server.store.base import ClientState, Role, Store, client_subject
from bitfusion_server.store.sqlite import SqliteStore

NOW = 1_000_000.0
DAY_S = 86400.0
OWNER, OTHER, OPERATOR = Principal("A", Role.CLIENT), Principal("B", Role.CLIENT), Principal("C", Role.OPERATOR)


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store."""
    opened = SqliteStore(tmp_path / "store.db")
    await opened.open()
    yield opened
    await opened.close()


def clients_at(store: Store, now: float = NOW, settings: LiveSettings | None = None) -> Clients:
    """With a clock that stands still."""
    return Clients(store, settings or LiveSettings(store, Settings({"client.lifetime_days": 10}), "s"), lambda: now)


async def test_claim_is_stable(store: Store) -> None:
    """The id claimed first stays; it cannot be claimed with another token."""
    clients = clients_at(store)
    client = await clients.claim(OWNER, None, "host", "ann")

    assert client == await clients_at(store, NOW + 1).claim(OWNER, client.id, "host", "ann")
    with pytest.raises(ClientRefused):
        await clients.claim(OTHER, client.id, "host", "eve")
    with pytest.raises(InvalidValue):
        await clients.claim(OWNER, "not-a-uuid", "host", "ann")


async def test_check(store: Store) -> None:
    """A client shows an id of its own token; an operator may act for any."""
    clients = clients_at(store)
    client = await clients.claim(OWNER, None, "host", "ann")

    await clients.check(OWNER, client.id)
    await clients.check(OPERATOR, client.id)
    await clients.check(OPERATOR, None)
    for principal, client_id in ((OTHER, client.id), (OWNER, None), (OWNER, "unknown")):
        with pytest.raises(ClientRefused):
            await clients.check(principal, client_id)


async def test_expiry_says_when(store: Store) -> None:
    """After its lifetime a client is told so, when it claims and when it wants GPUs."""
    client = await clients_at(store).claim(OWNER, None, "host", "ann")
    late = clients_at(store, NOW + 10 * DAY_S)

    for use in (late.claim(OWNER, client.id, "host", "ann"), late.check(OWNER, client.id)):
        with pytest.raises(TokenExpired, match="Token expired at: 1970-01-22T13:46:40Z"):
            await use


async def test_deleted_client_is_refused(store: Store) -> None:
    """Neither a claim nor a lease is possible any more, also after a restart."""
    clients = clients_at(store)
    client = await clients.claim(OWNER, None, "host", "ann")
    deleted = dataclasses.replace(client, state=ClientState.DELETED)
    await store.replace_client(deleted, client)

    with pytest.raises(ClientRefused):
        await clients.claim(OWNER, client.id, "host", "ann")
    with pytest.raises(ClientRefused):
        await clients.check(OWNER, client.id)
    restarted = clients_at(store)
    assert restarted.refusal(client.id, "A") is None
    await restarted.load()
    assert isinstance(restarted.refusal(client.id, "A"), ClientRefused)


async def test_settings_of_a_client(store: Store) -> None:
    """What is set for one client holds for it and nobody else."""
    settings = LiveSettings(store, Settings({}), "s")
    clients = clients_at(store, settings=settings)
    await settings.change(client_subject("c1"), {"client.gpu_quota": 3.5, "lease.idle_timeout_min": 7})

    assert (clients.quota("c1"), clients.idle_limit_min("c1")) == (3.5, 7)
    assert (clients.quota("c2"), clients.idle_limit_min("c2")) == (64, 0)


async def test_version_is_noted(store: Store) -> None:
    """The version of the software is what the last claim said; a claim without one leaves it."""
    clients = clients_at(store)
    client = await clients.claim(OWNER, None, "host", "ann", "0.1.0")
    versions = [(await clients.claim(OWNER, client.id, "host", "ann", version)).version for version in ("0.1.0", "0.2.0", "")]

    assert (client.version, versions) == ("0.1.0", ["0.1.0", "0.2.0", "0.2.0"])
    stored = await store.client(client.id)
    assert stored == dataclasses.replace(client, version="0.2.0")


async def test_who_expires_is_refused_without_asking_the_store(store: Store) -> None:
    """At the moment of the grant, and after a restart."""
    client = await clients_at(store).claim(OWNER, None, "host", "ann")
    early, late = clients_at(store, NOW + 9 * DAY_S), clients_at(store, NOW + 10 * DAY_S)
    for clients in (early, late):
        await clients.load()

    assert (early.refusal(client.id, "A"), early.expired(client.id)) == (None, False)
    assert isinstance(late.refusal(client.id, "A"), TokenExpired)
    assert late.expired(client.id)
