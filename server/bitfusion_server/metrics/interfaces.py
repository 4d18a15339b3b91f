"""Traffic of the network interfaces, as the kernel counts it in /proc/net/dev."""

from __future__ import annotations

from pathlib import Path

_FILE = Path("/proc/net/dev")
_DEVICES = Path("/sys/class/net")
# What an interface has that carries data of its own: an adapter, or several of them. Bridges and the ends of containers come and go.
_REAL = ("device", "bonding")
# Columns of the file after the name, see proc_net_dev(5).
_COLUMNS = {
    "network_receive_bytes": 0,
    "network_receive_errors": 2,
    "network_receive_drops": 3,
    "network_transmit_bytes": 8,
    "network_transmit_errors": 10,
    "network_transmit_drops": 11,
}


def parse(text: str) -> dict[str, dict[str, float]]:
    """Counters by metric and interface."""
    counters: dict[str, dict[str, float]] = {name: {} for name in _COLUMNS}
    for line in text.splitlines():
        interface, separator, figures = line.partition(":")
        columns = figures.split()
        if separator and len(columns) > max(_COLUMNS.values()):
            for name, column in _COLUMNS.items():
                counters[name][interface.strip()] = float(columns[column])
    return counters


def read(file: Path = _FILE, devices: Path = _DEVICES) -> dict[str, dict[str, float]]:
    """The counters of the adapters now."""
    counters = parse(file.read_text(encoding="ascii", errors="replace"))
    return {
        name: {interface: value for interface, value in found.items() if _is_real(devices / interface)} for name, found in counters.items()
    }


def _is_real(device: Path) -> bool:
    return any((device / part).exists() for part in _REAL)
