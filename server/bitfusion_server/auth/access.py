"""From an Authorization header to who is asking, and what they may do."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from bitfusion_core.errors import ClientRefused, Forbidden, TooManyRequests, Unauthenticated
from bitfusion_server.auth import tokens
from bitfusion_server.auth.limiter import FailureLimiter
from bitfusion_server.store.base import ClientState, Role, Store

_log = structlog.get_logger()
_LONGEST_TOKEN = 256


class Permission(enum.Enum):
    """What a route asks of its caller."""

    PUBLIC = "public"
    CLIENT = "client"
    ADMIN = "admin"


_GRANTS: dict[Role, frozenset[Permission]] = {
    Role.CLIENT: frozenset({Permission.PUBLIC, Permission.CLIENT}),
    Role.ADMIN: frozenset(Permission),
}


@dataclass(frozen=True)
class Principal:
    """An authenticated caller."""

    token_id: str
    role: Role

    def require(self, permission: Permission) -> None:
        """Refuse a caller whose role does not include the permission."""
        if permission not in _GRANTS[self.role]:
            raise Forbidden(f"a token of role {self.role} may not do this")

    def owns(self, token_id: str) -> bool:
        """May the caller see and end what this token holds?"""
        return self.role is Role.ADMIN or self.token_id == token_id


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
            token = await tokens.verify(self._store, text, now)
        except Unauthenticated as error:
            self._limiter.failed(guesser, now)
            _log.warning("authentication failed", address=address, reason=error.code)
            raise
        self._limiter.succeeded(guesser)
        return Principal(token.id, token.role)

    async def check_client(self, principal: Principal, client_id: str) -> None:
        """Refuse a client id that is unknown, someone else's, disabled or deleted."""
        client = await self._store.client(client_id)
        if client is None or not principal.owns(client.token_id):
            raise ClientRefused(f"client id {client_id} is not known for this token", hint="Remove client.yaml to claim a new id.")
        if client.state is not ClientState.ACTIVE:
            raise ClientRefused(f"client {client_id} is {client.state}")


def _token_text(authorization: str) -> str:
    scheme, _, rest = authorization.strip().partition(" ")
    text = rest.strip() if scheme.lower() == "bearer" else authorization.strip()
    if not text:
        raise Unauthenticated("no access token was sent")
    if len(text) > _LONGEST_TOKEN:
        raise Unauthenticated
    return text
