"""Whole boots: what the owner fills in, and what the machine is afterwards."""

from __future__ import annotations

import json
import stat
from dataclasses import replace

import pytest

from bitfusion_appliance.firstboot import form, state
from bitfusion_appliance.firstboot.module import Boot, Module
from bitfusion_appliance.firstboot.modules import MODULES
from bitfusion_appliance.firstboot.state import Outcome
from bitfusion_appliance.properties import HOST, MASK
from tests.appliance.machine import MACS, Machine, environment, static

SECRETS = {"host.customer_password": "canary-one", "server.vcenter-password": "canary <two> & \"'"}
VCENTER = {"server.vcenter-url": "https://vc.example.com", "server.vcenter-username": "admin", **SECRETS}


def passwords(machine: Machine) -> list[str]:
    """Passwords that this boot has set."""
    return [stdin for call, stdin in machine.calls if call == "chpasswd"]


def test_blank_form(machine: Machine) -> None:
    """DHCP on adapter 1, nobody can log in, the service has its settings, and nothing is wrong."""
    machine.power_on({})

    result = machine.boot()

    assert result.status == "done"
    assert "DHCP=ipv4" in machine.network(1)
    assert f"MACAddress={MACS[0]}" in machine.network(1)
    assert ("usermod --lock customer", "") in machine.calls
    assert "managed: false" in machine.read("/etc/bitfusion/bitfusion-manager.yaml")
    assert not machine.host.path("/etc/bitfusion/vcenter.yaml").exists()


def test_static_address(machine: Machine) -> None:
    """Everything of adapter 1 reaches the network daemon."""
    given = static(1, "10.0.0.5", gateway="10.0.0.1", dns="10.0.0.2", domain="example.com", ntp="10.0.0.3", mtu="9000")
    machine.power_on(given)

    machine.boot()

    lines = machine.network(1).splitlines()
    assert {"Address=10.0.0.5/24", "Gateway=10.0.0.1", "DNS=10.0.0.2", "Domains=example.com", "NTP=10.0.0.3", "MTUBytes=9000"} <= set(lines)
    assert "DHCP=ipv4" not in lines


def test_four_adapters(machine: Machine) -> None:
    """Numbers follow vCenter's unit numbers, whatever the order; each adapter has its own MTU."""
    mtus = ("1500", "3000", "4500", "9000")
    machine.power_on({key: value for n in range(1, 5) for key, value in static(n, f"10.0.{n}.5", mtu=mtus[n - 1]).items()}, MACS)

    result = machine.boot()

    assert result.status == "done"
    for number, mtu in enumerate(mtus, 1):
        text = machine.network(number)
        assert f"MACAddress={MACS[number - 1]}\n" in text
        assert f"Address=10.0.{number}.5/24\n" in text
        assert f"MTUBytes={mtu}\n" in text


def test_adapter_off_and_on(machine: Machine) -> None:
    """Adapter 3 follows its switch at every boot, and its file goes with the adapter."""
    macs = MACS[:3]
    off, on = {HOST + "net3.configure": "False"}, static(3, "10.0.3.5")
    machine.power_on(off, macs)
    machine.boot()
    assert "always-down" in machine.network(3)

    machine.power_on(on, macs)
    machine.boot()
    assert "Address=10.0.3.5/24" in machine.network(3)

    machine.power_on(off, MACS[:2])
    machine.boot()
    assert not machine.host.path("/etc/systemd/network/10-net3.network").exists()


def test_switch_without_adapter(machine: Machine) -> None:
    """Who forgets to turn the switch off after removing an adapter is told so."""
    machine.power_on({HOST + "net2.configure": "True"})

    result = machine.boot()

    assert result.status == "degraded"
    assert "there is no network adapter 2" in result.problems[0]


