"""`bitfusion health`: the checks of all servers and of this machine."""

from __future__ import annotations

import click

from bitfusion_client import checks, config, diagnosis, health_report, lease, output
from bitfusion_client.helping import Command
from bitfusion_client.options import json_option, server_options
from bitfusion_core.errors import Unhealthy

NOTES = "The exit code is 14 when a check is critical. 'network' compares with the check before."


@click.command("health", cls=Command, examples=("bitfusion health", 'bitfusion H -l "10.0.0.1;10.0.0.2:56003"'), notes=NOTES)
@server_options
@json_option
def command(servers_file: str | None, server_list: str | None, as_json: bool) -> int:
    """Check the health of all servers and of this machine."""
    servers = config.servers(servers_file, server_list)
    client = diagnosis.this_machine(diagnosis.ask_offers(servers), diagnosis.ask_mtus(servers))
    reports = diagnosis.ask_servers(servers)
    if as_json:
        rows = [{"address": str(server), **health_report.fields(results)} for server, results in reports.items()]
        output.as_json({"client": {"hostname": lease.host_name(), **health_report.fields(client)}, "servers": rows})
    else:
        shown = [*health_report.lines(f"client [{lease.host_name()}]", client)]
        for number, (server, results) in enumerate(reports.items()):
            shown += health_report.lines(f"server {number} [{server}]", results)
        output.text("\n".join(shown))
    worst = checks.overall([*client, *(one for results in reports.values() for one in results)])
    return Unhealthy.exit_code if worst == checks.CRITICAL else 0
