"""Access tokens: `<id>.<secret>`, of which the store keeps the id and a hash.

The id is seven characters, short enough to read out, and names the token everywhere. The secret is 256 bits, so a plain hash suffices. That of a
client's token follows from the id and a key that lies beside the store, so that its files can be downloaded again; all others are random.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime
import hashlib
import hmac
import os
import secrets
from pathlib import Path

from bitfusion_core.errors import Conflict, TokenExpired, Unauthenticated
from bitfusion_server import files
from bitfusion_server.store.base import Role, Store, Token

_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_ID_LENGTH = 7
_KEY_BYTES = 32
_DAY_S = 86400.0


@dataclasses.dataclass(frozen=True)
class NewToken:
    """A token together with its text, which is nowhere kept."""

    token: Token
    text: str = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True)
class TokenKey:
    """What the secrets of client tokens follow from."""

    key: bytes = dataclasses.field(repr=False)

    def text(self, token_id: str) -> str:
        """The text of a client's token."""
        digest = hmac.digest(self.key, b"client token " + token_id.encode(), "sha256")
        return f"{token_id}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


def load_key(path: Path) -> TokenKey:
    """The key of this server, made at the first start."""
    if not path.exists():
        files.replace(path, os.urandom(_KEY_BYTES), 0o600)
    return TokenKey(path.read_bytes())


async def issue(
    store: Store, role: Role, description: str, now: float, lifetime_days: float | None, *, key: TokenKey | None = None, user: str = ""
) -> NewToken:
    """Make and store a token."""
    while True:
        token_id = "".join(secrets.choice(_ALPHABET) for _ in range(_ID_LENGTH))
        text = key.text(token_id) if key is not None else f"{token_id}.{secrets.token_urlsafe(32)}"
        expires_at = None if lifetime_days is None else now + lifetime_days * _DAY_S
        token = Token(token_id, _hash(text.partition(".")[2]), role, description, now, expires_at, user=user)
        if await store.insert_token(token):
            return NewToken(token, text)


def text_again(token: Token, key: TokenKey) -> str:
    """The text of a token whose secret follows from the key."""
    text = key.text(token.id)
    if not hmac.compare_digest(_hash(text.partition(".")[2]), token.secret_hash):
        raise Conflict(f"the text of token {token.id} was shown once and is not kept", hint="Create a new token.")
    return text


async def verify(store: Store, text: str, now: float) -> Token:
    """The token with this text if it is good, else an error that does not tell which part is wrong."""
    token_id, _, secret = text.partition(".")
    token = await store.token(token_id)
    expected = token.secret_hash if token is not None else bytes(32)
    if not hmac.compare_digest(_hash(secret), expected) or token is None or not token.active:
        raise Unauthenticated
    refuse_expired(token.expires_at, now)
    return token


def refuse_expired(expires_at: float | None, now: float) -> None:
    """Raise if this moment has passed."""
    if (error := expired(expires_at, now)) is not None:
        raise error


def expired(expires_at: float | None, now: float) -> TokenExpired | None:
    """What to say if this moment has passed."""
    return TokenExpired(f"Token expired at: {_utc(expires_at)}") if expires_at is not None and expires_at <= now else None


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def _utc(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
