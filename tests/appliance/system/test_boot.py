"""Boots of the real system: what the owner filled in has become so."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from bitfusion_appliance.firstboot import state
from bitfusion_appliance.firstboot.modules import MODULES
from bitfusion_appliance.properties import HOST
from tests.appliance.machine import static
from tests.appliance.system.conftest import Boots
from tests.appliance.system.container import Container
from tests.cuda_builder import Builder
from tools.layout import LIB, PYTHON

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def password_hash(machine: Container) -> str:
    """What /etc/shadow holds for the customer."""
    return machine.run("getent", "shadow", "customer").split(":")[1]


def failed_units(machine: Container) -> set[str]:
    """Units that failed; a container cannot remount its root."""
    rows = json.loads(machine.run("systemctl", "list-units", "--failed", "--output=json"))
    return {row["unit"] for row in rows} - {"systemd-remount-fs.service"}


def test_one_adapter(appliance: Boots) -> None:
    """A fixed address, a name, an account; the service answers; nothing failed; its life goes as the guide says."""
    machine = appliance(1)
    machine.form({**static(1, "10.81.1.2", mtu="4000"), "host.hostname": "gpu-1", "host.customer_password": "canary-pw"})
    machine.power_on()

    assert machine.status()["status"] == "done"
    assert machine.addresses() == {"ens1": ("10.81.1.2/24", 4000)}
    assert machine.run("hostname") == "gpu-1"
    assert password_hash(machine).startswith("$")
    assert failed_units(machine) <= {"bitfusion-manager.service"}  # no GPU is here; see test_application
    assert "canary" not in machine.run("journalctl", "--no-pager")
    assert machine.run("systemctl", "is-active", "bitfusion-ready.target") == "active"
    assert "dport { 22, 443, 55001, 56001 } accept" in machine.run("nft", "list", "ruleset")


def test_dhcp(appliance: Boots) -> None:
    """Without anything filled in, the adapter asks for an address, and the machine is up without one."""
    machine = appliance(1)
    machine.power_on()

    assert machine.status()["status"] == "done"
    assert "no vApp properties" in machine.status()["notes"][0]
    assert "DHCP=ipv4" in machine.run("cat", "/etc/systemd/network/10-net1.network")
    assert password_hash(machine).startswith("!")
    assert machine.run("hostname") == "bitfusion"


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
    assert set(machine.addresses()) == {"ens1", "ens2", "ens3", "ens4"}


WRONG = [
    ({HOST + "net1.netmask": "24 (255.0.0.0)", HOST + "net1.ipv4address": "10.83.1.2"}, "net1.netmask"),
    ({**static(1, "10.83.1.2"), HOST + "net1.mtu": "12"}, "net1.mtu"),
    ({**static(1, "10.83.1.2"), **static(2, "10.83.1.3")}, "net2.ipv4address"),
]


@pytest.mark.parametrize("filled_in,key", WRONG)
def test_wrong_values(appliance: Boots, filled_in: dict[str, str], key: str) -> None:
    """ssh and the console are there, and the console says which property is wrong and how to mend it."""
    machine = appliance(2)
    machine.form({**filled_in, "host.customer_password": "pw"})
    machine.power_on()

    assert machine.status()["status"] == "degraded"
    assert machine.run("systemctl", "is-active", "ssh.service") == "active"
    machine.run("bitfusion-firstboot", "announce")
    banner = machine.run("cat", "/etc/issue.d/60-bitfusion.issue")
    assert f"guestinfo.bitfusion.host.{key}" in banner
    assert "vApp Options" in banner


def test_interrupted(appliance: Boots) -> None:
    """Power is lost while first boot works: the next boot ends as one that was not disturbed."""
    machine = appliance(1)
    machine.form({**static(1, "10.84.1.2"), "host.hostname": "gpu-1", "host.customer_password": "pw"})
    machine.power_on()
    whole = json.loads(machine.run("cat", state.FILE))
    for index in range(len(MODULES)):
        machine.power_off()
        done = dict(list(whole["records"].items())[:index])
        (machine.tree / state.FILE[1:]).write_text(json.dumps({**whole, "records": done, "finished": False}))
        machine.power_on()

        assert machine.status()["status"] == "done"
        assert set(json.loads(machine.run("cat", state.FILE))["records"]) == {module.id for module in MODULES}


def test_application(appliance: Boots, program: Builder, tmp_path: Path) -> None:
    """From outside, an unmodified CUDA program runs on the appliance's simulated GPU, and outlives a restart of the service."""
    machine = appliance(1)
    machine.form(static(1, "10.85.1.2"))
    (machine.tree / "etc/bitfusion/bitfusion-manager.yaml").write_text("dispatcher: {managed: false}\ngpu: {simulated_count: 2}\n")
    subprocess.run(["ip", "address", "add", "10.85.1.1/24", "dev", machine.host_side(1)], check=True)
    machine.power_on()
    client = _enable(machine, "10.85.1.2", tmp_path / "home")
    application = str(program("vector_add", 13, "static"))

    assert failed_units(machine) == set()
    assert "PASSED" in client.output("run", "-n", "1", "--", application)

    running = client.start("run", "-n", "1", "--", "sleep", "1000")
    try:
        machine.wait(lambda: "free memory 0" in client.output("list_gpus"))
        dispatcher = machine.run("systemctl", "show", "-P", "MainPID", "bitfusion-dispatcher.service")
        machine.run("systemctl", "restart", "bitfusion")
        assert machine.run("systemctl", "show", "-P", "MainPID", "bitfusion-dispatcher.service") == dispatcher
        assert "PASSED" in client.output("run", "-n", "1", "--", application)
        assert running.poll() is None
    finally:
        running.terminate()
        running.communicate(timeout=30)

    assert "active (running)" in machine.run("systemctl", "status", "bitfusion")
    assert "manager ready" in machine.run("journalctl", "-u", "bitfusion-manager.service", "--no-pager")
    assert "manager ready" not in machine.run("journalctl", "-u", "bitfusion.service", "--no-pager")
    _check_bundle(machine)


