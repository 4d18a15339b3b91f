"""Measuring the network: the ways to this server, and the right to use its echo for a while."""

from __future__ import annotations

import asyncio
import secrets
import uuid

import msgspec

from bitfusion_server import network
from bitfusion_server.api.context import address_of
from bitfusion_server.api.routing import Call


class NetworkShown(msgspec.Struct, frozen=True):
    """A network of this server; `mtu` 0 and `speed_mbps` null are not known."""

    name: str
    address: str
    mtu: int
    speed_mbps: int | None


class Ticket(msgspec.Struct, frozen=True):
    """The networks of this server, and a key for data connections that only measure."""

    session: str
    key: str
    port: int
    networks: list[NetworkShown]


async def create(call: Call) -> Ticket:
    """Data connections signed with the key are sent back what they send, for two minutes."""
    session, key = str(uuid.uuid4()), secrets.token_hex(32)
    await call.services.leases.admit_measurement(session, key)
    networks = await asyncio.to_thread(_networks, address_of(call.request))  # reads files of the kernel
    return Ticket(session, key, call.services.dispatcher_port, networks)


def _networks(reached: str) -> list[NetworkShown]:
    """Numbered as clients know them; the address the caller has used comes first if it is none of ours, as behind a translation."""
    known = [one for one in network.interfaces() if not one.loopback]
    rows = [(one.address, one.mtu, one.speed_mbps) for one in known]
    if reached not in {one.address for one in known}:
        rows.insert(0, (reached, 0, None))
    return [NetworkShown(f"net{number}", *row) for number, row in enumerate(rows, start=1)]
