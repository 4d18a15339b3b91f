"""A DHCP server for one machine on one cable (RFC 2131, 2132)."""

from __future__ import annotations

import contextlib
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface

_COOKIE = b"\x63\x82\x53\x63"
_HEAD = struct.Struct("!4BIHH4s4s4s4s16s192x4s")
_MASK, _ROUTER, _DNS, _HOSTNAME, _DOMAIN, _NTP, _LEASE, _TYPE, _SERVER, _END = 1, 3, 6, 12, 15, 42, 51, 53, 54, 255
_ANSWERS = {1: 2, 3: 5}  # DISCOVER: OFFER, REQUEST: ACK
_LEASE_S = 3600
_POLL_S = 0.2


@dataclass(frozen=True)
class Offer:
    """What the machine is told. The server itself is gateway, name server and clock."""

    address: IPv4Interface
    server: IPv4Address
    hostname: str

    def options(self, kind: int) -> bytes:
        """Of an answer of this kind."""
        own = self.server.packed
        rows = {
            _TYPE: bytes([kind]),
            _SERVER: own,
            _LEASE: struct.pack("!I", _LEASE_S),
            _MASK: self.address.netmask.packed,
            **dict.fromkeys((_ROUTER, _DNS, _NTP), own),
            _HOSTNAME: self.hostname.encode(),
            _DOMAIN: b"lab.example.com",
        }
        return b"".join(bytes([code, len(value)]) + value for code, value in rows.items()) + bytes([_END])


@contextlib.contextmanager
def serving(interface: str, offer: Offer) -> Iterator[None]:
    """Until the end, on this end of a cable."""
    own = f"{offer.server}/{offer.address.network.prefixlen}"
    subprocess.run(["ip", "address", "replace", own, "dev", interface], check=True)
    ending = threading.Event()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
        server.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        server.settimeout(_POLL_S)
        server.bind(("", 67))
        thread = threading.Thread(target=_serve, args=(server, offer, ending))
        thread.start()
        try:
            yield
        finally:
            ending.set()
            thread.join()


def _serve(server: socket.socket, offer: Offer, ending: threading.Event) -> None:
    while not ending.is_set():
        with contextlib.suppress(TimeoutError):
            answer = _answer(server.recv(2048), offer)
            if answer:
                server.sendto(answer, ("255.255.255.255", 68))


def _answer(request: bytes, offer: Offer) -> bytes | None:
    _, hardware, length, _, transaction, seconds, flags, *_, mac, cookie = _HEAD.unpack_from(request)
    kind = _ANSWERS.get(_kind(request[_HEAD.size :]))
    if cookie != _COOKIE or kind is None:
        return None
    none = bytes(4)
    head = (2, hardware, length, 0, transaction, seconds, flags, none, offer.address.ip.packed, offer.server.packed, none, mac, _COOKIE)
    return _HEAD.pack(*head) + offer.options(kind)


def _kind(options: bytes) -> int:
    """The type of a message."""
    while options and options[0] != _END:
        if options[0] == _TYPE:
            return options[2]
        options = options[1:] if options[0] == 0 else options[2 + options[1] :]
    return 0
