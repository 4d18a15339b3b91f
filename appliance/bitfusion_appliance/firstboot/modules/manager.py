"""Hands over to the manager: its settings, which belong to the administrator once they are there, and how to reach vCenter."""

from __future__ import annotations

import yaml

from bitfusion_appliance.firstboot import vcenter
from bitfusion_appliance.firstboot.host import Host
from bitfusion_appliance.firstboot.module import Boot, Frequency, Module, Stage
from bitfusion_appliance.properties import SERVER

SETTINGS = "/etc/bitfusion/bitfusion-manager.yaml"
VCENTER = "/etc/bitfusion/vcenter.yaml"
_OWNER = "root:bitfusion"
_HOST_ID = SERVER + "host-id"
_HEAD = "# Settings of the manager. Delete this file and restart the bitfusion service to begin with the appliance's own again.\n"


def apply(boot: Boot) -> str:
    """Write the settings if there are none, and what the form says about vCenter always."""
    host = boot.host
    new = host.read(SETTINGS) is None
    if new:
        _give(host, SETTINGS, _HEAD + yaml.safe_dump(_settings(boot), sort_keys=False))
    login = vcenter.login(boot.values)
    if login is None:
        host.remove(VCENTER)
    else:
        given = {
            "url": login.url,
            "username": login.username,
            "password": login.password,
            "thumbprint": login.thumbprint,
            "guid": login.guid,
        }
        _give(host, VCENTER, yaml.safe_dump({name: value for name, value in given.items() if value is not None}, sort_keys=False))
    return f"settings {'written' if new else 'kept'}, vCenter {'given' if login else 'not given'}"


def _settings(boot: Boot) -> dict[str, dict[str, object]]:
    """The dispatcher is a service of its own on the appliance."""
    host_id = boot.values.get(_HOST_ID)
    return {"dispatcher": {"managed": False}, **({"server": {"id": host_id}} if host_id else {})}


def _give(host: Host, name: str, content: str) -> None:
    """Readable for root and the manager only."""
    host.write(name, content, 0o640)
    host.run(("chown", _OWNER, str(host.path(name))))


MODULE = Module("manager", Stage.LOCAL, Frequency.EVERY_BOOT, (*vcenter.KEYS, _HOST_ID), apply)
