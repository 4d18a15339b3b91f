"""Network adapters: one file of systemd-networkd for each."""

from __future__ import annotations

import json

from bitfusion_appliance.firstboot import network
from bitfusion_appliance.firstboot.host import Host
from bitfusion_appliance.firstboot.module import Boot, Frequency, Module, Stage
from bitfusion_appliance.firstboot.network import Network
from bitfusion_appliance.firstboot.ovf_environment import Adapter

FOLDER = "/etc/systemd/network"
_VIRTUAL = ("docker", "veth", "virbr")


def apply(boot: Boot) -> str:
    """Write the files of the adapters there are, and remove those of adapters that have gone."""
    host = boot.host
    wrong = {problem.key for problem in boot.problems}
    networks, problems = network.plan(boot.values, wrong, boot.form.adapters or _found(host))
    boot.problems += problems
    wanted = {_file(one): one for one in networks}
    for name, one in wanted.items():
        if not (one.fallback and _configured_before(host, name, one)):
            host.write(name, network.networkd_file(one))
    for path in host.path(FOLDER).glob("10-net*.network"):
        if f"{FOLDER}/{path.name}" not in wanted:
            path.unlink()
    return "; ".join(map(_sentence, networks)) or "there is no network adapter"


def _file(one: Network) -> str:
    return f"{FOLDER}/10-net{one.number}.network"


def _configured_before(host: Host, name: str, one: Network) -> bool:
    """Whether an earlier boot has set this adapter up, so that it can stay as it is."""
    content = host.read(name) or ""
    return f"MACAddress={one.mac}\n" in content and "always-down" not in content


def _sentence(one: Network) -> str:
    if one.fallback:
        return f"adapter {one.number} as before, because a property is wrong"
    return f"adapter {one.number} {one.address or 'DHCP'}, MTU {one.mtu}" if one.enabled else f"adapter {one.number} off"


def _found(host: Host) -> tuple[Adapter, ...]:
    """When nobody numbers the adapters: in the order in which the kernel found them."""
    links = json.loads(host.run(("ip", "-json", "link", "show")) or "[]")
    real = [row for row in links if row.get("link_type") == "ether" and not row["ifname"].startswith(_VIRTUAL)]
    return tuple(Adapter(row["address"], row["ifindex"]) for row in sorted(real, key=lambda row: int(row["ifindex"])))


MODULE = Module("adapters", Stage.LOCAL, Frequency.EVERY_BOOT, network.KEYS, apply, tolerant=True)
