"""`bitfusion request_gpus`: reserve GPUs that outlive this command."""

from __future__ import annotations

import shlex
from typing import Any

import click

from bitfusion_client import config, output, preferences
from bitfusion_client.helping import Command
from bitfusion_client.options import filter_notes, lease_request, request_options
from bitfusion_client.session import keep_session, open_session
from bitfusion_core.models import HOLD_LEASE

EXAMPLES = ("bitfusion request_gpus -n 1 -m 5461", 'eval "$(bitfusion request_gpus -n 2 --export)"')
NOTES = f"""The GPUs are yours until 'bitfusion release_gpus', or until no application has used them for
srs.auto_release_timeout (bitfusion.yaml). Applications find them through the allocation
file: 'bitfusion client' takes your newest one, or the one that BITFUSION_ALLOCATION or -f names.

{filter_notes()}"""


@click.command("request_gpus", cls=Command, examples=EXAMPLES, takes="-n number [options]", notes=NOTES)
@request_options
@click.option("--export", is_flag=True, help="print the environment variables for other tools as 'export' lines")
def command(export: bool, **given: Any) -> None:
    """Reserve GPUs for several applications."""
    wanted = preferences.in_use()
    request = lease_request(HOLD_LEASE, given, auto_release_s=float(wanted["srs.auto_release_timeout"].value))
    session = open_session(request, config.servers(given["servers_file"], given["server_list"]))
    keep_session(session)
    if export:
        output.text(f"export BITFUSION_ALLOCATION={shlex.quote(str(session.file))}")
