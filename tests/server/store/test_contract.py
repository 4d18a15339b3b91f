"""What every engine of the store promises; a new engine is added to ENGINES."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from bitfusion_core.models import Lease, LeasedGpu
from bitfusion_server.store.base import ActiveLease, AuditEntry, Client, ClientState, Role, ServerIdentity, Store, Token
from bitfusion_server.store.sqlite import SqliteStore

ENGINES: dict[str, Callable[[Path], Store]] = {"sqlite": lambda directory: SqliteStore(directory / "store.db")}

TOKEN = Token("ABCDEF2", b"\x01" * 32, Role.CLIENT, "laptop", 10.0, 20.0)
CLIENT = Client("c1", "ABCDEF2", "host", "ann", 10.0)


def lease(name: str = "l1", server: str = "s1", granted_at: float = 10.0) -> ActiveLease:
    """A lease of half a GPU."""
    gpu = LeasedGpu(0, "GPU-0", "Model", 8080, 8080)
    return ActiveLease(
        Lease(name, server, "ABCDEF2", "c1", (gpu,), 8080, 0.5, "connection", "host", "ann", ("python", "x.py"), granted_at), b"k" * 32
    )


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Callable[[Path], Store]:
    """Each engine in turn."""
    return ENGINES[request.param]


@pytest_asyncio.fixture
async def store(engine: Callable[[Path], Store], tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store."""
    opened = engine(tmp_path)
    await opened.open()
    yield opened
    await opened.close()


async def test_identity_is_for_good(store: Store) -> None:
    """The first identity proposed wins, for ever."""
    first = await store.identify_server(ServerIdentity("s1", 1.0))

    assert first == await store.identify_server(ServerIdentity("s2", 2.0))


async def test_settings_change_conditionally(store: Store) -> None:
    """A change based on an old value is refused."""
    assert await store.put_setting("data.tls", "true", None)
    assert not await store.put_setting("data.tls", "false", None)
    assert not await store.put_setting("data.tls", "false", "maybe")
    assert await store.put_setting("data.tls", "false", "true")
    assert await store.settings() == {"data.tls": "false"}


async def test_tokens(store: Store) -> None:
    """A token comes back as it was, is unique, and changes only from the state that was read."""
    assert await store.insert_token(TOKEN)
    assert not await store.insert_token(dataclasses.replace(TOKEN, description="other"))
    assert await store.token(TOKEN.id) == TOKEN
    assert await store.token("nobody") is None

    inactive = dataclasses.replace(TOKEN, active=False)
    assert await store.replace_token(inactive, TOKEN)
    assert not await store.replace_token(TOKEN, TOKEN)
    assert (inactive,) == tuple(await store.tokens())


async def test_clients(store: Store) -> None:
    """As for tokens."""
    assert await store.insert_client(CLIENT)
    assert not await store.insert_client(CLIENT)

    deleted = dataclasses.replace(CLIENT, state=ClientState.DELETED)
    assert await store.replace_client(deleted, CLIENT)
    assert deleted == await store.client("c1")
    assert (deleted,) == tuple(await store.clients())


async def test_lease_life(store: Store) -> None:
    """An ended lease leaves the open ones, enters the history once, and its key is gone."""
    assert await store.open_lease(lease())
    assert not await store.open_lease(lease())
    assert (lease(),) == tuple(await store.active_leases("s1"))
    assert tuple(await store.active_leases("s2")) == ()

    assert await store.close_lease("l1", 30.0, "released")
    assert not await store.close_lease("l1", 31.0, "again")
    assert tuple(await store.active_leases("s1")) == ()
    (ended,) = await store.ended_leases(10)
    assert (lease().lease, 30.0, "released") == (ended.lease, ended.ended_at, ended.reason)


async def test_history_pages(store: Store) -> None:
    """History is read newest first, page by page."""
    for number in range(5):
        await store.open_lease(lease(f"l{number}", granted_at=float(number)))
        await store.close_lease(f"l{number}", 100.0 + number, "released")

    page = await store.ended_leases(2)
    assert [row.lease.id for row in page] == ["l4", "l3"]
    assert [row.lease.id for row in await store.ended_leases(2, before=page[-1].ended_at)] == ["l2", "l1"]


async def test_audit(store: Store) -> None:
    """Entries come back newest first."""
    for number in range(3):
        await store.append_audit(AuditEntry(float(number), "admin", "token.create", f"t{number}"))

    assert [entry.subject for entry in await store.audit(2)] == ["t2", "t1"]
    assert [entry.subject for entry in await store.audit(2, before=1.0)] == ["t0"]


async def test_only_one_of_many_wins(store: Store) -> None:
    """Of concurrent conditional writes exactly one succeeds."""
    await store.insert_token(TOKEN)
    changes = [dataclasses.replace(TOKEN, description=str(number)) for number in range(50)]

    results = await asyncio.gather(*(store.replace_token(change, TOKEN) for change in changes))

    assert sum(results) == 1
    assert changes[results.index(True)] == await store.token(TOKEN.id)


async def test_survives_reopening(engine: Callable[[Path], Store], tmp_path: Path) -> None:
    """What was written is there after a restart."""
    first = engine(tmp_path)
    await first.open()
    await first.open_lease(lease())
    await first.close()

    second = engine(tmp_path)
    await second.open()
    try:
        assert (lease(),) == tuple(await second.active_leases("s1"))
    finally:
        await second.close()
