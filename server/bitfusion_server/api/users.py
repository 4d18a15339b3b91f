"""People: log in and out, look after users."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from bitfusion_core.errors import InvalidRequest
from bitfusion_server.administration.users import UserAdministration
from bitfusion_server.api.fields import Seconds
from bitfusion_server.api.routing import Answer, Call
from bitfusion_server.api.tokens import given
from bitfusion_server.auth.passwords import MAX_LENGTH, MIN_LENGTH
from bitfusion_server.store.base import Role, User

UserName = Annotated[str, Meta(min_length=1, max_length=64)]
NewPassword = Annotated[str, Meta(min_length=MIN_LENGTH, max_length=MAX_LENGTH)]
PersonRole = Literal["administrator", "operator", "viewer"]


class LoginBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Name and password."""

    user: UserName
    password: Annotated[str, Meta(max_length=MAX_LENGTH)]


class LoggedIn(msgspec.Struct, frozen=True):
    """`token` goes into the Authorization header until `expires_at`."""

    token: str
    user: str
    role: str
    expires_at: Seconds | None


class Self(msgspec.Struct, frozen=True):
    """Who the caller is."""

    user: str
    token_id: str
    role: str


class UserShown(msgspec.Struct, frozen=True):
    """A user without the password."""

    name: str
    role: str
    created_at: Seconds
    active: bool


class UserList(msgspec.Struct, frozen=True):
    """Users, oldest first."""

    users: list[UserShown]


class UserBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A new user."""

    name: UserName
    password: NewPassword
    role: PersonRole = "viewer"


class UserChange(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What is left out stays as it is."""

    role: PersonRole | UnsetType = UNSET
    active: bool | UnsetType = UNSET
    password: NewPassword | UnsetType = UNSET


class PasswordBody(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The caller's own new password, and the old one as proof."""

    old: Annotated[str, Meta(max_length=MAX_LENGTH)]
    new: NewPassword


async def login(call: Call) -> LoggedIn:
    """Name and password for a token."""
    body: LoginBody = call.body
    new, user = await _users(call).login(body.user, body.password, call.request.remote or "")
    return LoggedIn(new.text, user.name, user.role.value, new.token.expires_at)


async def logout(call: Call) -> None:
    """The token of the login is good for nothing any more."""
    await _users(call).logout(call.principal)


async def me(call: Call) -> Self:
    """Who the caller is and what role it has."""
    return Self(call.principal.user, call.principal.token_id, str(call.principal.role))


async def password(call: Call) -> None:
    """Change the caller's own password; the user's other logins end."""
    body: PasswordBody = call.body
    if not call.principal.user:
        raise InvalidRequest("only a user who has logged in has a password")
    await _users(call).change_own_password(call.principal, body.old, body.new, call.request.remote or "")


async def index(call: Call) -> UserList:
    """All users."""
    return UserList([_shown(user) for user in await _users(call).list()])


async def create(call: Call) -> Answer:
    """A new user."""
    body: UserBody = call.body
    user = await _users(call).create(call.principal.name, body.name, Role(body.role), body.password)
    return Answer(_shown(user), headers={"Location": f"/v1/users/{user.name}"})


async def show(call: Call) -> UserShown:
    """One user."""
    return _shown(await _users(call).get(call.id))


async def change(call: Call) -> UserShown:
    """Change role or password, activate or deactivate; the user's logins end."""
    changes = given(call.body)
    if "role" in changes:
        changes["role"] = Role(changes["role"])
    return _shown(await _users(call).change(call.principal, call.id, changes))


async def delete(call: Call) -> None:
    """Remove a user; the user's logins end."""
    await _users(call).delete(call.principal, call.id)


def _users(call: Call) -> UserAdministration:
    return call.services.administration.users


def _shown(user: User) -> UserShown:
    return UserShown(user.name, user.role.value, user.created_at, user.active)
