"""Setting the MMIO window on the own virtual machine, against VMware's simulator."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bitfusion_appliance.firstboot import vcenter
from bitfusion_appliance.firstboot.host import StepFailed
from bitfusion_appliance.firstboot.sizing import MMIO_SIZE, MMIO_SWITCH
from bitfusion_appliance.properties import SERVER
from tests.appliance import vcsim
from tests.appliance.firstboot.test_memory import put_gpus
from tests.appliance.machine import Machine

# pyvmomi leaves the socket of a refused login to the collector.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")]


@pytest.fixture(scope="module")
def simulator() -> Iterator[vcsim.Vcenter]:
    """One for all tests of this file."""
    with vcsim.running() as found:
        yield found


def form(simulator: vcsim.Vcenter, **changes: str) -> dict[str, str]:
    """What the owner fills in."""
    given = {"url": simulator.url, "username": vcsim.USER, "password": vcsim.PASSWORD, "thumbprint": simulator.thumbprint, **changes}
    return {f"{SERVER}vcenter-{name}": value for name, value in given.items()}


def login(simulator: vcsim.Vcenter) -> vcenter.Login:
    """The same as credentials."""
    return vcenter.Login(simulator.url, vcsim.USER, vcsim.PASSWORD, simulator.thumbprint)


@pytest.fixture
def own_uuid(simulator: vcsim.Vcenter) -> str:
    """The BIOS UUID of one of its virtual machines."""
    from pyVmomi import vim

    with vcenter._session(login(simulator)) as content:
        view = content.viewManager.CreateContainerView(content.rootFolder, [vim.VirtualMachine], True)
        return str(view.view[0].config.uuid)


def own_settings(simulator: vcsim.Vcenter, uuid: str) -> dict[str, str]:
    """Advanced settings of this virtual machine."""
    with vcenter._session(login(simulator)) as content:
        machine = content.searchIndex.FindByUuid(None, uuid, True, False)
        return {option.key: option.value for option in machine.config.extraConfig}


def give_uuid(machine: Machine, uuid: str) -> None:
    """As the firmware of VMware's machines writes it."""
    digits = uuid.replace("-", "")
    pairs = " ".join(digits[at : at + 2] for at in range(0, 32, 2))
    serial = machine.host.path("/sys/class/dmi/id/product_serial")
    serial.parent.mkdir(parents=True)
    serial.write_text(f"VMware-{pairs[:23]}-{pairs[24:]}\n")


def test_window_is_set(machine: Machine, simulator: vcsim.Vcenter, own_uuid: str) -> None:
    """Ten GPUs of 40 GB: 512 GB are set on the own machine, once, to take effect at the next power-on."""
    give_uuid(machine, own_uuid)
    put_gpus(machine, count=10, memory_mib=40960, machine_mib=700_000)
    machine.power_on(form(simulator))

    first = machine.boot().records["memory"].message
    second = machine.boot().records["memory"].message

    assert f"{MMIO_SIZE} = 512 takes effect when the machine is powered off and on" in first
    assert f"{MMIO_SIZE} = 512 is set" in second
    settings = own_settings(simulator, own_uuid)
    assert (settings[MMIO_SIZE], settings[MMIO_SWITCH]) == ("512", "TRUE")


WRONG = [
    ({"password": "wrong-canary"}, "refuses the user name or the password"),
    ({"thumbprint": "AB" * 32}, "its certificate has the thumbprint"),
    ({"thumbprint": "AB" * 20}, "its certificate has the thumbprint"),
    ({"thumbprint": ""}, "CERTIFICATE_VERIFY_FAILED"),
    ({"url": "https://localhost:1"}, "cannot connect"),
]


@pytest.mark.parametrize("changes,reason", WRONG)
def test_connection_refused(machine: Machine, simulator: vcsim.Vcenter, own_uuid: str, changes: dict[str, str], reason: str) -> None:
    """Wrong credentials, another or an unknown certificate, nobody there: it is said, without the password."""
    give_uuid(machine, own_uuid)
    put_gpus(machine, count=10, memory_mib=40960, machine_mib=700_000)
    machine.power_on(form(simulator, **changes))

    record = machine.boot().records["memory"]

    assert reason in record.message
    assert record.hint
    assert "canary" not in f"{record}"


def test_another_vcenter(simulator: vcsim.Vcenter) -> None:
    """A vCenter that does not manage this machine is the wrong one."""
    from uuid import UUID

    with pytest.raises(StepFailed, match="knows no virtual machine"):
        vcenter.set_extra_config(login(simulator), UUID(int=1), {MMIO_SIZE: "64"})
