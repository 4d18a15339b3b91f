"""`bitfusion localhealth`: the checks of this machine."""

from __future__ import annotations

import click

from bitfusion_client import checks, config, diagnosis, health_report, lease, output
from bitfusion_client.helping import Command
from bitfusion_client.options import json_option, server_options
from bitfusion_core.errors import BitfusionError, Unhealthy

NOTES = "The exit code is 14 when a check is critical. 'network' compares with the check before."


@click.command("localhealth", cls=Command, examples=("bitfusion localhealth", "bitfusion LH --json"), notes=NOTES)
@server_options
@json_option
def command(servers_file: str | None, server_list: str | None, as_json: bool) -> int:
    """Check the health of this machine only."""
    try:
        offers: diagnosis.Offers | BitfusionError = diagnosis.ask_offers(config.servers(servers_file, server_list))
    except BitfusionError as error:
        offers = error
    results = diagnosis.this_machine(offers)
    if as_json:
        output.as_json({"client": {"hostname": lease.host_name(), **health_report.fields(results)}})
    else:
        output.text("\n".join(health_report.lines(f"client [{lease.host_name()}]", results)))
    return Unhealthy.exit_code if checks.overall(results) == checks.CRITICAL else 0
