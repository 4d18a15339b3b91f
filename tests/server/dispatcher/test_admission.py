"""Who gets in, who does not, and that those who do not disturb nobody."""

from __future__ import annotations

import contextlib
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from bitfusion_core import hello
from bitfusion_core.hello import AnswerCode, ConnectionKind, Hello
from tests.server.dispatcher.conftest import Dispatcher, receive


def test_unknown_session_and_wrong_key_read_the_same(dispatcher: Dispatcher) -> None:
    """A stranger learns nothing about which sessions exist."""
    session = dispatcher.admit()
    unknown = dispatcher.greet_as({**session, "session": "0f8fad5b-d9cb-469f-a165-70867728950e"})
    wrong = dispatcher.greet_as(session, key="11" * 32)
    assert unknown == wrong
    assert unknown[0] is AnswerCode.NOT_ADMITTED
    assert dispatcher.call("list")["sessions"][0]["workers"] == []


def test_replayed_hello_is_refused(dispatcher: Dispatcher) -> None:
    """A recorded hello is worth nothing on another connection."""
    session = dispatcher.admit()
    recorded = Hello(bytes.fromhex(session["session"].replace("-", "")), b"p" * 16, ConnectionKind.COMMAND, bytes(32), 1)
    connection, random = dispatcher.connect()
    with connection:
        replay = recorded.pack(bytes.fromhex(session["key"]), random)
    assert dispatcher.greet(replay)[0] is AnswerCode.NOT_ADMITTED


def test_other_protocol_version_is_named(dispatcher: Dispatcher) -> None:
    """The message names both versions."""
    code, reason = dispatcher.greet_as(dispatcher.admit(), protocol_major=9)
    assert code is AnswerCode.VERSION
    assert "9.0" in reason
    assert f"{hello.PROTOCOL_MAJOR}.{hello.PROTOCOL_MINOR}" in reason


def test_client_of_another_spec_is_refused(dispatcher: Dispatcher) -> None:
    """Both ends must have been generated from the same rows; the message names both."""
    code, reason = dispatcher.greet_as(dispatcher.admit(), spec_hash=b"\xab" * 32)
    assert code is AnswerCode.VERSION
    assert "abababababab" in reason
    assert "000000000000" in reason


def test_plain_connection_of_an_encrypted_session_is_refused(dispatcher: Dispatcher) -> None:
    """Plaintext is a setting of the lease, never the client's choice."""
    assert dispatcher.greet_as(dispatcher.admit(), tls=False)[0] is AnswerCode.TLS


def test_bulk_connection_without_a_command_connection_is_refused(dispatcher: Dispatcher) -> None:
    """Only a command connection starts a worker."""
    assert dispatcher.greet_as(dispatcher.admit(), kind=ConnectionKind.BULK)[0] is AnswerCode.WORKER


@pytest.mark.parametrize("garbage", [b"GET / HTTP/1.1\r\n\r\n", bytes(160), b"\x16\x03\x01" + b"\xff" * 500, b"BFHELLO1" + b"\xff" * 152])
def test_garbage_is_refused(dispatcher: Dispatcher, garbage: bytes) -> None:
    """What is no hello gets a reason and the door."""
    code, reason = dispatcher.greet(garbage)
    assert code is not AnswerCode.ADMITTED
    assert reason


def test_half_a_hello_is_logged(dispatcher: Dispatcher) -> None:
    """A peer that stops in the middle is noticed at once."""
    connection, _ = dispatcher.connect()
    with connection:
        connection.sendall(hello.HELLO_MAGIC + b"x")
        connection.shutdown(socket.SHUT_WR)
        assert hello.parse_answer(receive(connection, hello.ANSWER_SIZE))[0] is AnswerCode.BAD_HELLO


def test_a_crowd_of_silent_strangers_does_not_lock_others_out(dispatcher: Dispatcher) -> None:
    """Beyond the cap, strangers are turned away; when they leave, a client gets its answer."""
    with contextlib.ExitStack() as crowd, ThreadPoolExecutor(16) as pool:
        address = ("127.0.0.1", dispatcher.port)
        silent = [crowd.enter_context(connection) for connection in pool.map(lambda _: socket.create_connection(address), range(300))]
        nonces = list(pool.map(lambda connection: receive(connection, hello.NONCE_SIZE), silent))
        assert b"" in nonces
        assert sum(map(bool, nonces)) == 256
        code, _ = _retry(lambda: dispatcher.greet_as(dispatcher.admit(), key="11" * 32), crowd)
    assert code is AnswerCode.NOT_ADMITTED


def _retry(attempt, crowd: contextlib.ExitStack):  # type: ignore[no-untyped-def]
    crowd.close()
    while True:
        with contextlib.suppress(hello.HelloError, OSError):
            return attempt()
