"""`bitfusion version`."""

from __future__ import annotations

import click

from bitfusion_client import output
from bitfusion_client.helping import Command
from bitfusion_client.options import json_option
from bitfusion_client.release import TEXT
from bitfusion_core import __version__


@click.command("version", cls=Command, examples=("bitfusion version",))
@json_option
def command(as_json: bool) -> None:
    """Print the version."""
    if as_json:
        output.as_json({"bitfusion_version": __version__})
    else:
        output.text(TEXT)
