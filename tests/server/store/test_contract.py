"""What every engine of the store promises; a new engine is added to ENGINES."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from bitfusion_core.models import Lease, LeasedGpu
from bitfusion_server.store.base import (
    GLOBAL,
    ActiveLease,
    AuditEntry,
    BadPlace,
    Client,
    ClientState,
    Role,
    ServerIdentity,
    Store,
    Task,
    TaskState,
    Token,
    User,
    client_subject,
)
from bitfusion_server.store.sqlite import SqliteStore

ENGINES: dict[str, Callable[[Path], Store]] = {"sqlite": lambda directory: SqliteStore(directory / "store.db")}

TOKEN = Token("ABCDEF2", b"\x01" * 32, Role.CLIENT, "laptop", 10.0, 20.0)
USER = User("ann", Role.VIEWER, "scrypt$hash", 10.0)
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
    """A change based on old values is refused; each subject has its own; without values there is no subject."""
    assert await store.replace_settings(GLOBAL, {"data.tls": "true"}, {})
    assert not await store.replace_settings(GLOBAL, {"data.tls": "false"}, {})
    assert await store.replace_settings(client_subject("c1"), {"client.gpu_quota": "2"}, {})
    assert await store.replace_settings(GLOBAL, {"data.tls": "false", "x": "y"}, {"data.tls": "true"})
    assert await store.settings() == {GLOBAL: {"data.tls": "false", "x": "y"}, "client/c1": {"client.gpu_quota": "2"}}

    assert await store.replace_settings(GLOBAL, {}, {"x": "y", "data.tls": "false"})
    assert set(await store.settings()) == {"client/c1"}


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

    assert await store.delete_token(TOKEN.id)
    assert not await store.delete_token(TOKEN.id)
    assert await store.token(TOKEN.id) is None


async def test_users(store: Store) -> None:
    """As for tokens, by name."""
    assert await store.insert_user(USER)
    assert not await store.insert_user(USER)

    operator = dataclasses.replace(USER, role=Role.OPERATOR)
    assert await store.replace_user(operator, USER)
    assert not await store.replace_user(operator, USER)
    assert operator == await store.user("ann")
    assert (operator,) == tuple(await store.users())

    assert await store.delete_user("ann")
    assert not await store.delete_user("ann")


async def test_clients(store: Store) -> None:
    """As for tokens."""
    assert await store.insert_client(CLIENT)
    assert not await store.insert_client(CLIENT)

    deleted = dataclasses.replace(CLIENT, state=ClientState.DELETED)
    assert await store.replace_client(deleted, CLIENT)
    assert deleted == await store.client("c1")
    assert (deleted,) == (await store.clients(10)).items


async def test_client_pages(store: Store) -> None:
    """Pages follow each other without gap or repetition, also among clients of the same moment; a made-up place is refused."""
    for number in range(5):
        await store.insert_client(dataclasses.replace(CLIENT, id=f"c{number}", created_at=float(number // 3)))

    first = await store.clients(2)
    second = await store.clients(2, first.next)
    last = await store.clients(2, second.next)

    assert [client.id for page in (first, second, last) for client in page.items] == ["c0", "c1", "c2", "c3", "c4"]
    assert last.next is None
    for place in ("x", "", "1.0/", "1.0/" + "9" * 30):
        with pytest.raises(BadPlace):
            await store.clients(2, place)


async def test_lease_life(store: Store) -> None:
    """An ended lease leaves the open ones, enters the history once, and its key is gone."""
    assert await store.open_lease(lease())
    assert not await store.open_lease(lease())
    assert (lease(),) == tuple(await store.active_leases("s1"))
    assert tuple(await store.active_leases("s2")) == ()

    assert await store.close_lease("l1", 30.0, "released")
    assert not await store.close_lease("l1", 31.0, "again")
    assert tuple(await store.active_leases("s1")) == ()
    (ended,) = (await store.ended_leases(10)).items
    assert (lease().lease, 30.0, "released") == (ended.lease, ended.ended_at, ended.reason)


async def test_a_confirmed_lease_stays_confirmed(store: Store) -> None:
    """What a client has confirmed is known after a restart; nothing can be confirmed that is not open."""
    await store.open_lease(lease())
    assert not (await store.active_leases("s1"))[0].kept

    assert await store.keep_lease("l1")
    assert (await store.active_leases("s1"))[0].kept
    await store.close_lease("l1", 30.0, "released")
    assert not await store.keep_lease("l1")


async def test_history_pages(store: Store) -> None:
    """History is read newest first, page by page."""
    for number in range(5):
        await store.open_lease(lease(f"l{number}", granted_at=float(number)))
        await store.close_lease(f"l{number}", 100.0, "released")

    page = await store.ended_leases(2)
    assert [row.lease.id for row in page.items] == ["l4", "l3"]
    assert [row.lease.id for row in (await store.ended_leases(2, page.next)).items] == ["l2", "l1"]


async def test_audit(store: Store) -> None:
    """Entries come back newest first, with what was before and after."""
    for number in range(3):
        await store.append_audit(AuditEntry(float(number), "ann", "token.change", f"t{number}", {"active": True}, {"active": False}))

    page = await store.audit(2)
    assert [entry.subject for entry in page.items] == ["t2", "t1"]
    assert (page.items[0].before, page.items[0].after) == ({"active": True}, {"active": False})
    assert [entry.subject for entry in (await store.audit(2, page.next)).items] == ["t0"]


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


async def test_tasks(store: Store) -> None:
    """The newest comes first; what is known of a task changes in its place; what has not ended is found; what is old is forgotten."""
    first, second = (Task(name, "ann", "work", at) for name, at in (("t1", 10.0), ("t2", 20.0)))
    await store.put_task(first)
    await store.put_task(second)
    ended = dataclasses.replace(first, state=TaskState.FAILED, ended_at=11.0, result="no", problem={"code": "x", "status": 500})
    await store.put_task(ended)

    page = await store.tasks(1)
    assert page.items == (second,)
    assert (await store.tasks(1, page.next)).items == (ended,)
    assert await store.task("t1") == ended
    assert await store.running_tasks() == (second,)
    await store.forget_tasks(20.0)
    assert (await store.tasks(10)).items == (second,)
    assert await store.task("t1") is None
