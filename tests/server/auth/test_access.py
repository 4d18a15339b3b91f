"""Tokens, guessing, client identities."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bitfusion_core.errors import Forbidden, TokenExpired, TooManyRequests, Unauthenticated
from bitfusion_server.auth import tokens
from bitfusion_server.auth.access import Authenticator, Permission, Principal
from bitfusion_server.auth.limiter import FailureLimiter
from bitfusion_server.store.base import Role, Store, User
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

    assert principal == Principal(new.token.id, Role.CLIENT, description="laptop")


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


ALLOWED = {
    Role.CLIENT: {Permission.LOOK, Permission.LEASE},
    Role.VIEWER: {Permission.LOOK, Permission.VIEW},
    Role.OPERATOR: {Permission.LOOK, Permission.LEASE, Permission.VIEW, Permission.OPERATE},
    Role.ADMIN: set(Permission) - {Permission.PUBLIC},
}


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("permission", set(Permission) - {Permission.PUBLIC}, ids=lambda permission: permission.value)
def test_roles(role: Role, permission: Permission) -> None:
    """Who may do what; who is nobody may do nothing."""
    principal = Principal("T", role)
    if permission in ALLOWED[role]:
        principal.require(permission)
    else:
        with pytest.raises(Forbidden):
            principal.require(permission)
    with pytest.raises(Forbidden):
        Principal("", None).require(permission)


async def test_a_login_is_worth_what_its_user_is_worth_now(store: Store) -> None:
    """The role is the user's at the moment of the request; without an active user the login is worth nothing."""
    user = User("ann", Role.VIEWER, "hash", NOW)
    await store.insert_user(user)
    new = await tokens.issue(store, Role.ADMIN, "", NOW, 1, user="ann")
    assert (await authenticator(store).authenticate(new.text, "a")) == Principal(new.token.id, Role.VIEWER, "ann")

    inactive = dataclasses.replace(user, active=False)
    await store.replace_user(inactive, user)
    with pytest.raises(Unauthenticated):
        await authenticator(store).authenticate(new.text, "b")
    await store.delete_user("ann")
    with pytest.raises(Unauthenticated):
        await authenticator(store).authenticate(new.text, "c")