def test_hostname_changes(machine: Machine) -> None:
    """A new name is set once, the same is not set again, a blank one goes back to the network's."""
    calls = []
    for name in ("gpu-1", "gpu-1", "gpu-2", ""):
        machine.power_on({"host.hostname": name})
        machine.boot()
        calls.append([call for call, _ in machine.calls if call.startswith("hostname")])

    assert calls == [["hostname gpu-1"], [], ["hostname gpu-2"], []]
    assert not machine.host.path("/etc/hostname").exists()


@pytest.mark.parametrize(
    "lease,name",
    [("HOSTNAME=gpu-7.lab.example.com\n", "gpu-7"), ("HOSTNAME=-x\n", ""), ("ADDRESS=10.0.0.5\n", "")],
)
def test_name_from_the_network(machine: Machine, lease: str, name: str) -> None:
    """Where the form has no name, that of the DHCP server is used, if it can be one; a name in the form wins."""
    machine.host.write("/run/systemd/netif/leases/2", lease)
    machine.power_on({})
    machine.boot()
    assert [call for call, _ in machine.calls if call.startswith("hostname")] == ([f"hostname {name}"] if name else [])

    machine.power_on({"host.hostname": "chosen"})
    machine.boot()
    assert [call for call, _ in machine.calls if call.startswith("hostname")] == ["hostname chosen"]


WRONG = [
    ({HOST + "net1.netmask": "24 (255.0.0.0)", HOST + "net1.ipv4address": "10.0.0.5"}, "DHCP=ipv4"),
    ({**static(1, "10.0.0.5"), HOST + "net1.mtu": "90000"}, "Address=10.0.0.5/24"),
    ({**static(1, "10.0.0.0")}, "DHCP=ipv4"),
    ({**static(1, "10.0.0.5", gateway="10.0.1.1")}, "Address=10.0.0.5/24"),
    ({HOST + "net1.ipv4address": "10.0.0.5"}, "DHCP=ipv4"),
    ({HOST + "net1.ipv4address": "fe80::1"}, "DHCP=ipv4"),
    ({"host.hostname": "-x"}, "DHCP=ipv4"),
]


@pytest.mark.parametrize("given,line", WRONG)
def test_wrong_values(machine: Machine, given: dict[str, str], line: str) -> None:
    """The machine can still be reached; one problem names the property; everything else has been done."""
    machine.power_on({**given, "host.customer_password": "pw"})

    result = machine.boot()

    assert result.status == "degraded"
    assert len(result.problems) == 1
    assert result.problems[0].startswith("guestinfo.bitfusion.host.")
    assert line in machine.network(1)
    assert passwords(machine) == ["customer:pw\n"]
    assert set(result.records) == {module.id for module in MODULES}


def test_wrong_value_keeps_what_worked(machine: Machine) -> None:
    """A mistake in a later change leaves the adapter and the hostname as they were."""
    machine.power_on({**static(1, "10.0.0.5"), "host.hostname": "gpu-1"})
    machine.boot()
    good = machine.network(1)

    machine.power_on({**static(1, "10.0.0.300"), "host.hostname": "gpu 1"})
    result = machine.boot()

    assert machine.network(1) == good
    assert machine.read("/etc/hostname") == "gpu-1\n"
    assert result.records["hostname"].outcome is Outcome.KEPT
    assert len(result.problems) == 2

    machine.power_on({**static(1, "10.0.0.6"), "host.hostname": "gpu-1"})
    assert machine.boot().status == "done"
    assert "Address=10.0.0.6/24" in machine.network(1)


def test_two_adapters_in_one_network(machine: Machine) -> None:
    """The second is off, and the problem names both."""
    machine.power_on({**static(1, "10.0.0.5"), **static(2, "10.0.0.6")}, MACS[:2])

    result = machine.boot()

    assert "network adapter 1 is on this network too" in result.problems[0]
    assert "Address=10.0.0.5/24" in machine.network(1)
    assert "always-down" in machine.network(2)


