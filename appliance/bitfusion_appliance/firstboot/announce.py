"""Tells people how it went: on the console, at login, and to vCenter. Never a secret."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bitfusion_appliance.firstboot import state, transports
from bitfusion_appliance.firstboot.host import Host, StepFailed
from bitfusion_appliance.firstboot.modules.separate import addresses

ISSUE, MOTD = "/etc/issue.d/60-bitfusion.issue", "/run/motd.d/60-bitfusion"
STATUS_VARIABLE = "guestinfo.bitfusion.firstboot.status"
MANAGER = "bitfusion-manager.service"
_MEND = "To mend: power off the virtual machine, correct the property under Configure > Settings > vApp Options, and power on."


@dataclass(frozen=True)
class Report:
    """What is announced."""

    first_boot: Mapping[str, Any]
    addresses: tuple[str, ...]
    manager: str


def collect(host: Host) -> Report:
    """The state of first boot, the addresses, and whether the service runs."""
    return Report(state.published(host), _addresses(host), _manager(host))


def _addresses(host: Host) -> tuple[str, ...]:
    try:
        found = addresses(host.run(("ip", "-json", "-4", "address", "show", "scope", "global")))
        return tuple(f"{row.name} {row.address}" for row in found)
    except StepFailed:
        return ()


def _manager(host: Host) -> str:
    try:
        return host.run(("systemctl", "show", "--property=ActiveState", "--value", MANAGER)).strip() or "unknown"
    except StepFailed:
        return "unknown"


def announce(host: Host, report: Report) -> None:
    """Everywhere; off vSphere nobody is told there."""
    text = "\n".join(_lines(report)) + "\n"
    host.write(MOTD, text)
    # agetty takes a backslash for the beginning of an escape.
    if host.write(ISSUE, text.replace("\\", "\\\\")):
        _quietly(host, ("agetty", "--reload"))
    shown = {"status": report.first_boot["status"], "addresses": report.addresses, "manager": report.manager, "problems": problems(report)}
    try:
        transports.set_guest_variable(host, STATUS_VARIABLE, json.dumps(shown))
    except StepFailed:
        pass  # not a virtual machine of vSphere: nobody to tell


def _quietly(host: Host, arguments: tuple[str, ...]) -> None:
    try:
        host.run(arguments)
    except StepFailed:
        pass  # no console to refresh, as in a container


def problems(report: Report) -> list[str]:
    """Wrong properties, then failed modules, each with what to do."""
    rows = report.first_boot["modules"].items()
    failed = [f"{name}: {row['message']}. {row['hint']}".strip() for name, row in rows if row["outcome"] == state.Outcome.FAILED]
    return [*report.first_boot["problems"], *failed]


def _lines(report: Report) -> Iterator[str]:
    yield "Bitfusion server"
    yield f"  first boot  {report.first_boot['status']}"
    yield f"  service     {report.manager}"
    for address in report.addresses or ("no address",):
        yield f"  network     {address}"
    for note in report.first_boot["notes"]:
        yield f"  note        {note}"
    found = problems(report)
    if found:
        yield "Problems:"
        yield from (f"  - {problem}" for problem in found)
    if report.first_boot["problems"]:
        yield _MEND
    yield ""
