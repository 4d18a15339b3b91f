"""The service as the guide handles it, and an application from outside."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.appliance.machine import static
from tests.appliance.system import client
from tests.appliance.system.conftest import Boots
from tests.appliance.system.container import Container
from tests.appliance.system.test_boot import failed_units
from tests.cuda_builder import Builder

pytestmark = pytest.mark.timeout(1800)


def test_application(appliance: Boots, program: Builder, tmp_path: Path) -> None:
    """From outside, an unmodified CUDA program runs on the appliance's simulated GPU, and outlives a restart of the service."""
    machine = appliance(1)
    machine.form(static(1, "10.85.1.2"))
    (machine.tree / "etc/bitfusion/bitfusion-manager.yaml").write_text("dispatcher: {managed: false}\ngpu: {simulated_count: 2}\n")
    subprocess.run(["ip", "address", "add", "10.85.1.1/24", "dev", machine.host_side(1)], check=True)
    machine.power_on()
    token = machine.run(*client.ISSUE_TOKEN).splitlines()[-1]
    user = client.enabled(tmp_path / "home", "10.85.1.2", machine.run("cat", client.AUTHORITY), token)
    application = str(program("vector_add", 13, "static"))

    assert failed_units(machine) == set()
    assert "PASSED" in user.output("run", "-n", "1", "--", application)

    running = user.start("run", "-n", "1", "--", "sleep", "1000")
    try:
        machine.wait(lambda: "free memory 0" in user.output("list_gpus"))
        dispatcher = machine.run("systemctl", "show", "-P", "MainPID", "bitfusion-dispatcher.service")
        machine.run("systemctl", "restart", "bitfusion")
        assert machine.run("systemctl", "show", "-P", "MainPID", "bitfusion-dispatcher.service") == dispatcher
        assert "PASSED" in user.output("run", "-n", "1", "--", application)
        assert running.poll() is None
    finally:
        running.terminate()
        running.communicate(timeout=30)

    _check_verbs(machine)
    _check_bundle(machine)


def _check_verbs(machine: Container) -> None:
    """Those of the guide, by the customer, with the alias; the log is under the full name only."""
    machine.run("chpasswd", stdin="customer:pw\n")

    def sudo(*command: str) -> str:
        return machine.run(
            "setpriv", "--reuid=customer", "--regid=customer", "--init-groups", "sudo", "-S", "-p", "", *command, check=False, stdin="pw\n"
        )

    sudo("systemctl", "stop", "bitfusion")
    assert "inactive (dead)" in sudo("systemctl", "status", "bitfusion")
    sudo("systemctl", "start", "bitfusion")
    assert "active (running)" in sudo("systemctl", "status", "bitfusion")
    assert "active (running)" in sudo("systemctl", "status", "bitfusion-manager.service")
    assert machine.run("test", "-e", "/lib/systemd/system/bitfusion-manager.service") == ""
    assert "manager ready" in sudo("journalctl", "-u", "bitfusion-manager.service", "--no-pager")
    assert sudo("journalctl", "-u", "bitfusion", "--no-pager") == "-- No entries --"


def _check_bundle(machine: Container) -> None:
    said = machine.run("bitfusion-supportbundle.sh")
    assert re.match(r"/tmp/bitfusion-supportbundle\.tar\.gz: \d+ files", said)
    names = machine.run("tar", "-tzf", "/tmp/bitfusion-supportbundle.tar.gz").splitlines()
    assert "bitfusion-supportbundle/manifest.json" in names
    assert "bitfusion-supportbundle/files/etc/bitfusion/bitfusion-manager.yaml" in names
    assert machine.run("stat", "-c", "%a", "/tmp/bitfusion-supportbundle.tar.gz") == "600"