def test_two_dhcp_servers_on_one_network(machine: Machine) -> None:
    """Found once the addresses are there."""
    machine.answers["ip"] = """[{"ifname": "ens192", "addr_info": [{"local": "10.0.0.5", "prefixlen": 24}]},
        {"ifname": "ens224", "addr_info": [{"local": "10.0.0.9", "prefixlen": 24}]}]"""
    machine.power_on({})

    result = machine.boot()

    assert result.records["separate-networks"].outcome is Outcome.FAILED
    assert "ens192 (10.0.0.5/24) and ens224 (10.0.0.9/24)" in result.records["separate-networks"].message


def test_no_environment(machine: Machine) -> None:
    """A machine nobody tells anything comes up with DHCP on its first adapter."""
    links = [
        ("lo", "loopback", 1, "00:00:00:00:00:00"),
        ("ens224", "ether", 4, MACS[1]),
        ("docker0", "ether", 2, MACS[2]),
        ("ens192", "ether", 3, MACS[0]),
    ]
    machine.answers["ip"] = json.dumps([dict(zip(("ifname", "link_type", "ifindex", "address"), row, strict=True)) for row in links])

    result = machine.boot()

    assert f"MACAddress={MACS[0]}" in machine.network(1)
    assert "DHCP=ipv4" in machine.network(1)
    assert "always-down" in machine.network(2)
    assert result.notes == ["no vApp properties were handed over; network adapter 1 uses DHCP"]


def test_environment_lost(machine: Machine) -> None:
    """A restart without the environment, or with a damaged one, goes on with the last good one."""
    machine.power_on(static(1, "10.0.0.5"))
    machine.boot()
    before = machine.tree()
    for damaged in ("", "<Environment", "<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>", "<other/>", environment({})[:300]):
        machine.guest_variables["guestinfo.ovfEnv"] = damaged

        result = machine.boot()

        assert machine.tree() == before
        assert result.source == "kept"
        assert "those of the last boot are used" in result.notes[0]


def test_secrets_are_masked(machine: Machine) -> None:
    """After reading, guestinfo shows no password; every file that has one, or comes from one, is for root and the manager only."""
    machine.power_on(VCENTER)

    machine.boot()

    assert "canary" not in f"{machine.guest_variables}"
    assert machine.guest_variables["guestinfo.ovfEnv"].count(MASK) == 2
    holders = {
        path.name: stat.S_IMODE(path.stat().st_mode) for path in machine.root.rglob("*") if path.is_file() and "canary" in path.read_text()
    }
    assert holders == {"environment.json": 0o600, "vcenter.yaml": 0o640}
    assert stat.S_IMODE(machine.host.path(state.FILE).stat().st_mode) == 0o600
    assert not [call for call, _ in machine.calls if "canary" in call]


def test_masked_secrets_are_remembered(machine: Machine) -> None:
    """A restart of the guest sees masks and changes nothing; the next power-on brings the passwords again."""
    machine.power_on(VCENTER)
    machine.boot()
    before = machine.tree()

    machine.boot()
    assert (machine.tree(), passwords(machine)) == (before, [])

    machine.power_on(VCENTER)
    machine.boot()
    assert (machine.tree(), passwords(machine)) == (before, [])


def test_password_that_the_customer_changed(machine: Machine) -> None:
    """It stays until the property changes; a property that is emptied locks the account."""
    set_at: list[list[str]] = []
    for password in ("one", "one", "two", "", ""):
        machine.power_on({"host.customer_password": password})
        machine.boot()
        set_at.append([call + stdin for call, stdin in machine.calls if call.startswith(("chpasswd", "usermod"))])

    assert set_at == [["chpasswdcustomer:one\n"], [], ["chpasswdcustomer:two\n"], ["usermod --lock customer"], []]


