"""The admission of a data connection, in bytes; the C++ side is held to the same vectors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bitfusion_core.hello import (
    ANSWER_SIZE,
    HELLO_SIZE,
    AnswerCode,
    ConnectionKind,
    Hello,
    HelloError,
    is_signed_by,
    pack_answer,
    pack_nonce,
    parse_answer,
    parse_nonce,
)

VECTORS = json.loads((Path(__file__).parents[1] / "native/hello_vectors.json").read_text())
KEY, RANDOM = b"\x11" * 32, b"\x22" * 32
EXAMPLE = Hello(b"\x44" * 16, b"\x55" * 16, ConnectionKind.BULK, b"\x33" * 32, 0x01020304)


def test_layouts_match_the_vectors() -> None:
    """Python writes what C++ writes."""
    assert EXAMPLE.pack(KEY, RANDOM).hex() == VECTORS["hello"]
    assert pack_answer(AnswerCode.NOT_ADMITTED, "no such session").hex() == VECTORS["answer"]
    assert (HELLO_SIZE, ANSWER_SIZE) == (160, 256)


def test_hello_survives_the_way() -> None:
    """What is packed is what is parsed."""
    data = EXAMPLE.pack(KEY, RANDOM)
    assert Hello.parse(data) == EXAMPLE
    assert is_signed_by(data, KEY, RANDOM)


def test_any_changed_bit_breaks_the_signature() -> None:
    """Key, nonce and every field are covered."""
    data = EXAMPLE.pack(KEY, RANDOM)
    for position in range(HELLO_SIZE):
        changed = bytearray(data)
        changed[position] ^= 1
        assert not is_signed_by(bytes(changed), KEY, RANDOM)
    assert not is_signed_by(data, b"\x12" * 32, RANDOM)
    assert not is_signed_by(data, KEY, b"\x23" * 32)


@pytest.mark.parametrize("data", [b"", bytes(HELLO_SIZE), b"BFHELLO1", b"BFHELLO1" + b"\xff" * 152])
def test_other_bytes_are_no_hello(data: bytes) -> None:
    """Garbage is named as such."""
    with pytest.raises(HelloError):
        Hello.parse(data)


def test_long_reason_is_cut_between_characters() -> None:
    """The answer has a fixed size."""
    code, reason = parse_answer(pack_answer(AnswerCode.WORKER, "é" * 300))
    assert code is AnswerCode.WORKER
    assert reason == "é" * 120


def test_nonce() -> None:
    """The server's greeting."""
    assert parse_nonce(pack_nonce(RANDOM)) == RANDOM
    with pytest.raises(HelloError):
        parse_nonce(b"HTTP/1.1" + RANDOM)
