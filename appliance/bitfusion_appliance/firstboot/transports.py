"""How the OVF environment reaches the machine: VMware's RPC, a CD, a file. The first that has one wins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bitfusion_appliance.firstboot.host import Host, StepFailed

GUEST_VARIABLE = "guestinfo.ovfEnv"
FILE = "/etc/bitfusion/ovf-env.xml"
_MOUNT = "/run/bitfusion/ovf-cd"
_SETTLE_S = 15
_ISO_NAMES = ("ovf-env.xml", "ovf_env.xml", "OVF-ENV.XML", "OVF_ENV.XML")


@dataclass(frozen=True)
class Reading:
    """The document, where it came from, and how to write a masked one back (a CD cannot be written)."""

    source: str
    xml: str
    write_back: Callable[[str], None] | None = None


def read(host: Host) -> Reading | None:
    """The document, from the first transport that has one."""
    for transport in (_rpc, _iso, _file):
        reading = transport(host)
        if reading is not None:
            return reading
    return None


def set_guest_variable(host: Host, name: str, value: str) -> None:
    """Tell vCenter; raises StepFailed off vSphere. The value is visible to every user of the machine."""
    failure = StepFailed("no way to set guest variables")
    for tool in _tools(f"info-set {name} {value}"):
        try:
            host.run(tool)
        except StepFailed as error:
            failure = error
        else:
            return
    raise failure


def _tools(request: str) -> tuple[tuple[str, ...], ...]:
    """vmtoolsd needs the daemon's libraries only; either may be missing."""
    return (("vmware-rpctool", request), ("vmtoolsd", "--cmd", request))


def _rpc(host: Host) -> Reading | None:
    for tool in _tools(f"info-get {GUEST_VARIABLE}"):
        try:
            xml = host.run(tool)
        except StepFailed:
            continue  # not on vSphere, or no environment: the next transport may have one
        if xml.strip():
            return Reading("guestinfo", xml, lambda text: set_guest_variable(host, GUEST_VARIABLE, text))
    return None


def _iso(host: Host) -> Reading | None:
    try:
        # The drive may not have been found yet.
        host.run(("udevadm", "settle", f"--timeout={_SETTLE_S}"))
    except StepFailed:
        pass  # as in a container; what is there is there
    for device in sorted(host.path("/dev").glob("sr*")):
        try:
            host.path(_MOUNT).mkdir(parents=True, exist_ok=True)
            host.run(("mount", "-o", "ro,nosuid,nodev,noexec", str(device), str(host.path(_MOUNT))))
        except StepFailed:
            continue  # no medium
        try:
            for name in _ISO_NAMES:
                if (xml := host.read(f"{_MOUNT}/{name}")) is not None:
                    return Reading("iso", xml)
        finally:
            host.run(("umount", str(host.path(_MOUNT))))
    return None


def _file(host: Host) -> Reading | None:
    xml = host.read(FILE)
    return None if xml is None else Reading("file", xml, lambda text: _write_file(host, text))


def _write_file(host: Host, text: str) -> None:
    host.write(FILE, text, 0o600)
