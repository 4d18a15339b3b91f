"""The ways to a server: how fast each is, and which is best. `net_perf` shows it; the engine is given the networks best first."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bitfusion_client import config, state

_FILE = "networks.json"
_REMEMBERED_S = 7 * 24 * 3600
# The engine takes eight from an allocation file; a server has four networks at most.
_MOST = 4


class Figures(NamedTuple):
    """One network: microseconds of a single packet one way, GB/s of 1 MB."""

    latency_us: float
    bandwidth_gb_s: float


class Measured(NamedTuple):
    """A way from an interface of this client to a network of a server. The last two are of RDMA writes."""

    interface: str
    server: str
    network: str
    address: str
    figures: Figures
    write: Figures | None = None


def figures(small_us: float, large_us: float) -> Figures:
    """BW(1MB) = 1000/(LAT(1MB) - LAT(1B))."""
    return Figures(small_us, 1000 / max(large_us - small_us, 1e-3))


def best_first(remembered: Sequence[tuple[str, Figures]]) -> list[str]:
    """Addresses by the time that 1 MB takes."""
    return [address for address, known in sorted(remembered, key=lambda row: row[1].latency_us + 1000 / max(row[1].bandwidth_gb_s, 1e-9))]


def line(row: Measured) -> str:
    """A row as net_perf prints it."""
    kind = " tcp" if row.write is None else "infiniband"
    text = f"[ <client>] {row.interface} => [{row.server}] {row.network} ({kind}) Single packet lat = {row.figures.latency_us:.0f} us, "
    text += f"bw(1MB) = {row.figures.bandwidth_gb_s:.2f} GB/s"
    if row.write is not None:
        text += f" Single packet Write lat = {row.write.latency_us:.0f} us, bw = {row.write.bandwidth_gb_s:g} GB/s"
    return text


def line_without_figures(device: str) -> str:
    """The row of an RDMA adapter, in the same columns: there is nothing to measure it with."""
    return f"[ <client>] {device} (infiniband) not measured: this release moves data over TCP only"


def remember(rows: Sequence[Measured], now: float) -> None:
    """Keep the results for the commands that start applications."""
    by_server: dict[str, dict[str, Any]] = {}
    for row in rows:
        known = by_server.setdefault(row.server, {"at": now, "networks": []})
        known["networks"].append([row.address, *row.figures])
    state.write(_FILE, json.dumps({**_remembered(), **by_server}))


def addresses(given: str, now: float) -> list[str]:
    """The data addresses of a server known as `given`, best first; just that one as long as net_perf has not measured it."""
    known = _remembered().get(given)
    try:
        if known is None or not 0 <= now - float(known["at"]) < _REMEMBERED_S:
            return [given]
        ranked = best_first([(str(address), Figures(float(lat), float(bw))) for address, lat, bw in known["networks"]])
    except (KeyError, TypeError, ValueError):
        return [given]
    sound = [address for address in ranked if config.is_ipv4(address)][: _MOST - 1]
    return [*sound, *([] if given in sound else [given])]


def _remembered() -> Mapping[str, Any]:
    try:
        document = json.loads(state.read(_FILE) or "{}")
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
