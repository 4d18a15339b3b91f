"""`bitfusion smi`: the GPUs of all servers in the manner of nvidia-smi."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import click

from bitfusion_client import config, output
from bitfusion_client.config import Server
from bitfusion_client.helping import Command
from bitfusion_client.http import Manager
from bitfusion_client.options import json_option, server_options
from bitfusion_client.output import cell, split_row
from bitfusion_client.survey import survey
from bitfusion_core.errors import ManagerUnreachable

# Inner widths of the three columns, and of the box that spans them.
_COLUMNS = (36, 23, 21)
_WIDTH = sum(_COLUMNS) + 2 * len(_COLUMNS) + len(_COLUMNS) - 1
_EDGE = "+" + "-" * _WIDTH + "+"
_RULE = "+" + "+".join("-" * (width + 2) for width in _COLUMNS) + "+"
_HEAD_RULE = "|" + "+".join("=" * (width + 2) for width in _COLUMNS) + "|"
_HEAD = (
    "| GPU  Name              Persistence-M | Virt Mem    Alloc / All | BusId  Vol Uncorr ECC |",
    "| Fan  Temp  Perf        Pwr:Usage/Cap | Phy Mem     Used  / All | GPU-Util   Compute M. |",
)
_READINGS = (
    ("index", int), ("name", str), ("pci_bus_id", str), ("memory_mib", int), ("used_mib", int), ("allocated_mib", int), ("ecc_uncorrected", int),
    ("persistence_mode", bool), ("fan_percent", int), ("temperature_c", int), ("pstate", int), ("power_w", float), ("power_limit_w", float),
    ("utilization_percent", int), ("compute_mode", str),
)  # fmt: skip


@click.command("smi", cls=Command, examples=("bitfusion smi", "bitfusion smi --json"))
@server_options
@json_option
def command(servers_file: str | None, server_list: str | None, as_json: bool) -> None:
    """Show the GPUs of all servers in the manner of nvidia-smi."""
    reports = survey(config.servers(servers_file, server_list), _ask)
    if as_json:
        output.as_json({"servers": [{"address": str(server), **report} for server, report in reports.items()]})
    else:
        output.text("\n".join(render(reports)))


def _ask(manager: Manager) -> dict[str, Any]:
    answer = manager.request("GET", "/v1/gpus")
    try:
        return {"driver_version": str(answer["driver_version"]), "gpus": [_readings(gpu) for gpu in answer["gpus"]]}
    except (KeyError, TypeError, ValueError) as error:
        raise ManagerUnreachable(f"{manager.server} does not answer as a server should: {error!r}") from None


def _readings(gpu: Mapping[str, Any]) -> dict[str, Any]:
    """The sensors of one GPU; those that it lacks are None."""
    return {name: None if gpu.get(name) is None else kind(gpu[name]) for name, kind in _READINGS}


def render(reports: Mapping[Server, Mapping[str, Any]]) -> Iterable[str]:
    """The lines of the table, a box for each server."""
    for server, report in reports.items():
        yield _EDGE
        if not report["gpus"]:
            yield f"| {str(server).ljust(_WIDTH - 2)} |"
            yield _EDGE
            continue
        yield f"| {split_row(str(server), 'Driver Version: ' + report['driver_version'], _WIDTH - 2)} |"
        yield _RULE
        yield from _HEAD
        yield _HEAD_RULE
        for gpu in report["gpus"]:
            yield _row(_first_cells(gpu))
            yield _row(_second_cells(gpu))
            yield _RULE


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(text.ljust(width)[:width] for text, width in zip(cells, _COLUMNS)) + " |"


def _first_cells(gpu: Mapping[str, Any]) -> list[str]:
    persistence = {True: "Enabled", False: "Disabled", None: "N/A"}[gpu["persistence_mode"]]
    return [
        split_row(f"{cell(gpu['index']):<4} {gpu['name']}", persistence, _COLUMNS[0]),
        _memory(gpu["allocated_mib"], gpu["memory_mib"]),
        split_row(cell(gpu["pci_bus_id"]), cell(gpu["ecc_uncorrected"]), _COLUMNS[2]),
    ]


def _second_cells(gpu: Mapping[str, Any]) -> list[str]:
    pstate = cell(gpu["pstate"]) if gpu["pstate"] is None else f"P{gpu['pstate']}"
    sensors = f"{cell(gpu['fan_percent'], ' %'):<5}{cell(gpu['temperature_c'], 'C'):>4} {pstate:>3}"
    return [
        split_row(sensors, f"{_watts(gpu['power_w'])} / {_watts(gpu['power_limit_w']):>4}", _COLUMNS[0]),
        _memory(gpu["used_mib"], gpu["memory_mib"]),
        split_row(f"{cell(gpu['utilization_percent'], '%'):>4}", cell(gpu["compute_mode"]), _COLUMNS[2]),
    ]


def _watts(value: float | None) -> str:
    return cell(None if value is None else round(value), "W")


def _memory(part: int | None, total: int | None) -> str:
    return f"{cell(part):<8}MB / {cell(total):<8}MB"
