"""The list of modules, in the order in which they run. Docs and tests read it."""

from __future__ import annotations

from bitfusion_appliance.firstboot.module import Module
from bitfusion_appliance.firstboot.modules import (
    account,
    adapters,
    gpus,
    hostname,
    manager,
    memory,
    network_name,
    nvidia,
    separate,
    ssh_keys,
)

MODULES: tuple[Module, ...] = (
    adapters.MODULE,
    hostname.MODULE,
    ssh_keys.MODULE,
    account.MODULE,
    manager.MODULE,
    gpus.MODULE,
    network_name.MODULE,
    separate.MODULE,
    nvidia.MODULE,
    memory.MODULE,
)
