"""The addresses of this machine."""

from __future__ import annotations

import fcntl
import socket
import struct
from dataclasses import dataclass
from pathlib import Path

_SIOCGIFADDR = 0x8915
_ANYWHERE = ("192.0.2.1", 9)


@dataclass(frozen=True)
class Interface:
    """A network interface with an IPv4 address; `speed_mbps` is None where its driver does not say."""

    name: str
    address: str
    mtu: int
    speed_mbps: int | None

    @property
    def loopback(self) -> bool:
        """Not reachable from elsewhere."""
        return self.address.startswith("127.")


def interfaces() -> tuple[Interface, ...]:
    """The interfaces that have an IPv4 address, in the system's order."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        found = [(name, _address_of(probe, name)) for _, name in socket.if_nameindex()]
    return tuple(
        Interface(name, address, _number(name, "mtu") or 0, _number(name, "speed")) for name, address in found if address is not None
    )


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


def _number(interface: str, file: str) -> int | None:
    try:
        value = int(Path("/sys/class/net", interface, file).read_text())
    except (OSError, ValueError):
        return None  # virtual interfaces have no speed
    return value if value > 0 else None
