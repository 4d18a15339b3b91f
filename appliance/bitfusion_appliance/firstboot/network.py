"""Network adapters 1 to 4: from the form and the adapters that are there to what systemd-networkd is told. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface

from bitfusion_appliance.firstboot.ovf_environment import Adapter
from bitfusion_appliance.kinds import DEFAULT_MTU
from bitfusion_appliance.properties import ADAPTERS, HOST, Problem, Values

_NAMES = ("configure", "ipv4address", "netmask", "mtu", "gateway", "dns", "domain", "ntp")
_ESSENTIAL = ("configure", "ipv4address", "netmask")
KEYS = tuple(f"{HOST}net{number}.{name}" for number in ADAPTERS for name in _NAMES if number == 1 or name in _NAMES[:4])


@dataclass(frozen=True)
class Network:
    """How one adapter is configured. Without an address: DHCP."""

    number: int
    mac: str
    address: IPv4Interface | None = None
    mtu: int = DEFAULT_MTU
    gateway: IPv4Address | None = None
    dns: tuple[IPv4Address, ...] = ()
    domains: tuple[str, ...] = ()
    ntp: tuple[str, ...] = ()
    enabled: bool = True
    # A property is wrong: an earlier configuration of this adapter is better than this one.
    fallback: bool = False


def plan(values: Values, wrong: Collection[str], adapters: Sequence[Adapter]) -> tuple[list[Network], list[Problem]]:
    """A network for every adapter there is, and what is wrong with them together. `wrong`: keys whose value cannot be used."""
    problems = list(_missing(values, len(adapters)))
    networks: list[Network] = []
    for number, adapter in enumerate(adapters, 1):
        if number not in ADAPTERS:
            networks.append(Network(number, adapter.mac, enabled=False))
            continue
        found = [*_contradictions(values, number), *_shared(values, number, networks)]
        found = [problem for problem in found if problem.key not in wrong]
        problems += found
        bad = {*wrong, *(problem.key for problem in found)}
        networks.append(_network(values, number, adapter.mac, broken=any(_key(number, name) in bad for name in _ESSENTIAL)))
    return networks, problems


def _key(number: int, name: str) -> str:
    return f"{HOST}net{number}.{name}"


def _wanted(values: Values, number: int) -> bool:
    return number == 1 or values.get(_key(number, "configure")) is True


def _interface(values: Values, number: int) -> IPv4Interface | None:
    address, prefix = values.get(_key(number, "ipv4address")), values.get(_key(number, "netmask"))
    return IPv4Interface((address, prefix)) if address is not None and prefix is not None else None


def _network(values: Values, number: int, mac: str, *, broken: bool) -> Network:
    """Where it is broken and nothing is left from before, adapter 1 uses DHCP, so that ssh may be reached, and the others stay off."""
    if not _wanted(values, number) or (broken and number != 1):
        return Network(number, mac, enabled=False, fallback=broken)
    return Network(
        number,
        mac,
        address=None if broken else _interface(values, number),
        mtu=values.get(_key(number, "mtu")) or DEFAULT_MTU,
        gateway=None if broken else values.get(_key(number, "gateway")),
        dns=values.get(_key(number, "dns")) or (),
        domains=values.get(_key(number, "domain")) or (),
        ntp=values.get(_key(number, "ntp")) or (),
        fallback=broken,
    )


def _missing(values: Values, present: int) -> Iterator[Problem]:
    for number in ADAPTERS[1:]:
        if _wanted(values, number) and number > present:
            advice = f"add network adapter {number} to the virtual machine, or turn this property off"
            yield Problem(_key(number, "configure"), f"there is no network adapter {number}; {advice}", "True")


def _contradictions(values: Values, number: int) -> Iterator[Problem]:
    """Properties of one adapter that do not go together."""
    address, prefix = values.get(_key(number, "ipv4address")), values.get(_key(number, "netmask"))
    gateway = values.get(_key(number, "gateway"))
    if not _wanted(values, number):
        return
    if address is not None and prefix is None:
        yield Problem(_key(number, "netmask"), "a fixed address needs a netmask; choose one from the menu")
        return
    if address is None:
        if gateway is not None:
            yield Problem(_key(number, "gateway"), "with DHCP the gateway comes from the DHCP server; leave it blank", str(gateway))
        return
    yield from _outside(IPv4Interface((address, prefix)), gateway, number)


def _outside(interface: IPv4Interface, gateway: IPv4Address | None, number: int) -> Iterator[Problem]:
    network = interface.network
    if network.prefixlen < 31 and interface.ip in {network.network_address, network.broadcast_address}:
        reason = f"the first and the last address of the network {network} cannot be used by a machine"
        yield Problem(_key(number, "ipv4address"), reason, str(interface.ip))
    if gateway is not None and (gateway not in network or gateway == interface.ip):
        reason = f"the gateway must be another machine of the network {network}"
        yield Problem(_key(number, "gateway"), reason, str(gateway))


def _shared(values: Values, number: int, earlier: Sequence[Network]) -> Iterator[Problem]:
    """Each adapter must be on a network of its own: the kernel would answer for all of them through one."""
    interface = _interface(values, number)
    if interface is None or not _wanted(values, number):
        return
    for other in earlier:
        if other.address is not None and interface.network.overlaps(other.address.network):
            reason = f"network adapter {other.number} is on this network too ({other.address}); each needs its own"
            yield Problem(_key(number, "ipv4address"), reason, str(interface))


def networkd_file(network: Network) -> str:
    """The .network file (systemd.network(5)). IPv6 is not supported, so it is off."""
    lines = ["# Written at boot from the vApp properties; changes are lost.", "[Match]", f"MACAddress={network.mac}", "", "[Link]"]
    if not network.enabled:
        return "\n".join([*lines, "ActivationPolicy=always-down", "RequiredForOnline=no", ""])
    required = "yes" if network.number == 1 else "no"
    lines += [f"MTUBytes={network.mtu}", f"RequiredForOnline={required}", "", "[Network]", "LinkLocalAddressing=no", "IPv6AcceptRA=no"]
    lines += _addressing(network)
    lines += [f"DNS={address}" for address in network.dns]
    lines += [f"NTP={host}" for host in network.ntp]
    if network.domains:
        lines.append(f"Domains={' '.join(network.domains)}")
    return "\n".join([*lines, *(_dhcp(network) if network.address is None else ()), ""])


def _addressing(network: Network) -> list[str]:
    if network.address is None:
        return ["DHCP=ipv4"]
    gateway = [f"Gateway={network.gateway}"] if network.gateway is not None else []
    return [f"Address={network.address}", *gateway]


def _dhcp(network: Network) -> list[str]:
    """What is given in the form wins over what the server says; data networks say nothing about routes, names and time."""
    management = network.number == 1
    answers = {
        "UseGateway": management,
        "UseDNS": management and not network.dns,
        "UseDomains": management and not network.domains,
        "UseNTP": management and not network.ntp,
        "UseHostname": False,
        "UseMTU": False,
    }
    return ["", "[DHCPv4]", "ClientIdentifier=mac", *(f"{name}={'yes' if use else 'no'}" for name, use in answers.items())]
