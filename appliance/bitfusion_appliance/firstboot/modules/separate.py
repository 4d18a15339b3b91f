"""Checks what only shows when addresses have come from DHCP servers: that each adapter is on a network of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Interface
from itertools import combinations

from bitfusion_appliance.firstboot.host import StepFailed
from bitfusion_appliance.firstboot.module import Boot, Frequency, Module, Stage


@dataclass(frozen=True)
class Configured:
    """An address of an interface."""

    name: str
    address: IPv4Interface


def apply(boot: Boot) -> str:
    """Fails when two adapters share a network."""
    found = list(addresses(boot.host.run(("ip", "-json", "-4", "address", "show", "scope", "global"))))
    for one, other in combinations(found, 2):
        if one.name != other.name and one.address.network.overlaps(other.address.network):
            raise StepFailed(
                f"{one.name} ({one.address}) and {other.name} ({other.address}) are on the same network",
                "Connect each network adapter to its own network, or turn one of them off.",
            )
    return ", ".join(f"{row.name} {row.address}" for row in found) or "no address"


def addresses(text: str) -> Iterator[Configured]:
    """From the output of `ip -json address`."""
    for link in json.loads(text or "[]"):
        for row in link.get("addr_info", ()):
            yield Configured(link["ifname"], IPv4Interface((row["local"], row["prefixlen"])))


MODULE = Module("separate-networks", Stage.NETWORK, Frequency.EVERY_BOOT, (), apply)
