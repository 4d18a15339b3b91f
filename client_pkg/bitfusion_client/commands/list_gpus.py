"""`bitfusion list_gpus`: the free memory of every GPU."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import click

from bitfusion_client import config, output
from bitfusion_client.config import Server
from bitfusion_client.helping import Command
from bitfusion_client.inventory import Offer, parse_offer, warn_of_other_versions
from bitfusion_client.options import json_option, server_options
from bitfusion_client.survey import survey


@click.command("list_gpus", cls=Command, examples=("bitfusion list_gpus", 'bitfusion list_gpus -l "10.0.0.1;10.0.0.2:56003"'))
@server_options
@json_option
def command(servers_file: str | None, server_list: str | None, as_json: bool) -> None:
    """List the GPUs of all servers and their free memory."""
    servers = config.servers(servers_file, server_list)
    offers = survey(servers, lambda manager: parse_offer(manager.server, manager.request("GET", "/query")))
    warn_of_other_versions(offers.values())
    if as_json:
        output.as_json({"servers": [_fields(number, offer) for number, offer in enumerate(offers.values())]})
    else:
        output.text("\n".join(render(offers)))


def render(offers: dict[Server, Offer]) -> Iterable[str]:
    """The lines of the list."""
    for number, (server, offer) in enumerate(offers.items()):
        yield f"- server {number} [{server}]: running {offer.tasks} tasks"
        for gpu in offer.gpus:
            yield f"|- GPU {gpu.gpu.index}: free memory {gpu.free_mib} MiB / {gpu.gpu.memory_mib} MiB"


def _fields(number: int, offer: Offer) -> dict[str, Any]:
    gpus = [{**asdict(one.gpu), "free_mib": one.free_mib, "leases": one.leases} for one in offer.gpus]
    return {"number": number, "address": str(offer.server), "tasks": offer.tasks, "accepting": offer.accepting, "gpus": gpus}
