"""What this machine is like: memory, limits, network interfaces and their counters."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import NamedTuple

_NETWORK = Path("/sys/class/net")
_RDMA = Path("/sys/class/infiniband")
_UP = ("up", "unknown")


class Interface(NamedTuple):
    """A network interface. `speed_mbps` is None where the driver does not say; `errors` adds up all error and drop counters."""

    name: str
    mtu: int
    speed_mbps: int | None
    errors: int


def interfaces(root: Path = _NETWORK) -> tuple[Interface, ...]:
    """The interfaces that are up, without the loopback."""
    found = (_interface(root / name) for name in sorted(os.listdir(root)) if name != "lo") if root.is_dir() else ()
    return tuple(one for one in found if one is not None)


def rdma_adapters(root: Path = _RDMA) -> list[str]:
    """The RDMA devices that the kernel knows."""
    return sorted(os.listdir(root)) if root.is_dir() else []


def memory_mib() -> int:
    """All memory of this machine."""
    with open("/proc/meminfo", encoding="ascii") as file:
        for line in file:
            if line.startswith("MemTotal:"):
                return int(line.split()[1]) // 1024
    raise ValueError("/proc/meminfo has no MemTotal")


def open_files_limit() -> int:
    """How many files an application may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return int(soft) if soft != resource.RLIM_INFINITY else 1 << 31


def boot_id() -> str:
    """Changes with every boot, which sets the counters to zero."""
    return _text(Path("/proc/sys/kernel/random/boot_id"))


def _interface(folder: Path) -> Interface | None:
    if _text(folder / "operstate") not in _UP:
        return None
    speed = _number(folder / "speed")
    counters = sorted((folder / "statistics").glob("*errors")) + sorted((folder / "statistics").glob("*dropped"))
    errors = sum(_number(path) or 0 for path in counters)
    return Interface(folder.name, _number(folder / "mtu") or 0, speed if speed is not None and speed > 0 else None, errors)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""  # Virtual interfaces have no speed and answer with an error.


def _number(path: Path) -> int | None:
    text = _text(path)
    return int(text) if text.lstrip("-").isdigit() else None
