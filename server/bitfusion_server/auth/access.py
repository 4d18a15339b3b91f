"""From an Authorization header to who is asking, and what they may do."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from bitfusion_core.errors import Forbidden, TooManyRequests, Unauthenticated
from bitfusion_server.auth import tokens
from bitfusion_server.auth.limiter import FailureLimiter
from bitfusion_server.store.base import Role, Store, Token

_log = structlog.get_logger()
_LONGEST_TOKEN = 256


class Permission(enum.Enum):
    """What a route asks of its caller."""

    PUBLIC = "public"
    LOOK = "look"  # at what the caller may see: a client at its own leases
    LEASE = "lease"  # use GPUs
    VIEW = "view"  # everything
    OPERATE = "operate"  # sessions, clients, and the settings of servers and clients
    ADMINISTER = "administer"  # who may do what: tokens, users, certificates, defaults


_P = Permission
_GRANTS: dict[Role | None, frozenset[Permission]] = {
    None: frozenset({_P.PUBLIC}),
    Role.CLIENT: frozenset({_P.PUBLIC, _P.LOOK, _P.LEASE}),
    Role.VIEWER: frozenset({_P.PUBLIC, _P.LOOK, _P.VIEW}),
    Role.OPERATOR: frozenset({_P.PUBLIC, _P.LOOK, _P.VIEW, _P.LEASE, _P.OPERATE}),
    Role.ADMIN: frozenset(Permission),
}


def roles_with(permission: Permission) -> tuple[Role, ...]:
    """The roles that include a permission."""
    return tuple(role for role in Role if permission in _GRANTS[role])


@dataclass(frozen=True)
class Principal:
    """Who asks: `user` for a person who has logged in, else the token and what it is for; without a role nobody who is known."""

    token_id: str
    role: Role | None
    user: str = ""
    description: str = ""

    @property
    def name(self) -> str:
        """Who it was, for the audit log."""
        if self.user:
            return f"user {self.user}"
        return f"token {self.token_id} ({self.description})" if self.description else f"token {self.token_id}"

    def may(self, permission: Permission) -> bool:
        """Does the role include the permission?"""
        return permission in _GRANTS[self.role]

    def require(self, permission: Permission) -> None:
        """Refuse a caller whose role does not include the permission."""
        if not self.may(permission):
            raise Forbidden(f"the role {self.role} may not do this")

    def sees(self, token_id: str) -> bool:
        """May the caller see what this token holds?"""
        return self.token_id == token_id or self.may(Permission.VIEW)

    def owns(self, token_id: str) -> bool:
        """May the caller use and end what this token holds?"""
        return self.token_id == token_id or self.may(Permission.OPERATE)


class Authenticator:
    """Checks tokens and slows down guessing."""

    def __init__(self, store: Store, wall_clock: Callable[[], float], limiter: FailureLimiter | None = None) -> None:
        self._store = store
        self._wall_clock = wall_clock
        self._limiter = limiter or FailureLimiter()

    async def authenticate(self, authorization: str, address: str) -> Principal:
        """The caller behind `Bearer <token>` or the bare token."""
        now = self._wall_clock()
        text = _token_text(authorization)
        # By token as well: who guesses at one token must not lock out others behind the same address.
        guesser = f"{address} {text.partition('.')[0]}"
        wait_s = self._limiter.retry_after_s(guesser, now)
        if wait_s > 0:
            raise TooManyRequests(retry_after_s=math.ceil(wait_s))
        try:
            principal = await self._principal(await tokens.verify(self._store, text, now))
        except Unauthenticated as error:
            self._limiter.failed(guesser, now)
            _log.warning("authentication failed", address=address, reason=error.code)
            raise
        self._limiter.succeeded(guesser)
        return principal

    async def _principal(self, token: Token) -> Principal:
        """A login is worth what its user is worth now."""
        if not token.user:
            return Principal(token.id, token.role, description=token.description)
        user = await self._store.user(token.user)
        if user is None or not user.active:
            raise Unauthenticated
        return Principal(token.id, user.role, user.name)


def _token_text(authorization: str) -> str:
    scheme, _, rest = authorization.strip().partition(" ")
    text = rest.strip() if scheme.lower() == "bearer" else authorization.strip()
    if not text:
        raise Unauthenticated("no access token was sent")
    if len(text) > _LONGEST_TOKEN:
        raise Unauthenticated
    return text
