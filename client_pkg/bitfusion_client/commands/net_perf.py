"""`bitfusion net_perf`: latency and bandwidth of every network to every server."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

import click

from bitfusion_client import config, log, machine, measuring, networks, output
from bitfusion_client.config import Server
from bitfusion_client.helping import Command
from bitfusion_client.measuring import Ticket
from bitfusion_client.networks import Measured
from bitfusion_client.options import json_option, server_options
from bitfusion_client.survey import survey
from bitfusion_core.errors import ManagerUnreachable

_HEAD = """Displayed results are calculated from round-trip measurements
BW(1MB) = 1000/(LAT(1MB) - LAT(1B))
"""
NOTES = """The results are remembered for a week: applications started meanwhile use the best network of their server first,
then the others."""


@click.command("net_perf", cls=Command, examples=("bitfusion net_perf", 'bitfusion net_perf -l "10.0.0.1"'), notes=NOTES)
@server_options
@json_option
def command(servers_file: str | None, server_list: str | None, as_json: bool) -> None:
    """Measure latency and bandwidth to all servers."""
    servers = config.servers(servers_file, server_list)
    tickets = survey(servers, lambda manager: measuring.parse_ticket(manager.server, manager.request("POST", "/v1/measurements", {})))
    rows = sorted(_measure_all(tickets), key=lambda row: (row.network, row.interface))
    if not rows:
        raise ManagerUnreachable(
            "no network of any server could be measured", hint="Look at the warnings above, and at 'bitfusion health'."
        )
    networks.remember(rows, time.time())
    adapters = machine.rdma_adapters()
    if as_json:
        output.as_json({"networks": [_fields(row) for row in rows], "rdma_not_measured": adapters})
    else:
        output.text("\n".join([_HEAD, *map(networks.line, rows), *map(networks.line_without_figures, adapters)]))


def _measure_all(tickets: Mapping[Server, Ticket]) -> Iterator[Measured]:
    """One after the other, so that none measures the others."""
    for server, ticket in tickets.items():
        for name, address in ticket.networks:
            row = _measure(server, ticket, name, address)
            if row is not None:
                yield row


def _measure(server: Server, ticket: Ticket, name: str, address: str) -> Measured | None:
    """A network that does not lead here is no fault: a server may have others for other clients."""
    try:
        return measuring.measure(ticket, server.host, name, address)
    except OSError as error:
        log.warn(f"No way to {name} [{address}] of server {server}: {error.strerror or error}")
        return None


def _fields(row: Measured) -> dict[str, object]:
    names = {"interface": row.interface, "server": row.server, "network": row.network, "address": row.address, "transport": "tcp"}
    return {**names, "latency_us": round(row.figures.latency_us, 1), "bandwidth_gb_s": round(row.figures.bandwidth_gb_s, 3)}
