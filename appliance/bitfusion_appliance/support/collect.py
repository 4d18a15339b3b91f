"""What goes into the bundle: an allow-list of files and commands. Whatever is not here stays on the machine."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

LONGEST = 16 << 20
_SINCE = ("--since", "-7days", "--no-pager", "--output", "short-iso")


@dataclass(frozen=True)
class Files:
    """Files of a pattern. `settings`: YAML or JSON."""

    pattern: str
    settings: bool = False


@dataclass(frozen=True)
class Command:
    """A command, the file its output goes to, and how long it may take."""

    name: str
    arguments: Sequence[str]
    timeout_s: float = 20.0


FILES = (
    Files("/etc/bitfusion-release"),
    Files("/etc/os-release"),
    Files("/etc/bitfusion/bitfusion-manager.yaml", settings=True),
    Files("/etc/bitfusion/vcenter.yaml", settings=True),
    Files("/etc/bitfusion/nvidia.toml"),
    Files("/etc/bitfusion/servers.conf"),
    Files("/etc/systemd/network/10-net*.network"),
    Files("/etc/nftables.conf"),
    Files("/etc/cassandra/cassandra.yaml", settings=True),
    Files("/etc/cassandra/cassandra-rackdc.properties"),
    Files("/run/bitfusion/firstboot.json", settings=True),
    Files("/proc/cpuinfo"),
    Files("/proc/meminfo"),
    Files("/proc/cmdline"),
    Files("/proc/driver/nvidia/version"),
    Files("/var/log/nvidia-installer.log"),
)
COMMANDS = (
    Command("system/uname", ("uname", "-a")),
    Command("system/uptime", ("uptime",)),
    Command("system/time", ("timedatectl", "status", "--no-pager")),
    Command("system/disks", ("df", "-hT")),
    Command("system/memory", ("free", "-m")),
    Command("system/packages", ("dpkg-query", "-W")),
    Command("system/failed-units", ("systemctl", "list-units", "--failed", "--no-pager")),
    Command("system/kernel-log", ("journalctl", "--dmesg", *_SINCE), 60.0),
    Command("hardware/pci", ("lspci", "-nnvv")),
    Command("hardware/nvidia-smi", ("nvidia-smi", "-q"), 60.0),
    Command("hardware/nvidia-topology", ("nvidia-smi", "topo", "-m"), 60.0),
    Command("hardware/rdma", ("rdma", "-d", "link")),
    Command("network/addresses", ("ip", "-d", "address")),
    Command("network/counters", ("ip", "-s", "-s", "link")),
    Command("network/routes", ("ip", "route", "show", "table", "all")),
    Command("network/listeners", ("ss", "-tlnp")),
    Command("network/state", ("networkctl", "status", "--all", "--no-pager")),
    Command("network/names", ("resolvectl", "status", "--no-pager")),
    Command("network/filter", ("nft", "list", "ruleset")),
    Command("server/first-boot", ("bitfusion-firstboot", "status")),
    Command("server/units", ("systemctl", "status", "bitfusion-*", "--all", "--no-pager", "--lines=0")),
    Command("server/version", ("bitfusion", "version")),
    Command("server/local-health", ("bitfusion", "localhealth"), 60.0),
    Command("server/health", ("bitfusion", "health"), 60.0),
    Command("server/gpus", ("bitfusion", "list_gpus"), 60.0),
    Command("server/manager-log", ("journalctl", "--unit", "bitfusion-manager.service", *_SINCE), 60.0),
    Command("server/dispatcher-log", ("journalctl", "--unit", "bitfusion-dispatcher.service", *_SINCE), 60.0),
    Command("server/first-boot-log", ("journalctl", "--identifier", "bitfusion-firstboot", *_SINCE), 60.0),
    Command("cassandra/status", ("nodetool", "status"), 60.0),
    Command("cassandra/info", ("nodetool", "info"), 60.0),
    Command("cassandra/threads", ("nodetool", "tpstats"), 60.0),
    Command("cassandra/ring", ("nodetool", "describecluster"), 60.0),
    Command("cassandra/log", ("journalctl", "--unit", "cassandra.service", *_SINCE), 60.0),
)


@dataclass(frozen=True)
class Collected:
    """One file of the bundle, not yet redacted. `note`: why it is short or missing."""

    name: str
    text: str
    settings: bool = False
    note: str = ""


def files(root: Path) -> Iterator[Collected]:
    """The allow-listed files that are there. A link that leads elsewhere is not followed."""
    for row in FILES:
        for path in sorted(root.glob(row.pattern[1:])):
            name = f"files/{path.relative_to(root)}"
            if path.resolve().is_relative_to(root.resolve()) and path.is_file():
                yield _read(name, path, row.settings)


def _read(name: str, path: Path, settings: bool) -> Collected:
    try:
        with path.open("rb") as file:
            data = file.read(LONGEST + 1)
    except OSError as error:
        return Collected(name, "", settings, f"cannot be read: {error.strerror}")
    return Collected(name, data[:LONGEST].decode("utf-8", "replace"), settings, "cut" if len(data) > LONGEST else "")


def output(command: Command) -> Collected:
    """What a command prints; one that takes too long, fails or is missing is noted."""
    name = f"commands/{command.name}.txt"
    try:
        done = subprocess.run(
            command.arguments,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=command.timeout_s,
        )
    except subprocess.TimeoutExpired as error:
        return Collected(name, _tail(error.stdout or b""), note=f"took more than {command.timeout_s:g} s")
    except OSError as error:
        return Collected(name, "", note=f"cannot be run: {error.strerror}")
    return Collected(name, _tail(done.stdout), note=f"status {done.returncode}" if done.returncode else "")


def _tail(data: bytes) -> str:
    """Of a log that is too long, the end matters."""
    return data[-LONGEST:].decode("utf-8", "replace")
