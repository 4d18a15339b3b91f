"""Strangers and rogues on the two ports of a server: what they send, and how the server answers."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import socket
import ssl
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cffi

from bitfusion_core import hello
from bitfusion_core.hello import AnswerCode, ConnectionKind, Hello
from tests.demo import Demo
from tools.layout import LIB

HOST = "127.0.0.1"
PATIENCE_S = 30.0


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
        fields = {
            "session": uuid.UUID(self.session).bytes,
            "process": process,
            "kind": kind,
            "spec_hash": spec_hash(),
            "pid": 1,
            "tls": False,
        }
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


@functools.cache
def spec_hash() -> bytes:
    """Of the worker that this checkout has built."""
    ffi = cffi.FFI()
    ffi.cdef("void bitfusion_worker_get_spec_hash(uint8_t* hash);")
    digest = ffi.new("uint8_t[32]")
    ffi.dlopen(str(LIB / "server" / "libbitfusion_worker.so")).bitfusion_worker_get_spec_hash(digest)
    return bytes(ffi.buffer(digest))


class Lease:
    """A lease that the test takes by itself, past the command line; gone when the block ends."""

    def __init__(self, demo: Demo, **request: Any) -> None:
        self._demo = demo
        body = {"gpus": 1, "fraction": 0.25, "hold": "lease", "hostname": "rogue", "user": "rogue", **request}
        self._granted = next(event["lease"] for event in demo.lines("/v1/leases", body) if event["event"] == "granted")
        self.id = str(self._granted["id"])
        self.credentials = Credentials(self.id, self._granted["key"], self._granted["dispatcher_port"])

    def __enter__(self) -> Lease:  # noqa: PYI034 - as the other helpers
        return self

    def __exit__(self, *_: object) -> None:
        self._demo.delete(f"/v1/leases/{self.id}")

    def ends_of_workers(self) -> list[str]:
        """Why workers of this lease have ended, as the log says."""
        return [line["reason"] for line in log_of(self._demo) if line["event"] == "worker ended" and line["session"] == self.id]


def log_of(demo: Demo) -> list[dict[str, Any]]:
    """The lines of the server's log that are JSON: those of the manager and the dispatcher."""
    lines = []
    for line in demo.server.log.read_text(errors="replace").splitlines():
        with contextlib.suppress(ValueError):
            lines.append(json.loads(line))
    return [line for line in lines if isinstance(line, dict)]


def resident_mib(pid: int) -> float:
    """Memory that a process has in use."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def tls_connection(demo: Demo) -> ssl.SSLSocket:
    """A connection to the API's port that trusts it."""
    context = ssl.create_default_context(cafile=demo.handle.ca)
    plain = socket.create_connection((HOST, int(demo.handle.url.rpartition(":")[2])), timeout=PATIENCE_S)
    return context.wrap_socket(plain, server_hostname=HOST)
