"""A machine for the first-boot agent: a directory for its files, and programs that only remember what they were told."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import quoteattr

from bitfusion_appliance.firstboot import runner, state
from bitfusion_appliance.firstboot.host import COMMAND_TIMEOUT_S, Host, StepFailed
from bitfusion_appliance.firstboot.module import Module, Stage
from bitfusion_appliance.firstboot.modules import MODULES
from bitfusion_appliance.firstboot.state import State
from bitfusion_appliance.properties import HOST, table

MACS = ("00:50:56:00:00:01", "00:50:56:00:00:02", "00:50:56:00:00:03", "00:50:56:00:00:04")
_NAMESPACES = 'xmlns="http://schemas.dmtf.org/ovf/environment/1" xmlns:oe="http://schemas.dmtf.org/ovf/environment/1" xmlns:ve="http://www.vmware.com/schema/ovfenv"'


def environment(form: dict[str, str], macs: Sequence[str] = MACS[:1]) -> str:
    """What vCenter writes; keys may leave out `guestinfo.bitfusion.`, and adapters come in any order."""
    rows = [(key if key.startswith("guestinfo") else f"guestinfo.bitfusion.{key}", value) for key, value in form.items()]
    properties = "".join(f"<Property oe:key={quoteattr(key)} oe:value={quoteattr(value)}/>" for key, value in rows)
    adapters = [f'<ve:Adapter ve:mac="{mac.upper()}" ve:network="net {n}" ve:unitNumber="{7 + n}"/>' for n, mac in enumerate(macs)]
    section = f"<ve:EthernetAdapterSection>{''.join(reversed(adapters))}</ve:EthernetAdapterSection>"
    return f'<?xml version="1.0" encoding="UTF-8"?><Environment {_NAMESPACES} oe:id=""><PropertySection>{properties}</PropertySection>{section}</Environment>'


class Machine:
    """One virtual machine. `form` is what its owner has filled in; `boot` is a power-on."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.guest_variables: dict[str, str] = {}
        self.calls: list[tuple[str, str]] = []
        self.answers: dict[str, str] = {}
        self.broken: set[str] = set()
        self.host = Host(root, self)

    def __call__(self, arguments: Sequence[str], stdin: str = "", timeout_s: float = COMMAND_TIMEOUT_S) -> str:
        """The runner."""
        program = arguments[0]
        if program == "vmware-rpctool":
            return self._rpc(arguments[1])
        if program in {"vmtoolsd", *self.broken}:
            raise StepFailed(f"{program} ended with status 1")
        self.calls.append((" ".join(arguments), stdin))
        return self.answers.get(program, "")

    def power_on(self, form: dict[str, str], macs: Sequence[str] = MACS[:1]) -> None:
        """vCenter hands the form over anew."""
        self.guest_variables["guestinfo.ovfEnv"] = environment(form, macs)

    def boot(self, modules: Sequence[Module] = MODULES) -> State:
        """Both stages, as systemd runs them."""
        self.calls.clear()
        for stage in Stage:
            runner.run(runner.prepare(self.host, table(), fresh=runner.begins(stage, None)), modules, stage)
        return state.load(self.host)

    def read(self, name: str) -> str:
        """A file of the machine."""
        return self.host.path(name).read_text()

    def network(self, number: int) -> str:
        """The file of a network adapter."""
        return self.read(f"/etc/systemd/network/10-net{number}.network")

    def tree(self) -> dict[str, tuple[int, str]]:
        """Every file with its mode and content, less the notes about how it came about."""
        files = [path for path in self.root.rglob("*") if path.is_file()]
        rows = {str(path.relative_to(self.root)): (path.stat().st_mode, path.read_text()) for path in files}
        return {name: row for name, row in rows.items() if name not in {state.FILE[1:], state.PUBLIC[1:]}}

    def _rpc(self, request: str) -> str:
        verb, name, *value = request.split(" ", 2)
        if verb == "info-set":
            self.guest_variables[name] = value[0]
            return ""
        if name not in self.guest_variables:
            raise StepFailed("vmware-rpctool ended with status 1: No value found")
        return self.guest_variables[name]


def static(number: int, address: str, **more: str) -> dict[str, str]:
    """The form of one adapter with a fixed address."""
    switch = {"configure": "True"} if number > 1 else {}
    rows = {**switch, "ipv4address": address, "netmask": "24 (255.255.255.0)", **more}
    return {f"{HOST}net{number}.{name}": value for name, value in rows.items()}
