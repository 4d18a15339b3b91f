"""NVIDIA's driver, CUDA libraries and Fabric Manager: from NVIDIA's repository, or from files that were brought along."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bitfusion_appliance.firstboot import pci
from bitfusion_appliance.firstboot.host import Host, StepFailed
from bitfusion_appliance.firstboot.module import Boot, Frequency, Module, Stage
from bitfusion_appliance.properties import HOST

CONFIG = "/etc/bitfusion/nvidia.toml"
LOCAL = "/var/lib/bitfusion/nvidia"
_KEY = HOST + "install_nvidia_packages"
_SOURCES, _KEYRING = "/etc/apt/sources.list.d/nvidia.sources", "/etc/apt/keyrings/nvidia.asc"
# Downloads of gigabytes, and a kernel module to compile.
_INSTALL_TIMEOUT_S = 3600.0
_AIR_GAP = f"Without access to the Internet: copy NVIDIA's .run or .deb files to {LOCAL} and run 'sudo bitfusion-firstboot install-nvidia'."


@dataclass(frozen=True)
class Source:
    """Where the packages come from: /etc/bitfusion/nvidia.toml."""

    repository: str
    key_url: str
    packages: tuple[str, ...]
    fabric_manager: tuple[str, ...]


def apply(boot: Boot) -> str:
    """Install when the switch is on: what was brought along, else from the repository."""
    version = _driver_version(boot.host)
    if boot.values.get(_KEY) is not True:
        return f"switched off; driver {version or 'not installed'}"
    return install(boot.host)


def install(host: Host) -> str:
    """From the local folder if it has anything, else from the repository."""
    files = sorted(host.path(LOCAL).glob("*.run")) + sorted(host.path(LOCAL).glob("*.deb"))
    if files:
        _from_files(host, files)
    else:
        _from_repository(host, source(host))
    if any(device.is_gpu for device in pci.devices(host)):
        _load(host)
    return f"driver {_driver_version(host) or 'installed; it is loaded when a GPU is there'}"


def source(host: Host) -> Source:
    """The configured repository."""
    text = host.read(CONFIG)
    if text is None:
        raise StepFailed(f"{CONFIG} is missing", _AIR_GAP)
    try:
        row = tomllib.loads(text)
        return Source(str(row["repository"]), str(row.get("key_url", "")), tuple(row["packages"]), tuple(row.get("fabric_manager", ())))
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise StepFailed(f"{CONFIG}: {error!r}", "Correct the file, then restart the machine.") from error


def _from_repository(host: Host, origin: Source) -> None:
    switches = any(device.is_nvswitch for device in pci.devices(host))
    packages = [*origin.packages, *(origin.fabric_manager if switches else ())]
    try:
        if origin.key_url:
            _fetch_key(host, origin.key_url)
        host.write(_SOURCES, origin.repository.strip() + "\n")
        host.run(("apt-get", "update", "-q"), timeout_s=_INSTALL_TIMEOUT_S)
        _apt_install(host, packages)
        if switches:
            host.run(("systemctl", "enable", "--now", "nvidia-fabricmanager.service"))
    except StepFailed as error:
        raise StepFailed(
            f"NVIDIA's software could not be installed: {error.reason}", f"Check the network and {CONFIG}. {_AIR_GAP}"
        ) from error


def _fetch_key(host: Host, url: str) -> None:
    """The repository's key, over HTTPS. apt and this script have the same proxy settings."""
    host.path(_KEYRING).parent.mkdir(parents=True, exist_ok=True)
    host.run(("/usr/lib/apt/apt-helper", "download-file", url, str(host.path(_KEYRING))))
    host.path(_KEYRING).chmod(0o644)


def _apt_install(host: Host, what: Sequence[str]) -> None:
    # An earlier attempt may have been interrupted between unpacking and configuring.
    host.run(("dpkg", "--configure", "-a"), timeout_s=_INSTALL_TIMEOUT_S)
    host.run(("apt-get", "install", "-y", "-q", "--no-install-recommends", *what), timeout_s=_INSTALL_TIMEOUT_S)


def _from_files(host: Host, files: Sequence[Path]) -> None:
    try:
        packages = [str(path) for path in files if path.suffix == ".deb"]
        if packages:
            _apt_install(host, packages)
        for path in files:
            if path.suffix == ".run":
                host.run(("sh", str(path), "--silent"), timeout_s=_INSTALL_TIMEOUT_S)
    except StepFailed as error:
        raise StepFailed(
            f"NVIDIA's software could not be installed from {LOCAL}: {error.reason}", "Check that the files are whole."
        ) from error


def _load(host: Host) -> None:
    for name in ("nvidia", "nvidia-uvm"):
        host.run(("modprobe", name))


def _driver_version(host: Host) -> str:
    text = host.read("/sys/module/nvidia/version")
    return text.strip() if text else ""


MODULE = Module("nvidia", Stage.NETWORK, Frequency.ON_CHANGE, (_KEY,), apply)
