"""Tokens, guessing, client identities."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bitfusion_core.errors import ClientRefused, Forbidden, InvalidValue, TokenExpired, TooManyRequests, Unauthenticated
from bitfusion_server.auth import clients, tokens
from bitfusion_server.auth.access import Authenticator, Permission, Principal
from bitfusion_server.auth.limiter import FailureLimiter
from bitfusion_server.store.base import ClientState, Role, Store
from bitfusion_server.store.sqlite import SqliteStore

NOW = 1_000_000.0


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store."""
    opened = SqliteStore(tmp_path / "store.db")
    await opened.open()
    yield opened
    await opened.close()


def authenticator(store: Store, now: float = NOW) -> Authenticator:
    """One whose clock stands still."""
    return Authenticator(store, lambda: now, FailureLimiter(failures=3, window_s=60.0))


@pytest.mark.parametrize("header", ["Bearer {}", "bearer   {} ", "{}"])
async def test_good_token(store: Store, header: str) -> None:
    """With or without the scheme's name."""
    new = await tokens.issue(store, Role.CLIENT, "laptop", NOW, 365)

    principal = await authenticator(store).authenticate(header.format(new.text), "10.0.0.9")

    assert principal == Principal(new.token.id, Role.CLIENT)


async def test_secret_is_not_kept(store: Store, tmp_path: Path) -> None:
    """Neither the store's files nor what is printed of a token holds its secret."""
    new = await tokens.issue(store, Role.ADMIN, "", NOW, None)
    secret = new.text.partition(".")[2]

    assert secret not in repr(new)
    for file in tmp_path.iterdir():  # noqa: ASYNC240
        assert secret.encode() not in file.read_bytes()


async def test_bad_tokens(store: Store) -> None:
    """Whatever is wrong with it, the answer is the same."""
    new = await tokens.issue(store, Role.CLIENT, "", NOW, 365)
    inactive = await tokens.issue(store, Role.CLIENT, "", NOW, 365)
    await store.replace_token(dataclasses.replace(inactive.token, active=False), inactive.token)

    for number, text in enumerate(
        ["x", new.token.id, new.token.id + ".", new.text + "x", "NOBODY2.abc", inactive.text, "é.\ud800", "a" * 999]
    ):
        with pytest.raises(Unauthenticated, match="missing or wrong"):
            await authenticator(store).authenticate(f"Bearer {text}", str(number))
    for empty in ("", "Bearer", "Bearer  "):
        with pytest.raises(Unauthenticated):
            await authenticator(store).authenticate(empty, "10.0.0.9")


async def test_expired_token_says_when(store: Store) -> None:
    """The user learns that and when the token expired."""
    new = await tokens.issue(store, Role.CLIENT, "", NOW, 1)

    with pytest.raises(TokenExpired, match="Token expired at: 1970-01-13T13:46:40Z"):
        await authenticator(store, NOW + 86401).authenticate(new.text, "10.0.0.9")


async def test_guessing_is_slowed_down(store: Store) -> None:
    """After some failures whoever guesses at a token waits, even if right in the end; nobody else does."""
    new = await tokens.issue(store, Role.CLIENT, "", NOW, 365)
    neighbour = await tokens.issue(store, Role.CLIENT, "", NOW, 365)
    guarded = authenticator(store)
    for _ in range(3):
        with pytest.raises(Unauthenticated):
            await guarded.authenticate(f"{new.token.id}.guess", "10.0.0.9")

    with pytest.raises(TooManyRequests):
        await guarded.authenticate(new.text, "10.0.0.9")
    await guarded.authenticate(new.text, "10.0.0.10")
    await guarded.authenticate(neighbour.text, "10.0.0.9")


def test_limiter_forgets() -> None:
    """The window slides, and the memory is bounded."""
    limiter = FailureLimiter(failures=2, window_s=10.0, guessers=2)
    for now in (0.0, 4.0):
        limiter.failed("a", now)

    assert limiter.retry_after_s("a", 5.0) == 5.0
    assert limiter.retry_after_s("a", 10.0) == 0.0
    limiter.failed("b", 5.0)
    limiter.failed("c", 5.0)
    assert limiter.retry_after_s("a", 5.0) == 0.0


def test_roles() -> None:
    """A client may not administer."""
    Principal("A", Role.ADMIN).require(Permission.ADMIN)
    Principal("C", Role.CLIENT).require(Permission.CLIENT)
    with pytest.raises(Forbidden):
        Principal("C", Role.CLIENT).require(Permission.ADMIN)


async def test_claim_is_stable(store: Store) -> None:
    """The id claimed first stays; it cannot be claimed with another token."""
    owner, other = Principal("A", Role.CLIENT), Principal("B", Role.CLIENT)
    client = await clients.claim(store, owner, None, "host", "ann", NOW)

    assert client == await clients.claim(store, owner, client.id, "host", "ann", NOW + 1)
    with pytest.raises(ClientRefused):
        await clients.claim(store, other, client.id, "host", "eve", NOW)
    with pytest.raises(InvalidValue):
        await clients.claim(store, owner, "not-a-uuid", "host", "ann", NOW)


async def test_deleted_client_is_refused(store: Store) -> None:
    """Neither a claim nor a lease is possible any more."""
    owner = Principal("A", Role.CLIENT)
    client = await clients.claim(store, owner, None, "host", "ann", NOW)
    await store.replace_client(dataclasses.replace(client, state=ClientState.DELETED), client)

    with pytest.raises(ClientRefused):
        await clients.claim(store, owner, client.id, "host", "ann", NOW)
    with pytest.raises(ClientRefused):
        await authenticator(store).check_client(owner, client.id)
