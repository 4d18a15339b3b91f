"""The hostname: from the form; blank: what the network says (module network-name), else the default in os-release."""

from __future__ import annotations

from bitfusion_appliance.firstboot.module import Boot, Frequency, Module, Stage
from bitfusion_appliance.properties import HOST

KEY = HOST + "hostname"
_HOSTNAME, _HOSTS = "/etc/hostname", "/etc/hosts"
_LOOPBACK = "127.0.0.1 localhost\n"


def apply(boot: Boot) -> str:
    """Set it for now and for later boots."""
    name = boot.values.get(KEY)
    if name is None:
        boot.host.remove(_HOSTNAME)
        boot.host.write(_HOSTS, _LOOPBACK)
        return "the network's name for this machine, else bitfusion"
    boot.host.write(_HOSTNAME, f"{name}\n")
    boot.host.write(_HOSTS, f"{_LOOPBACK}127.0.1.1 {name}\n")
    boot.host.run(("hostname", name))
    return f"{name}"


MODULE = Module("hostname", Stage.LOCAL, Frequency.ON_CHANGE, (KEY,), apply)