@dataclass(frozen=True)
class Client:
    """A client machine's `bitfusion`, enabled for one appliance."""

    home: Path

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Run it in the background."""
        environment = {"PATH": "/usr/bin:/bin", "BITFUSION_HOME": str(self.home), "BITFUSION_LIB_DIR": str(LIB / "client")}
        return subprocess.Popen([PYTHON, "-m", "bitfusion_client", *arguments], env=environment, stdout=subprocess.PIPE, text=True)

    def output(self, *arguments: str) -> str:
        """What it prints."""
        with self.start(*arguments) as process:
            return process.communicate(timeout=120)[0]


def _enable(machine: Container, address: str, home: Path) -> Client:
    (home / "tls").mkdir(parents=True)
    (home / "tls/ca.crt").write_bytes((machine.tree / "var/lib/bitfusion/data/tls/ca.crt").read_bytes())
    issue = ["-m", "bitfusion_server.manager", "--data", "/var/lib/bitfusion/data", "--issue-token", "client", "--log-level", "error"]
    user = ["setpriv", "--reuid=bitfusion", "--regid=bitfusion", "--clear-groups"]
    token = machine.run(*user, "/usr/lib/bitfusion/venv/bin/python", "-I", *issue).splitlines()[-1]
    (home / "client.yaml").write_text(f"access_token: {token}\n")
    (home / "client.yaml").chmod(0o600)
    (home / "servers.conf").write_text(f"{address}\n")
    return Client(home)


def _check_bundle(machine: Container) -> None:
    said = machine.run("bitfusion-supportbundle.sh")
    assert re.match(r"/tmp/bitfusion-supportbundle\.tar\.gz: \d+ files", said)
    names = machine.run("tar", "-tzf", "/tmp/bitfusion-supportbundle.tar.gz").splitlines()
    assert "bitfusion-supportbundle/manifest.json" in names
    assert "bitfusion-supportbundle/files/etc/bitfusion/bitfusion-manager.yaml" in names
    assert machine.run("stat", "-c", "%a", "/tmp/bitfusion-supportbundle.tar.gz") == "600"
