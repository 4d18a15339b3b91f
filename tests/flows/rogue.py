"""Strangers and rogues on the two ports of a server: what they send, and how the server answers."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import ssl
import urllib.request
import uuid
from dataclasses import dataclass
from typing import Any

from bitfusion_core import hello
from bitfusion_core.hello import AnswerCode, ConnectionKind, Hello
from bitfusion_server.worker.native import NativeWorker
from tests.demo import Demo

HOST = "127.0.0.1"
PATIENCE_S = 30.0


def throw(port: int, data: bytes) -> bytes:
    """Send bytes and read until the server hangs up; what it said."""
    answer = b""
    with socket.create_connection((HOST, port), timeout=PATIENCE_S) as connection, contextlib.suppress(ConnectionError):
        connection.sendall(data)
        while more := connection.recv(65536):
            answer += more
    return answer


def receive(connection: socket.socket, size: int) -> bytes:
    """Exactly so many bytes, or what came before the end."""
    data = b""
    while len(data) < size and (more := connection.recv(size - len(data))):
        data += more
    return data


@dataclass(frozen=True)
class Credentials:
    """A lease as its owner knows it."""

    session: str
    key: str
    port: int

    def connect(self, kind: ConnectionKind = ConnectionKind.COMMAND, process: bytes = b"r" * 16, **changes: Any) -> socket.socket:
        """A plain data connection that has said hello; the answer is still to be read."""
        connection = socket.create_connection((HOST, self.port), timeout=PATIENCE_S)
        random = hello.parse_nonce(receive(connection, hello.NONCE_SIZE))
        fields = {"session": uuid.UUID(self.session).bytes, "process": process, "kind": kind, "spec_hash": spec_hash(), "pid": 1, "tls": False}
        connection.sendall(Hello(**{**fields, **changes}).pack(bytes.fromhex(self.key), random))
        return connection

    def admitted(self, kind: ConnectionKind = ConnectionKind.COMMAND, process: bytes = b"r" * 16) -> socket.socket:
        """A connection that a worker has."""
        connection = self.connect(kind, process)
        assert verdict(connection)[0] is AnswerCode.ADMITTED
        return connection


def verdict(connection: socket.socket) -> tuple[AnswerCode, str]:
    """The dispatcher's answer to a hello."""
    return hello.parse_answer(receive(connection, hello.ANSWER_SIZE))


def spec_hash() -> bytes:
    """Of the worker that this checkout has built."""
    global _spec_hash
    if not _spec_hash:
        _spec_hash = NativeWorker.__new__(NativeWorker)._hash_of_library()
    return _spec_hash


_spec_hash = b""
