"""What people and vCenter are told."""

from __future__ import annotations

import json

import pytest

from bitfusion_appliance.firstboot import __main__ as command
from bitfusion_appliance.firstboot import announce, transports
from bitfusion_appliance.firstboot.host import Host
from tests.appliance.machine import Machine, environment, static


def announced(machine: Machine) -> tuple[str, dict[str, object]]:
    """The banner, and what vCenter sees."""
    machine.answers |= {"ip": '[{"ifname": "ens192", "addr_info": [{"local": "10.0.0.5", "prefixlen": 24}]}]', "systemctl": "active\n"}
    announce.announce(machine.host, announce.collect(machine.host))
    return machine.read(announce.ISSUE), json.loads(machine.guest_variables[announce.STATUS_VARIABLE])


def test_all_is_well(machine: Machine) -> None:
    """Addresses and the service's health."""
    machine.power_on(static(1, "10.0.0.5"))
    machine.boot()

    banner, seen = announced(machine)

    assert "first boot  done" in banner
    assert "service     active" in banner
    assert "ens192 10.0.0.5/24" in banner
    assert "Problems" not in banner
    assert seen == {"status": "done", "addresses": ["ens192 10.0.0.5/24"], "manager": "active", "problems": []}


def test_wrong_values(machine: Machine) -> None:
    """Which property, why, and how to mend it; a backslash in a value is not taken for an escape of the console; no password."""
    machine.power_on({"host.hostname": "a\\b", "host.customer_password": "canary\x7f"})
    machine.boot()

    banner, seen = announced(machine)

    assert "guestinfo.bitfusion.host.hostname = 'a" in banner
    assert "\\\\" in banner.replace("\\\\\\\\", "\\\\")
    assert "vApp Options" in banner
    assert seen["status"] == "degraded"
    assert "canary" not in banner + f"{seen}"


def test_off_vsphere(machine: Machine) -> None:
    """Without guest variables, the console is still told."""
    machine.host = Host(machine.root, machine.host.run)
    machine.broken = {"vmware-rpctool", "agetty"}
    announce.announce(machine.host, announce.collect(machine.host))

    assert "first boot  running" in machine.read(announce.ISSUE)


def test_status_command(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    """`status --json` shows every module, and a wrong value makes it fail."""
    machine.power_on({"host.hostname": "-"})
    machine.boot()

    code = command.main(["--root", str(machine.root), "status", "--json"])

    shown = json.loads(capsys.readouterr().out)
    assert (code, shown["status"], shown["version"]) == (1, "degraded", 1)
    assert shown["modules"]["account"]["outcome"] == "done"
    assert "digest" not in shown["modules"]["account"]


def test_iso(machine: Machine) -> None:
    """Without guestinfo, the form on the virtual CD is read."""
    machine.host.write("/dev/sr0", "")
    machine.host.write("/run/bitfusion/ovf-cd/OVF-ENV.XML", environment({"host.hostname": "from-cd"}))

    machine.boot()

    assert machine.read("/etc/hostname") == "from-cd\n"
    # Read once: the second stage goes by what the first has read.
    assert [call.split()[0] for call, _ in machine.calls if "mount" in call] == ["mount", "umount"]


def test_file(machine: Machine) -> None:
    """On a machine that is not vSphere's, a file does; its secrets are masked too."""
    machine.host.write(transports.FILE, environment({"host.hostname": "from-file", "host.customer_password": "canary"}))

    assert machine.boot().source == "file"
    assert "canary" not in machine.read(transports.FILE)
