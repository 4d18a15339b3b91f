"""Measures the networks between this client and a server, with connections to the server's echo."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import time
import uuid
from typing import Any, NamedTuple

from bitfusion_client.networks import Measured, figures
from bitfusion_core import hello
from bitfusion_core.errors import ManagerUnreachable
from bitfusion_core.hello import AnswerCode, ConnectionKind, Hello, HelloError

SMALL, LARGE = 1, 1_000_000
_ROUNDS = {SMALL: 200, LARGE: 20}
_WARM_UP = 5
_TIMEOUT_S = 5.0
_SIOCGIFADDR = 0x8915
_LENGTH = struct.Struct("<I")


class Ticket(NamedTuple):
    """The right to measure: what `POST /v1/measurements` answers."""

    session: str
    key: str
    port: int
    networks: tuple[tuple[str, str], ...]  # name and address
    mtus: tuple[int, ...]


def parse_ticket(server: object, answer: Any) -> Ticket:
    """Check what a manager sent."""
    try:
        networks = tuple((str(one["name"]), socket.inet_ntoa(socket.inet_aton(str(one["address"])))) for one in answer["networks"])
        mtus = tuple(int(one["mtu"]) for one in answer["networks"] if one["mtu"])
        return Ticket(str(uuid.UUID(answer["session"])), bytes.fromhex(answer["key"]).hex(), int(answer["port"]), networks, mtus)
    except (KeyError, TypeError, ValueError, AttributeError, OSError) as error:
        raise ManagerUnreachable(f"{server} does not answer as a server should: {error!r}") from None


def measure(ticket: Ticket, server: str, network: str, address: str) -> Measured:
    """Measure one network of a server, from the interface that leads there; OSError when none does."""
    with socket.create_connection((address, ticket.port), _TIMEOUT_S) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _introduce(connection, ticket)
        times = {size: _round_trip_us(connection, size) / 2 for size in (SMALL, LARGE)}
        interface = _interface_of(connection.getsockname()[0])
    return Measured(interface, server, network, address, figures(times[SMALL], times[LARGE]))


def _introduce(connection: socket.socket, ticket: Ticket) -> None:
    """The hello of a data connection, for a measurement."""
    try:
        random = hello.parse_nonce(_receive(connection, hello.NONCE_SIZE))
        greeting = Hello(uuid.UUID(ticket.session).bytes, os.urandom(16), ConnectionKind.COMMAND, bytes(32), os.getpid(), tls=False)
        connection.sendall(greeting.pack(bytes.fromhex(ticket.key), random))
        code, reason = hello.parse_answer(_receive(connection, hello.ANSWER_SIZE))
    except HelloError as error:
        raise OSError(0, str(error)) from None
    if code is not AnswerCode.ADMITTED:
        raise OSError(0, reason)


def _round_trip_us(connection: socket.socket, size: int) -> float:
    """Median time of a message there and back."""
    message = _LENGTH.pack(size) + os.urandom(size)
    buffer = bytearray(len(message))
    rounds = [_round_trip(connection, message, buffer) for _ in range(_WARM_UP + _ROUNDS[size])]
    return sorted(rounds[_WARM_UP:])[_ROUNDS[size] // 2] * 1e6


def _round_trip(connection: socket.socket, message: bytes, buffer: bytearray) -> float:
    started = time.perf_counter()
    connection.sendall(message)
    view = memoryview(buffer)
    while view:
        count = connection.recv_into(view)
        if not count:
            raise OSError(0, "the server has closed the connection")
        view = view[count:]
    return time.perf_counter() - started


def _receive(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise OSError(0, "the server has closed the connection")
        data += more
    return data


def _interface_of(address: str) -> str:
    """Name of the interface that has this address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            try:
                answer = fcntl.ioctl(probe.fileno(), _SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
            except OSError:
                continue  # It has no IPv4 address.
            if socket.inet_ntoa(answer[20:24]) == address:
                return name
    return "?"
