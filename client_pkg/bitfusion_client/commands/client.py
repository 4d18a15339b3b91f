"""`bitfusion client`: run an application on GPUs that request_gpus has reserved."""

from __future__ import annotations

import click

from bitfusion_client import allocation, application, launcher
from bitfusion_client.errors import NoAllocation
from bitfusion_client.helping import Command

EXAMPLES = ("bitfusion client nvidia-smi", "bitfusion client -- python train.py --batch 64")
NOTES = """Without -f and BITFUSION_ALLOCATION it takes your newest reservation.

Exit codes: the application's own; 125 failed before the application started;
126 it cannot be executed; 127 not found; 128+N ended by signal N."""


@click.command(
    "client",
    cls=Command,
    examples=EXAMPLES,
    takes="[options] -- application and arguments",
    notes=NOTES,
    context_settings={"allow_interspersed_args": False, "help_option_names": ["-h", "--help"]},
)
@click.option("-f", "--file", "file", metavar="file", help="use this allocation file")
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def command(file: str | None, words: tuple[str, ...]) -> int:
    """Run an application on GPUs reserved by request_gpus."""
    target = application.find(words)
    libraries = application.library_directory()
    chosen = allocation.chosen(file)
    if chosen is None:
        reserved = allocation.reserved()
        if not reserved:
            raise NoAllocation(f"no GPUs are reserved: there is no allocation file of yours in {allocation.directory()}")
        chosen = reserved[0]
    return launcher.launch(target, libraries, chosen.path)
