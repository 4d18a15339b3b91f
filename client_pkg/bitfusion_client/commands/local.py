"""`bitfusion local`: run a CUDA application on this machine's own GPUs, with its own driver."""

from __future__ import annotations

import os
import subprocess

import click

from bitfusion_client import application
from bitfusion_client.errors import CannotExecute, LibrariesMissing
from bitfusion_client.helping import Command

EXAMPLES = ("bitfusion local -- python train.py", "bitfusion local nvidia-smi")
NOTES = """The application gets this machine's NVIDIA driver instead of the product's library, also inside
'bitfusion run'. Exit codes: the application's own; 125, 126, 127 and 128+N as with 'run'."""


@click.command(
    "local",
    cls=Command,
    examples=EXAMPLES,
    takes="-- application and arguments",
    notes=NOTES,
    context_settings={"allow_interspersed_args": False, "help_option_names": ["-h", "--help"]},
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def command(words: tuple[str, ...]) -> int:
    """Run a CUDA application on this machine's own GPUs."""
    target = application.find(words)
    variables = application.local_environment()
    if not _has_driver(variables.get("LD_LIBRARY_PATH", "")):
        raise LibrariesMissing(
            f"this machine has no NVIDIA driver (no {application.LIBRARY})",
            hint="Install the driver, or use GPUs of the network: bitfusion run -n 1 -- application",
        )
    try:
        os.execve(target.program, target.arguments, variables)  # noqa: S606 - the user's own program
    except OSError as error:
        raise CannotExecute(f"'{target.arguments[0]}': {(error.strerror or str(error)).lower()}") from None


def _has_driver(library_path: str) -> bool:
    """Whether the loader would find a driver: on the library path, or in its cache."""
    if any(os.path.exists(os.path.join(folder, application.LIBRARY)) for folder in library_path.split(":") if folder):
        return True
    try:
        cache = subprocess.run(["/sbin/ldconfig", "-p"], check=False, capture_output=True, text=True).stdout
    except OSError:
        return False
    return application.LIBRARY in cache
