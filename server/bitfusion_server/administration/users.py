"""People: their names, roles and passwords, and their logins."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from bitfusion_core.errors import AlreadyExists, Conflict, InvalidValue, NotFound, TooManyRequests, WrongPassword
from bitfusion_server.administration.audit import Audit
from bitfusion_server.auth import tokens
from bitfusion_server.auth.access import Principal
from bitfusion_server.auth.limiter import FailureLimiter
from bitfusion_server.auth.passwords import Passwords
from bitfusion_server.auth.tokens import NewToken
from bitfusion_server.settings.live import LiveSettings
from bitfusion_server.store.base import GLOBAL, Role, Store, User

_log = structlog.get_logger(__name__)

_NAME = re.compile(r"[a-z_][a-z0-9_.@-]{0,63}", re.ASCII)
_FAILURES = 5
_MINUTES_A_DAY = 1440


class UserAdministration:
    """Local users. Whoever changes what a user may do ends that user's logins."""

    def __init__(self, store: Store, settings: LiveSettings, passwords: Passwords, audit: Audit, wall_clock: Callable[[], float]) -> None:
        self._store = store
        self._settings = settings
        self._passwords = passwords
        self._audit = audit
        self._wall_clock = wall_clock
        self._limiter = FailureLimiter(failures=_FAILURES)

    async def list(self) -> tuple[User, ...]:
        """All, oldest first."""
        return tuple(await self._store.users())

    async def get(self, name: str) -> User:
        """A user by name."""
        user = await self._store.user(name)
        if user is None:
            raise NotFound(f"there is no user {name}")
        return user

    async def create(self, actor: str, name: str, role: Role, password: str) -> User:
        """A new user."""
        if not _NAME.fullmatch(name):
            raise InvalidValue(
                f"{name!r} cannot be a user name", hint="Use up to 64 small letters, digits and _ . @ -, beginning with a letter."
            )
        if role is Role.CLIENT:
            raise InvalidValue("a user cannot have the role client", hint="Machines get tokens of the role client.")
        user = User(name, role, await self._passwords.hash(password), self._wall_clock())
        if not await self._store.insert_user(user):
            raise AlreadyExists(f"there is a user {name} already")
        await self._audit.record(actor, "user.create", f"user {name}", None, user)
        return user

    async def change(self, principal: Principal, name: str, changes: Mapping[str, Any]) -> User:
        """Change role, activity or password."""
        given = dict(changes)
        if principal.user == name and given.keys() & {"role", "active"}:
            raise Conflict("nobody can change what they may do themselves", hint="Ask another administrator.")
        if given.get("role") is Role.CLIENT:
            raise InvalidValue("a user cannot have the role client")
        password = given.pop("password", None)
        if password is not None:
            given["password_hash"] = await self._passwords.hash(password)
        before = await self.get(name)
        after = dataclasses.replace(before, **given)
        if not await self._store.replace_user(after, before):
            raise Conflict(f"user {name} has been changed by somebody else")
        await self._end_logins(name, but=principal.token_id)
        await self._audit.record(principal.name, "user.password" if password is not None else "user.change", f"user {name}", before, after)
        return after

    async def delete(self, principal: Principal, name: str) -> None:
        """Remove a user and the user's logins."""
        if principal.user == name:
            raise Conflict("nobody can delete themselves", hint="Ask another administrator.")
        user = await self.get(name)
        if await self._store.delete_user(name):
            await self._audit.record(principal.name, "user.delete", f"user {name}", user)
        await self._end_logins(name)

    async def login(self, name: str, password: str, address: str) -> tuple[NewToken, User]:
        """A token for a person with the right password."""
        user = await self._recognize(name, password, address)
        return await self._log_in(user, address), user

    async def change_own_password(self, principal: Principal, old: str, new: str, address: str) -> None:
        """Who knows the old password may set a new one."""
        await self._recognize(principal.user, old, address)
        await self.change(principal, principal.user, {"password": new})

    async def logout(self, principal: Principal) -> None:
        """End the login the caller came with."""
        if principal.user and await self._store.delete_token(principal.token_id):
            await self._audit.record(principal.name, "user.logout", f"user {principal.user}")

    async def _recognize(self, name: str, password: str, address: str) -> User:
        """The user of that name and password. Attempts count before they are checked, so that a crowd of them gets no further."""
        now = self._wall_clock()
        guesser = f"{address} {name}"
        wait_s = self._limiter.retry_after_s(guesser, now)
        if wait_s > 0:
            raise TooManyRequests(retry_after_s=math.ceil(wait_s))
        self._limiter.failed(guesser, now)
        user = await self._store.user(name)
        right = await self._passwords.check(password, None if user is None else user.password_hash)
        if user is None or not right or not user.active:
            _log.warning("login failed", address=address)
            raise WrongPassword
        self._limiter.succeeded(guesser)
        return user

    async def _log_in(self, user: User, address: str) -> NewToken:
        now = self._wall_clock()
        await self._forget_expired(now)
        days = self._settings.of(GLOBAL).integer("login.lifetime_min") / _MINUTES_A_DAY
        new = await tokens.issue(self._store, user.role, f"login from {address}", now, days, user=user.name)
        await self._audit.record(f"user {user.name}", "user.login", f"user {user.name}", None, {"address": address})
        return new

    async def _forget_expired(self, now: float) -> None:
        for token in await self._store.tokens():
            if token.user and token.expires_at is not None and token.expires_at <= now:
                await self._store.delete_token(token.id)

    async def _end_logins(self, name: str, but: str = "") -> None:
        for token in await self._store.tokens():
            if token.user == name and token.id != but:
                await self._store.delete_token(token.id)
