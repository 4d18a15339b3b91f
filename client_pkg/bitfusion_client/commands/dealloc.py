"""`bitfusion dealloc`: there is no licence certificate to give back."""

from __future__ import annotations

import click

from bitfusion_client import output
from bitfusion_client.handover import require_root
from bitfusion_client.helping import Command


@click.command("dealloc", cls=Command, examples=("sudo bitfusion dealloc",))
def command() -> None:
    """Give a licence back."""
    require_root("dealloc")
    output.text("No licence certificate is allocated: this product needs none. There is nothing to do.")
