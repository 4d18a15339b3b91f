"""`bitfusion crashreport`: nothing is sent to anybody."""

from __future__ import annotations

import click

from bitfusion_client import output
from bitfusion_client.helping import Command


@click.command("crashreport", cls=Command, examples=("bitfusion crashreport",))
def command() -> None:
    """Send a crash report."""
    output.text(
        "No crash reports are sent anywhere; there is nothing to do. To report a fault, add the output of 'bitfusion --debug …'\n"
        "and 'bitfusion health --json', and the server's support bundle (sudo bitfusion-supportbundle.sh)."
    )
