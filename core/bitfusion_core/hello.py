"""The clear-text admission of a data connection: nonce, hello, answer.

The same layouts in C++: ``native/src/wire/hello.h``. Both are held to the vectors in ``tests/native/hello_vectors.json``.
"""

from __future__ import annotations

import enum
import hashlib
import hmac
import struct
from dataclasses import dataclass

PROTOCOL_MAJOR = 1
PROTOCOL_MINOR = 0

NONCE_MAGIC = b"BFNONCE1"
HELLO_MAGIC = b"BFHELLO1"
ANSWER_MAGIC = b"BFREPLY1"

RANDOM_SIZE = 32
_SIGNED = struct.Struct("<8sHHHH32s16s16sII40x")
_ANSWER = struct.Struct("<8sII240s")
MAC_SIZE = 32
NONCE_SIZE = len(NONCE_MAGIC) + RANDOM_SIZE
HELLO_SIZE = _SIGNED.size + MAC_SIZE
ANSWER_SIZE = _ANSWER.size
_REASON_SIZE = 240


class ConnectionKind(enum.IntEnum):
    """What a data connection carries."""

    COMMAND = 0
    BULK = 1


class AnswerCode(enum.IntEnum):
    """Why a connection was admitted or not."""

    ADMITTED = 0
    BAD_HELLO = 1
    VERSION = 2
    NOT_ADMITTED = 3
    TLS = 4
    WORKER = 5
    BUSY = 6


class HelloError(ValueError):
    """The bytes are not a hello."""


@dataclass(frozen=True)
class Hello:
    """What a client says of itself before anything else."""

    session: bytes
    process: bytes
    kind: ConnectionKind
    spec_hash: bytes
    pid: int
    tls: bool = True
    protocol_major: int = PROTOCOL_MAJOR
    protocol_minor: int = PROTOCOL_MINOR

    def pack(self, key: bytes, random: bytes) -> bytes:
        """The 160 bytes on the wire, signed with the session key over the server's random bytes."""
        signed = _SIGNED.pack(
            HELLO_MAGIC,
            self.protocol_major,
            self.protocol_minor,
            self.kind,
            int(self.tls),
            self.spec_hash,
            self.session,
            self.process,
            self.pid,
            0,
        )
        return signed + _mac(key, random, signed)

    @classmethod
    def parse(cls, data: bytes) -> Hello:
        """Read a hello; whether its signature is right is for `is_signed_by` to say."""
        if len(data) != HELLO_SIZE or not data.startswith(HELLO_MAGIC):
            raise HelloError("not a hello of this protocol")
        _, major, minor, kind, flags, spec_hash, session, process, pid, _ = _SIGNED.unpack_from(data)
        if kind not in (ConnectionKind.COMMAND, ConnectionKind.BULK):
            raise HelloError(f"unknown kind of connection {kind}")
        return cls(session, process, ConnectionKind(kind), spec_hash, pid, bool(flags & 1), major, minor)


def is_signed_by(data: bytes, key: bytes, random: bytes) -> bool:
    """Whether the 160 bytes carry the right signature, compared in constant time."""
    return hmac.compare_digest(data[-MAC_SIZE:], _mac(key, random, data[:-MAC_SIZE]))


def pack_nonce(random: bytes) -> bytes:
    """The server's first bytes."""
    return NONCE_MAGIC + random


def parse_nonce(data: bytes) -> bytes:
    """The server's random bytes."""
    if len(data) != NONCE_SIZE or not data.startswith(NONCE_MAGIC):
        raise HelloError("the server did not greet as a dispatcher does")
    return data[len(NONCE_MAGIC) :]


def pack_answer(code: AnswerCode, reason: str = "") -> bytes:
    """The server's verdict; the reason is cut to fit, never within a character."""
    text = reason.encode()[:_REASON_SIZE].decode(errors="ignore").encode()
    return _ANSWER.pack(ANSWER_MAGIC, code, 0, text)


def parse_answer(data: bytes) -> tuple[AnswerCode, str]:
    """The server's verdict and its reason."""
    if len(data) != ANSWER_SIZE or not data.startswith(ANSWER_MAGIC):
        raise HelloError("the server did not answer as a dispatcher does")
    _, code, _, reason = _ANSWER.unpack(data)
    return AnswerCode(code), reason.rstrip(b"\0").decode(errors="replace")


def _mac(key: bytes, random: bytes, signed: bytes) -> bytes:
    return hmac.new(key, random + signed, hashlib.sha256).digest()
