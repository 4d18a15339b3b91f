"""The name that the network gives this machine, where the form has none. networkd, which is not root, may not set it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bitfusion_appliance.firstboot.host import Host
from bitfusion_appliance.firstboot.module import Boot, Frequency, Module, Stage
from bitfusion_appliance.firstboot.modules import hostname
from bitfusion_appliance.kinds import KINDS

_LEASES = "/run/systemd/netif/leases"


def apply(boot: Boot) -> str:
    """Set it until the next boot."""
    if boot.values.get(hostname.KEY) is not None:
        return "the form has a name"
    name = next(_names(boot.host), None)
    if name is None:
        return "the network gives no name"
    boot.host.run(("hostname", name))
    return name


def _names(host: Host) -> Iterator[str]:
    """From networkd's leases: the first label of a name that can be a hostname."""
    for lease in sorted(host.path(_LEASES).glob("*")):
        for given in re.findall(r"^HOSTNAME=([^.\n]+)", lease.read_text(encoding="utf-8", errors="replace"), re.MULTILINE):
            try:
                yield str(KINDS["hostname"].parse(given))
            except ValueError:
                continue  # a server's mistake, which names nobody


MODULE = Module("network-name", Stage.NETWORK, Frequency.EVERY_BOOT, (hostname.KEY,), apply)
