"""Boots of the real system in containers: what the owner filled in has become so."""

from __future__ import annotations

import json
from ipaddress import IPv4Address, IPv4Interface

import pytest

from bitfusion_appliance.firstboot import state
from bitfusion_appliance.properties import HOST
from tests.appliance.machine import static
from tests.appliance.system import dhcp
from tests.appliance.system.conftest import Boots
from tests.appliance.system.container import Container

# The first of them waits until the system has been made.
pytestmark = pytest.mark.timeout(1800)

OFFER = dhcp.Offer(IPv4Interface("10.80.1.50/24"), IPv4Address("10.80.1.1"), "named-by-dhcp")


def password_hash(machine: Container) -> str:
    """What /etc/shadow holds for the customer."""
    return machine.run("getent", "shadow", "customer").split(":")[1]


def failed_units(machine: Container) -> set[str]:
    """Units that failed; a container cannot remount its root."""
    rows = json.loads(machine.run("systemctl", "list-units", "--failed", "--output=json"))
    return {row["unit"] for row in rows} - {"systemd-remount-fs.service"}


def test_blank_form_with_dhcp(appliance: Boots) -> None:
    """Address, gateway, name server and name come from the network; nobody can log in; a credential switches simulated GPUs on."""
    machine = appliance(1)
    machine.credentials["bitfusion.simulated_gpus"] = "2 8GiB"
    machine.form({})
    with dhcp.serving(machine.host_side(1), OFFER):
        machine.power_on()

    assert machine.status()["status"] == "done"
    assert machine.addresses() == {"ens1": (str(OFFER.address), 1500)}
    assert f"via {OFFER.server}" in machine.run("ip", "route", "show", "default")
    assert str(OFFER.server) in machine.run("resolvectl", "dns", "ens1")
    assert "lab.example.com" in machine.run("resolvectl", "domain", "ens1")
    assert machine.run("hostname") == OFFER.hostname
    assert password_hash(machine).startswith("!")
    assert {"SIMGPU_COUNT=2", "SIMGPU_MEMORY=8GiB"} <= {*machine.run("cat", "/run/bitfusion/gpu.env").splitlines()}
    assert failed_units(machine) == set()
    assert machine.run("systemctl", "is-active", "bitfusion") == "active"


def test_missing_environment(appliance: Boots) -> None:
    """Nobody tells it anything: adapter 1 uses DHCP, the other is off, and the console says so."""
    machine = appliance(2)
    with dhcp.serving(machine.host_side(1), OFFER):
        machine.power_on()

    status = machine.status()
    assert (status["status"], status["source"]) == ("done", "none")
    assert "no vApp properties" in status["notes"][0]
    assert machine.addresses() == {"ens1": (str(OFFER.address), 1500)}
    assert "no vApp properties" in machine.run("cat", "/etc/issue.d/60-bitfusion.issue")


def test_one_adapter(appliance: Boots) -> None:
    """A fixed address, a name, an account, four open ports; running it all again, or booting again, changes nothing."""
    machine = appliance(1)
    form = {**static(1, "10.81.1.2", mtu="4000", gateway="10.81.1.1", dns="10.81.1.1", domain="example.com", ntp="10.81.1.1")}
    machine.form({**form, "host.hostname": "gpu-1", "host.customer_password": "canary-pw"})
    machine.power_on()

    assert machine.status()["status"] == "done"
    assert machine.addresses() == {"ens1": ("10.81.1.2/24", 4000)}
    assert "via 10.81.1.1" in machine.run("ip", "route", "show", "default")
    assert machine.run("hostname") == "gpu-1"
    assert password_hash(machine).startswith("$")
    assert machine.run("systemctl", "is-active", "bitfusion-ready.target", "ssh.service", "nftables.service") == "active\nactive\nactive"
    assert "dport { 22, 443, 55001, 56001 } accept" in machine.run("nft", "list", "ruleset")
    assert machine.run("systemctl", "is-enabled", "apt-daily.timer", "apt-daily-upgrade.timer", check=False) == "masked\nmasked"
    assert "SystemMaxUse=1G" in machine.run("systemd-analyze", "cat-config", "systemd/journald.conf")
    assert "canary" not in machine.run("journalctl", "--no-pager")

    before = settled(machine)
    machine.run("systemctl", "restart", "bitfusion-firstboot-local.service", "bitfusion-firstboot.service")
    assert settled(machine) == before
    machine.power_off()
    machine.power_on()
    assert settled(machine) == before


def settled(machine: Container) -> list[str]:
    """What first boot has made of the machine."""
    files = ["/etc/hostname", "/etc/hosts", "/etc/systemd/network/10-net1.network", "/etc/bitfusion/bitfusion-manager.yaml"]
    sums = machine.run("sha256sum", *files, "/etc/shadow", "/etc/ssh/ssh_host_ed25519_key", state.PUBLIC, check=False).splitlines()
    unchanging = [line for line in sums if state.PUBLIC not in line]
    return [*unchanging, machine.status()["status"], str(machine.addresses())]


def test_four_adapters(appliance: Boots) -> None:
    """Four networks with four MTUs; one is turned off and on again; the name changes; the customer's own password stays."""
    machine = appliance(4)
    mtus = {1: "1500", 2: "3000", 3: "4500", 4: "9000"}
    filled_in = {key: value for n, mtu in mtus.items() for key, value in static(n, f"10.82.{n}.2", mtu=mtu).items()}
    machine.form({**filled_in, "host.customer_password": "first"})
    machine.power_on()
    assert machine.addresses() == {f"ens{n}": (f"10.82.{n}.2/24", int(mtu)) for n, mtu in mtus.items()}
    machine.run("chpasswd", stdin="customer:their-own\n")
    own = password_hash(machine)
    machine.power_off()

    machine.form({**filled_in, HOST + "net3.configure": "False", "host.hostname": "renamed", "host.customer_password": "first"})
    machine.power_on()
    assert set(machine.addresses()) == {"ens1", "ens2", "ens4"}
    assert machine.run("hostname") == "renamed"
    assert password_hash(machine) == own
    machine.power_off()

    machine.form({**filled_in, "host.customer_password": "first"})
    machine.power_on()
    assert machine.addresses()["ens3"] == ("10.82.3.2/24", 4500)


WRONG = {
    "bad mask": ({HOST + "net1.netmask": "24 (255.0.0.0)", HOST + "net1.ipv4address": "10.83.1.2"}, "net1.netmask", "ens1"),
    "bad MTU": ({**static(1, "10.83.1.2"), HOST + "net1.mtu": "12"}, "net1.mtu", "ens1"),
    "two adapters in one network": ({**static(1, "10.83.1.2"), **static(2, "10.83.1.3")}, "net2.ipv4address", "ens1"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_values(appliance: Boots, name: str) -> None:
    """ssh and the console are there, and the console says which property is wrong and how to mend it."""
    filled_in, key, up = WRONG[name]
    machine = appliance(2)
    machine.form({**filled_in, "host.customer_password": "pw"})
    with dhcp.serving(machine.host_side(1), OFFER):
        machine.power_on()

    assert machine.status()["status"] == "degraded"
    assert set(machine.addresses()) == {up}
    assert password_hash(machine).startswith("$")
    assert machine.run("systemctl", "is-active", "ssh.service") == "active"
    machine.run("bitfusion-firstboot", "announce")
    banner = machine.run("cat", "/etc/issue.d/60-bitfusion.issue")
    assert f"guestinfo.bitfusion.host.{key}" in banner
    assert "vApp Options" in banner
