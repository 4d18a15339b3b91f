"""Power is lost in every module of first boot, one after the other: it goes on, and ends as if nothing had happened."""

from __future__ import annotations

import pytest

from bitfusion_appliance.firstboot.modules import MODULES
from tests.appliance.machine import static
from tests.appliance.system.conftest import Boots
from tests.appliance.system.container import Container
from tests.appliance.system.test_boot import settled

pytestmark = pytest.mark.timeout(1800)

_PACKAGES = "usr/lib/bitfusion/venv/lib/python3.11/site-packages"
_HOLD_IN = "var/lib/hold-in"
_HELD = "var/lib/held-in"
# Put into the machine: the agent stops for ever after a module has done its work, before this is recorded. The module's name is read when
# it runs: a boot takes a second, and Python takes a source of the same second and size for the one it has compiled.
_HOLD = f"""
import sys
if "bitfusion_appliance.firstboot" in sys.orig_argv and "run" in sys.orig_argv:
    import dataclasses, signal
    from bitfusion_appliance.firstboot import modules
    def hold(module):
        def apply(boot):
            module.apply(boot)
            boot.host.write("/{_HELD}", module.id)
            signal.pause()
        return dataclasses.replace(module, apply=apply)
    wanted = open("/{_HOLD_IN}").read()
    modules.MODULES = tuple(hold(one) if one.id == wanted else one for one in modules.MODULES)
"""
FORM = {**static(1, "10.84.1.2"), "host.hostname": "gpu-1", "host.customer_password": "pw"}


def hold_in(machine: Container, module: str) -> None:
    """At the next boot, first boot gets no further than this module; empty: it runs through."""
    folder = machine.tree / _PACKAGES
    (folder / "hold.py").write_text(_HOLD)
    (machine.tree / _HOLD_IN).write_text(module)
    # Read after bitfusion.pth, which makes the agent importable.
    (folder / "hold.pth").write_text("import hold\n" if module else "")


def held_in(machine: Container) -> str:
    """Where the running first boot stands still."""
    file = machine.tree / _HELD
    return file.read_text() if file.exists() else ""


def test_every_module(appliance: Boots) -> None:
    """Each boot is cut in the next module, with its work done and not recorded; the last boot is not."""
    machine = appliance(1)
    machine.form(FORM)
    for module in MODULES:
        hold_in(machine, module.id)
        machine.begin()
        machine.wait(lambda name=module.id: held_in(machine) == name)
        machine.cut_power()
    hold_in(machine, "")
    machine.power_on()

    assert machine.status()["status"] == "done"
    assert set(machine.status()["modules"]) == {module.id for module in MODULES}
    assert machine.run("hostname") == "gpu-1"
    assert machine.addresses() == {"ens1": ("10.84.1.2/24", 1500)}
    assert machine.run("getent", "shadow", "customer").split(":")[1].startswith("$")
    assert machine.run("systemctl", "is-active", "ssh.service") == "active"
    before = settled(machine)
    machine.power_off()
    machine.power_on()
    assert settled(machine) == before
