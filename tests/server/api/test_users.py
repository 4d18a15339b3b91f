"""People through the API: users, logins, passwords."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bitfusion_server.store.base import Store
from tests.server.api.calls import call
from tests.server.api.conftest import Api

PASSWORD = "correct horse"


async def add(api: Api, name: str = "ann", role: str = "operator") -> None:
    """A user."""
    assert (await call(api, "POST", "/v1/users", {"name": name, "password": PASSWORD, "role": role}))[0] == 201


async def log_in(api: Api, name: str = "ann", password: str = PASSWORD) -> tuple[int, Any]:
    """Try to."""
    return await call(api, "POST", "/v1/login", {"user": name, "password": password}, token="")


async def test_login(api: Api) -> None:
    """The right password gives a token with the user's role for a while; after the logout it is worth nothing."""
    await add(api)
    status, login = await log_in(api)
    assert (status, login["role"], login["user"]) == (200, "operator", "ann")
    assert (await call(api, "GET", "/v1/me", token=login["token"]))[1]["user"] == "ann"
    assert (await call(api, "GET", "/v1/users", token=login["token"]))[0] == 403

    assert (await call(api, "POST", "/v1/logout", token=login["token"]))[0] == 204
    assert (await call(api, "GET", "/v1/me", token=login["token"]))[0] == 401


async def test_wrong_logins_look_the_same(api: Api) -> None:
    """A wrong name, a wrong password and an inactive user cannot be told apart."""
    await add(api)
    await add(api, "eve")
    await call(api, "PATCH", "/v1/users/eve", {"active": False})

    answers = [await log_in(api, "ann", "wrong"), await log_in(api, "nobody"), await log_in(api, "eve")]

    assert {(status, problem["code"], problem["detail"]) for status, problem in answers} == {
        (401, "wrong_password", "The user name or the password is wrong")
    }


async def test_guessing_is_slowed_down(api: Api) -> None:
    """Also many guesses at once get only a few tries; then the right password has to wait, for that name alone."""
    await add(api)
    await add(api, "bob")

    answers = await asyncio.gather(*(log_in(api, "ann", f"guess {number}") for number in range(12)))

    assert sorted(status for status, _ in answers) == [401] * 5 + [429] * 7
    assert (await log_in(api))[0] == 429
    assert (await log_in(api, "bob"))[0] == 200


@pytest.mark.parametrize("change", [{"role": "viewer"}, {"active": False}, {"password": "another one"}])
async def test_changes_end_logins(api: Api, change: dict[str, Any]) -> None:
    """Whatever changes of a user, old logins are worth nothing."""
    await add(api)
    _, login = await log_in(api)

    assert (await call(api, "PATCH", "/v1/users/ann", change))[0] == 200

    assert (await call(api, "GET", "/v1/me", token=login["token"]))[0] == 401


async def test_own_password(api: Api) -> None:
    """Who knows the old password sets a new one, keeps this login and loses the others."""
    await add(api)
    _, here = await log_in(api)
    _, there = await log_in(api)

    wrong = await call(api, "PUT", "/v1/me/password", {"old": "guess", "new": "battery staple"}, token=here["token"])
    right = await call(api, "PUT", "/v1/me/password", {"old": PASSWORD, "new": "battery staple"}, token=here["token"])

    assert (wrong[0], right[0]) == (401, 204)
    assert (await call(api, "GET", "/v1/me", token=here["token"]))[0] == 200
    assert (await call(api, "GET", "/v1/me", token=there["token"]))[0] == 401
    assert (await log_in(api))[0] == 401
    assert (await log_in(api, password="battery staple"))[0] == 200


async def test_nobody_changes_what_they_may_do(api: Api, store: Store) -> None:
    """An administrator neither promotes nor removes themselves: the last one could lock everybody out."""
    await add(api, role="administrator")
    _, login = await log_in(api)

    for method, body in (("PATCH", {"role": "viewer"}), ("PATCH", {"active": False}), ("DELETE", None)):
        assert (await call(api, method, "/v1/users/ann", body, token=login["token"]))[0] == 409
    user = await store.user("ann")
    assert user is not None
    assert user.active


async def test_delete(api: Api) -> None:
    """A deleted user's logins end, and the name can be given again."""
    await add(api)
    _, login = await log_in(api)

    assert (await call(api, "DELETE", "/v1/users/ann"))[0] == 204

    assert (await call(api, "GET", "/v1/me", token=login["token"]))[0] == 401
    assert (await call(api, "GET", "/v1/users/ann"))[0] == 404
    await add(api)


@pytest.mark.parametrize(
    "body",
    [
        {"name": "ann", "password": "short"},
        {"name": "Ann B", "password": PASSWORD},
        {"name": "", "password": PASSWORD},
        {"name": "ann", "password": PASSWORD, "role": "client"},
        {"name": "ann", "password": "x" * 129},
        {"name": "ann"},
    ],
)
async def test_bad_users(api: Api, body: dict[str, Any]) -> None:
    """Names and passwords that will not do are refused."""
    assert (await call(api, "POST", "/v1/users", body))[0] == 400


async def test_names_are_unique(api: Api) -> None:
    """A second user of the same name is refused."""
    await add(api)

    status, problem = await call(api, "POST", "/v1/users", {"name": "ann", "password": PASSWORD})

    assert (status, problem["code"]) == (409, "already_exists")


async def test_passwords_are_nowhere(api: Api, store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither lists, nor the audit log, nor the log hold a password or its hash."""
    await add(api)
    await log_in(api)
    await log_in(api, password="canary-password")
    user = await store.user("ann")
    assert user is not None

    _, users = await call(api, "GET", "/v1/users")
    _, audit = await call(api, "GET", "/v1/audit")
    captured = capsys.readouterr()
    written = f"{users}{audit}{captured.out}{captured.err}{user!r}"

    assert "user.create" in written
    for secret in (PASSWORD, "canary-password", user.password_hash, user.password_hash.rpartition("$")[2]):
        assert secret not in written
