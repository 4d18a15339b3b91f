"""Traffic of the network interfaces, as the kernel counts it in /proc/net/dev."""

from __future__ import annotations

from pathlib import Path

_FILE = Path("/proc/net/dev")
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
    """Counters by metric and interface; the loopback interface carries nobody's data."""
    counters: dict[str, dict[str, float]] = {name: {} for name in _COLUMNS}
    for line in text.splitlines():
        interface, separator, figures = line.partition(":")
        columns = figures.split()
        if separator and interface.strip() != "lo" and len(columns) > max(_COLUMNS.values()):
            for name, column in _COLUMNS.items():
                counters[name][interface.strip()] = float(columns[column])
    return counters


def read(file: Path = _FILE) -> dict[str, dict[str, float]]:
    """The counters now."""
    return parse(file.read_text(encoding="ascii", errors="replace"))