def test_secret_that_cannot_be_masked(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said, without the secret."""
    machine.power_on(VCENTER)
    monkeypatch.setattr(form.transports, "set_guest_variable", _refuse)

    result = machine.boot()

    assert "could not be blanked in guestinfo" in result.notes[0]
    assert "canary" not in f"{result}"


def _refuse(*_: object) -> None:
    raise OSError("canary")


def test_manager_settings_belong_to_the_administrator(machine: Machine) -> None:
    """They are written once; deleting them arms the server again."""
    settings = machine.host.path("/etc/bitfusion/bitfusion-manager.yaml")
    host_id = "2f1c0a52-6f0b-4a0e-9d57-0d9a3f6f7e21"
    machine.power_on({"server.host-id": host_id})
    machine.boot()
    assert f"id: {host_id}" in settings.read_text()

    settings.write_text("queue: {max_waiting: 5}\n")
    machine.boot()
    assert settings.read_text() == "queue: {max_waiting: 5}\n"

    settings.unlink()
    machine.boot()
    assert "managed: false" in settings.read_text()


def test_vcenter_is_forgotten(machine: Machine) -> None:
    """Who empties the vCenter properties leaves no credentials behind."""
    machine.power_on(VCENTER)
    machine.boot()
    machine.power_on({})
    machine.boot()

    assert "canary" not in f"{machine.tree()}"


def test_every_interruption_ends_the_same(machine: Machine) -> None:
    """Power lost before, in or after any module: the next boot ends as if nothing had happened."""
    given = {**VCENTER, **static(1, "10.0.0.5"), **static(2, "10.0.1.5"), "host.hostname": "gpu-1"}

    def begin() -> None:
        for path in sorted(machine.root.rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()
        (machine.root / "etc/ssh").mkdir(parents=True)
        machine.power_on(given, MACS[:2])

    begin()
    machine.boot()
    undisturbed = machine.tree()
    for victim in MODULES:
        for done_first in (False, True):
            begin()
            with pytest.raises(KeyboardInterrupt):
                machine.boot([_interrupted(module, done_first) if module is victim else module for module in MODULES])
            assert machine.boot().status == "done"
            assert machine.tree() == undisturbed


def _interrupted(module: Module, done_first: bool) -> Module:
    def cut(boot: Boot) -> str:
        if done_first:
            module.apply(boot)
        raise KeyboardInterrupt

    return replace(module, apply=cut)


def test_failed_module_is_tried_again(machine: Machine) -> None:
    """One that fails holds nothing up, and succeeds at a later boot."""
    machine.power_on({"host.customer_password": "pw"})
    machine.broken = {"chpasswd"}
    result = machine.boot()
    assert result.status == "degraded"
    assert result.records["memory"].outcome is Outcome.DONE

    machine.broken = set()
    assert machine.boot().status == "done"
    assert passwords(machine) == ["customer:pw\n"]


@pytest.mark.parametrize(
    "settings,credential,count", [("", "", 0), ("gpu: {simulated_count: 2}", "", 2), ("gpu: {simulated_count: 2}", "4 8GiB", 4)]
)
def test_simulated_gpus(machine: Machine, settings: str, credential: str, count: int) -> None:
    """They are switched on in the manager's settings or by a credential, and off again."""
    machine.host.write("/etc/bitfusion/bitfusion-manager.yaml", settings)
    machine.host.write("/run/credentials/@system/bitfusion.simulated_gpus", credential)

    machine.boot()

    lines = machine.read("/run/bitfusion/gpu.env").splitlines()
    assert (f"SIMGPU_COUNT={count}" in lines) == bool(count)
    assert bool(lines) == bool(count)


@pytest.mark.parametrize("settings", ["gpu: {simulated_count: many}", "gpu: [", "x"])
def test_broken_settings(machine: Machine, settings: str) -> None:
    """The file is named, and nothing else is held up."""
    machine.host.write("/etc/bitfusion/bitfusion-manager.yaml", settings)

    result = machine.boot()

    assert ("gpus" in result.failures()) == (settings != "x")
    assert result.records["memory"].outcome is Outcome.DONE
