"""NVIDIA's software: when it is installed, from where, and what is said when it cannot be."""

from __future__ import annotations

import pytest

from bitfusion_appliance.firstboot.modules import nvidia
from bitfusion_appliance.firstboot.state import Outcome
from tests.appliance.firstboot.test_memory import put_gpus
from tests.appliance.machine import Machine

ON, OFF = {"host.install_nvidia_packages": "True"}, {"host.install_nvidia_packages": "False"}
CONFIG = """
repository = "Types: deb\\nURIs: https://repository.example.com/\\nSuites: /\\n"
key_url = "https://repository.example.com/key.asc"
packages = ["driver", "cuda"]
fabric_manager = ["fabric-manager"]
"""


@pytest.fixture
def configured(machine: Machine) -> Machine:
    """A machine that knows a repository; its key has arrived."""
    machine.host.write(nvidia.CONFIG, CONFIG)
    machine.host.write("/etc/apt/keyrings/nvidia.asc", "key")
    return machine


def installs(machine: Machine) -> list[str]:
    """What this boot has installed."""
    return [call.split("--no-install-recommends ")[1] for call, _ in machine.calls if call.startswith("apt-get install")]


def test_switch_turned_on_later(configured: Machine) -> None:
    """Off: nothing. On: installed from the repository, once."""
    seen = []
    for form in (OFF, ON, ON):
        configured.power_on(form)
        configured.boot()
        seen.append(installs(configured))

    assert seen == [[], ["driver cuda"], []]
    assert "https://repository.example.com/" in configured.read("/etc/apt/sources.list.d/nvidia.sources")


def test_module_is_loaded_where_there_is_a_gpu(configured: Machine) -> None:
    """The driver is used from this boot on."""
    put_gpus(configured, 1, 16384, machine_mib=64_000)
    configured.power_on(ON)

    configured.boot()

    assert ("modprobe nvidia", "") in configured.calls


def test_fabric_manager(configured: Machine) -> None:
    """Installed and started only where GPUs are connected by switches."""
    folder = configured.host.path("/sys/bus/pci/devices/0000:1b:00.0")
    folder.mkdir(parents=True)
    for name, value in (("vendor", "0x10de"), ("device", "0x1af1"), ("class", "0x068000")):
        (folder / name).write_text(value)
    configured.power_on(ON)

    configured.boot()

    assert installs(configured) == ["driver cuda fabric-manager"]
    assert ("systemctl enable --now nvidia-fabricmanager.service", "") in configured.calls


def test_files_brought_along(configured: Machine) -> None:
    """They win over the repository, which is not asked: there may be no way to it."""
    for name in ("b.deb", "a.deb", "driver.run", "readme.txt"):
        configured.host.write(f"{nvidia.LOCAL}/{name}", "")
    configured.power_on(ON)

    configured.boot()

    folder = configured.host.path(nvidia.LOCAL)
    assert installs(configured) == [f"{folder}/a.deb {folder}/b.deb"]
    assert (f"sh {folder}/driver.run --silent", "") in configured.calls
    assert not [call for call, _ in configured.calls if "update" in call]


def test_no_way_to_the_repository(configured: Machine) -> None:
    """It says what to do without the Internet, and is tried again at the next boot."""
    configured.power_on(ON)
    configured.broken = {"apt-get"}
    record = configured.boot().records["nvidia"]
    assert record.outcome is Outcome.FAILED
    assert nvidia.LOCAL in record.hint
    assert "install-nvidia" in record.hint

    configured.broken = set()
    assert configured.boot().records["nvidia"].outcome is Outcome.DONE


def test_broken_configuration(configured: Machine) -> None:
    """The file is named."""
    configured.host.write(nvidia.CONFIG, "packages = 3")
    configured.power_on(ON)

    assert nvidia.CONFIG in configured.boot().records["nvidia"].message
