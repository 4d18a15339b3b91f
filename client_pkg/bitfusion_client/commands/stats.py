"""`bitfusion stats`: what every server measures, now and over a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional

import click

from bitfusion_client import config, output
from bitfusion_client.config import Server
from bitfusion_client.helping import Command
from bitfusion_client.http import Manager
from bitfusion_client.options import json_option, server_options
from bitfusion_client.output import cell
from bitfusion_client.survey import survey
from bitfusion_core.errors import ManagerUnreachable
from bitfusion_core.metrics import WINDOWS

# What is shown for a server, for each of its GPUs, and for each of its network interfaces, in this order.
_SERVER_ROWS = (
    ("server_gpus", "GPUs"),
    ("server_gpus_allocated", "GPUs allocated"),
    ("server_leases", "applications"),
    ("server_waiting_requests", "requests waiting"),
)
_GPU_ROWS = (
    ("gpu_memory_total_bytes", "memory"),
    ("gpu_memory_allocated_bytes", "memory allocated"),
    ("gpu_memory_used_bytes", "memory used"),
    ("gpu_utilization_ratio", "utilization"),
    ("gpu_leases", "partitions"),
    ("gpu_temperature_celsius", "temperature"),
    ("gpu_power_watts", "power"),
    ("gpu_ecc_uncorrected_errors", "memory errors"),
)
_INTERFACE_ROWS = (
    ("network_receive_bytes", "received"),
    ("network_transmit_bytes", "sent"),
    ("network_receive_errors", "receive errors"),
    ("network_transmit_errors", "send errors"),
    ("network_receive_drops", "receive drops"),
    ("network_transmit_drops", "send drops"),
)
_WIDTHS = (28, 14, 14, 14)
_BINARY = ("B", "KiB", "MiB", "GiB", "TiB")

Values = tuple[Optional[float], Optional[float], Optional[float]]


@dataclass(frozen=True)
class Stats:
    """A server's answer. `figures[name][instance]` are now, mean and maximum."""

    hostname: str
    window: str
    gpus: tuple[tuple[int, str, str], ...]
    figures: Mapping[str, Mapping[str, Values]]
    units: Mapping[str, str]
    raw: Mapping[str, Any]


def _window(function: Any) -> Any:
    names = [window.name for window in WINDOWS]
    return click.option(
        "--window", type=click.Choice(names), default="1h", metavar="time", help=f"how far back: {', '.join(names)} (default 1h)"
    )(function)


@click.command("stats", cls=Command, examples=("bitfusion stats", "bitfusion stats --window 24h", "bitfusion stats --json"))
@server_options
@_window
@json_option
def command(servers_file: str | None, server_list: str | None, window: str, as_json: bool) -> None:
    """Show statistics of all servers, now and over a time."""
    answers = survey(config.servers(servers_file, server_list), lambda manager: _ask(manager, window))
    if as_json:
        output.as_json({"servers": [{"address": str(server), **stats.raw} for server, stats in answers.items()]})
    else:
        output.text("\n".join(render(answers)))


def _ask(manager: Manager, window: str) -> Stats:
    answer = manager.request("GET", f"/v1/stats?window={window}")
    try:
        return parse(answer)
    except (KeyError, TypeError, ValueError) as error:
        raise ManagerUnreachable(f"{manager.server} does not answer as a server should: {error!r}") from None


def parse(answer: Mapping[str, Any]) -> Stats:
    """The answer of a server as values."""
    figures: dict[str, dict[str, Values]] = {}
    for figure in answer["figures"]:
        values = (_number(figure["now"]), _number(figure["mean"]), _number(figure["max"]))
        figures.setdefault(str(figure["name"]), {})[str(figure["instance"])] = values
    units = {str(figure["name"]): str(figure["unit"]) for figure in answer["figures"]}
    gpus = tuple((int(gpu["index"]), str(gpu["uuid"]), str(gpu["name"])) for gpu in answer["gpus"])
    return Stats(str(answer["hostname"]), str(answer["window"]), gpus, figures, units, answer)


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def render(answers: Mapping[Server, Stats]) -> Iterable[str]:
    """The lines of the report, a table for each server."""
    for number, (server, stats) in enumerate(answers.items()):
        if number:
            yield ""
        yield f"server {number} [{server}] {stats.hostname}"
        yield _line("", "now", f"mean {stats.window}", f"max {stats.window}")
        yield from _rows(stats, _SERVER_ROWS, "", "  ")
        for index, uuid, name in stats.gpus:
            yield f"  GPU {index}: {name}"
            yield from _rows(stats, _GPU_ROWS, uuid, "    ")
        for interface in sorted(stats.figures.get("network_receive_bytes", {})):
            yield f"  network {interface}"
            yield from _rows(stats, _INTERFACE_ROWS, interface, "    ")


def _rows(stats: Stats, rows: Sequence[tuple[str, str]], instance: str, indent: str) -> Iterable[str]:
    for name, label in rows:
        values = stats.figures.get(name, {}).get(instance)
        if values is not None:
            yield _line(indent + label, *(amount(value, stats.units[name]) for value in values))


def _line(label: str, *cells: str) -> str:
    return (label.ljust(_WIDTHS[0]) + "".join(text.rjust(width) for text, width in zip(cells, _WIDTHS[1:]))).rstrip()


def amount(value: float | None, unit: str) -> str:
    """A figure as people read it: `8.0 GiB`, `50 %`, `1.5`."""
    if value is None:
        return cell(None)
    per = "/s" if unit.endswith("/s") else ""
    if unit.startswith("bytes"):
        return _bytes(value) + per
    if unit == "ratio":
        return f"{value * 100:.0f} %"
    sign = {"celsius": " C", "watts": " W"}.get(unit, per)
    return f"{value:.1f}".rstrip("0").rstrip(".") + sign


def _bytes(value: float) -> str:
    power = 0
    while value >= 1024 and power < len(_BINARY) - 1:
        value, power = value / 1024, power + 1
    return f"{value:.0f} {_BINARY[power]}" if power == 0 else f"{value:.1f} {_BINARY[power]}"
