"""`bitfusion license`: there is nothing to activate."""

from __future__ import annotations

import click

from bitfusion_client import output
from bitfusion_client.helping import Command
from bitfusion_client.options import json_option

LICENCE = "Apache-2.0"


@click.command("license", cls=Command, examples=("bitfusion license",))
@json_option
def command(as_json: bool) -> None:
    """Show the licence."""
    if as_json:
        output.as_json({"licence": LICENCE, "needs_activation": False, "expires": None})
    else:
        output.text(f"Licence: {LICENCE}. Nothing has to be bought, activated or renewed; there is nothing to do.")
