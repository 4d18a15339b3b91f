"""Passwords as the store keeps them: `scrypt$<log2 N>$<r>$<p>$<salt>$<hash>`, so that costs can be raised later.

The cost is that of the OWASP recommendation: 2^17 blocks of 1 KiB, 128 MiB and about 0.3 s of one core. Hashing runs in a thread, one at a
time, so that a crowd of logins takes neither the memory nor the processors of the server.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import os
from dataclasses import dataclass

from bitfusion_core.errors import InvalidValue, TooManyRequests

MIN_LENGTH = 8
MAX_LENGTH = 128
_SALT_BYTES = 16
_HASH_BYTES = 32
_MOST_WAITING = 16


@dataclass(frozen=True)
class Cost:
    """Parameters of scrypt (RFC 7914)."""

    log_n: int = 17
    r: int = 8
    p: int = 1


class Passwords:
    """Hashes and checks."""

    def __init__(self, cost: Cost | None = None) -> None:
        self._cost = cost or Cost()
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._nobody = _written(self._cost, bytes(_SALT_BYTES), bytes(_HASH_BYTES))

    async def hash(self, password: str) -> str:
        """What to store for a new password."""
        if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
            raise InvalidValue(f"a password has {MIN_LENGTH} to {MAX_LENGTH} characters", hint="Choose another password.")
        salt = os.urandom(_SALT_BYTES)
        return _written(self._cost, salt, await self._derive(self._cost, salt, password))

    async def check(self, password: str, stored: str | None) -> bool:
        """Is it right? Takes as long when there is nobody of that name."""
        cost, salt, expected = _read(stored or self._nobody)
        derived = await self._derive(cost, salt, password[: MAX_LENGTH + 1])
        return hmac.compare_digest(derived, expected) and stored is not None

    async def _derive(self, cost: Cost, salt: bytes, password: str) -> bytes:
        if self._waiting >= _MOST_WAITING:
            raise TooManyRequests("too many passwords are being checked at this moment", retry_after_s=5)
        self._waiting += 1
        try:
            async with self._turn:
                return await asyncio.to_thread(_scrypt, cost, salt, password.encode("utf-8", "surrogatepass"))
        finally:
            self._waiting -= 1


def _scrypt(cost: Cost, salt: bytes, password: bytes) -> bytes:
    memory = 128 * cost.r * (1 << cost.log_n) + (1 << 20)
    return hashlib.scrypt(password, salt=salt, n=1 << cost.log_n, r=cost.r, p=cost.p, maxmem=memory, dklen=_HASH_BYTES)


def _written(cost: Cost, salt: bytes, derived: bytes) -> str:
    return "$".join(["scrypt", str(cost.log_n), str(cost.r), str(cost.p), *(base64.b64encode(part).decode() for part in (salt, derived))])


def _read(stored: str) -> tuple[Cost, bytes, bytes]:
    _, log_n, r, p, salt, derived = stored.split("$")
    return Cost(int(log_n), int(r), int(p)), base64.b64decode(salt), base64.b64decode(derived)
