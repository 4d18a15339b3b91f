"""Access tokens: `<id>.<secret>`, of which the store keeps the id and a hash.

The id is seven characters, short enough to read out, and names the token everywhere; the secret is 256 random bits, so a plain hash suffices.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import hmac
import secrets

from bitfusion_core.errors import TokenExpired, Unauthenticated
from bitfusion_server.store.base import Role, Store, Token

_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_ID_LENGTH = 7
_DAY_S = 86400.0


@dataclasses.dataclass(frozen=True)
class NewToken:
    """A token at the only moment its text is known."""

    token: Token
    text: str = dataclasses.field(repr=False)


async def issue(store: Store, role: Role, description: str, now: float, lifetime_days: float | None) -> NewToken:
    """Make and store a token."""
    while True:
        new = _generate(role, description, now, None if lifetime_days is None else now + lifetime_days * _DAY_S)
        if await store.insert_token(new.token):
            return new


async def verify(store: Store, text: str, now: float) -> Token:
    """The token with this text if it is good, else an error that does not tell which part is wrong."""
    token_id, _, secret = text.partition(".")
    token = await store.token(token_id)
    expected = token.secret_hash if token is not None else bytes(32)
    if not hmac.compare_digest(_hash(secret), expected) or token is None or not token.active:
        raise Unauthenticated
    if token.expires_at is not None and token.expires_at <= now:
        raise TokenExpired(f"Token expired at: {_utc(token.expires_at)}")
    return token


def _generate(role: Role, description: str, now: float, expires_at: float | None) -> NewToken:
    token_id = "".join(secrets.choice(_ALPHABET) for _ in range(_ID_LENGTH))
    secret = secrets.token_urlsafe(32)
    return NewToken(Token(token_id, _hash(secret), role, description, now, expires_at), f"{token_id}.{secret}")


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def _utc(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
