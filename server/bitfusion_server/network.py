"""The addresses of this machine."""

from __future__ import annotations

import fcntl
import socket
import struct

_SIOCGIFADDR = 0x8915
_ANYWHERE = ("192.0.2.1", 9)


def hostname() -> str:
    """Name of this machine."""
    return socket.gethostname()


def addresses() -> tuple[str, ...]:
    """IPv4 addresses of the interfaces that are up, in the system's order."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        found = (_address_of(probe, name) for _, name in socket.if_nameindex())
        return tuple(dict.fromkeys(address for address in found if address is not None))


def default_address() -> str:
    """The address this machine has towards other networks, or loopback if it knows no way there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_ANYWHERE)  # sends nothing: a datagram socket only chooses its route
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


def _address_of(probe: socket.socket, interface: str) -> str | None:
    request = struct.pack("256s", interface.encode()[:15])
    try:
        answer = fcntl.ioctl(probe.fileno(), _SIOCGIFADDR, request)
    except OSError:
        return None  # the interface has no IPv4 address
    return socket.inet_ntoa(answer[20:24])
