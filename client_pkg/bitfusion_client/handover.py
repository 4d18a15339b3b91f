"""Commands that the server package carries out: they are handed over, as they were given, to its program.

The contract is one command line, `bitfusion-server NAME ARGUMENT...`, whose exit code is ours.
"""

from __future__ import annotations

import os
from pathlib import Path

import click

from bitfusion_client import config, helping
from bitfusion_client.catalogue import Row
from bitfusion_client.errors import CannotStart, NoCluster, NotAServer, NotRoot, NoVcenter
from bitfusion_core.errors import BitfusionError

INSTALLED_PROGRAM = Path("/usr/lib/bitfusion/server/bitfusion-server")

_EXAMPLES = {
    "tls-certs": ("sudo bitfusion tls-certs show", "sudo bitfusion tls-certs renew"),
    "initdb": ("sudo bitfusion initdb",),
    "token": ("sudo bitfusion token list",),
    "register": ("sudo bitfusion register",),
    "unregister": ("sudo bitfusion unregister",),
    "removenode": ("sudo bitfusion removenode",),
    "user": ("sudo bitfusion user list",),
    "server": ("bitfusion server --help",),
    "resource_scheduler": ("bitfusion resource_scheduler --srs_port 50001", "bitfusion srs -n 2 -l 10.0.0.1 -s 56003"),
    "analytics": ("bitfusion analytics --help",),
    "manager": ("bitfusion manager --help",),
}
_NOTES = "It is carried out by the server package; on a server, --help lists its options."
# What is missing where there is no server package: vCenter, a cluster, or just the server.
_ABSENT: dict[str, type[BitfusionError]] = {"register": NoVcenter, "unregister": NoVcenter, "removenode": NoCluster}


class Command(click.Command):
    """Passes everything behind its name on."""

    def get_help(self, ctx: click.Context) -> str:
        """What can be said without the server package."""
        lines = helping.page_head(self, ctx, _EXAMPLES[str(self.name)], "[arguments]")
        return "\n".join([*lines, "", f"   {_NOTES}"])


def command(row: Row) -> click.Command:
    """The command of this row."""

    def pass_on(arguments: tuple[str, ...]) -> None:
        found = program()
        if found is None and set(arguments) & {"-h", "--help"}:
            click.echo(click.get_current_context().get_help())
            return
        if row.root:
            require_root(row.name)
        run(row.name, arguments)

    words = click.Argument(["arguments"], nargs=-1, type=click.UNPROCESSED)
    settings = {"ignore_unknown_options": True, "allow_interspersed_args": False}
    return Command(row.name, callback=pass_on, params=[words], help=row.summary, add_help_option=False, context_settings=settings)


def run(name: str, arguments: tuple[str, ...]) -> None:
    """Become the server's program; does not return."""
    found = program()
    if found is None:
        raise absent(name)(f"'bitfusion {name}': the server package is not installed on this machine")
    try:
        os.execv(found, [str(found), name, *arguments])  # noqa: S606 - a program of ours
    except OSError as error:
        raise CannotStart(f"cannot start {found}: {error.strerror}", hint="Install the server package again.") from None


def absent(name: str) -> type[BitfusionError]:
    """What is missing for this command where there is no server package."""
    return _ABSENT.get(name, NotAServer)


def program() -> Path | None:
    """The server's program: of the source checkout that we run from, else the installed one."""
    checkout = config.checkout()
    path = INSTALLED_PROGRAM if checkout is None else checkout / "build" / "bin" / "bitfusion-server"
    return path if os.access(path, os.X_OK) else None


def require_root(name: str) -> None:
    """Refuse anybody else."""
    if os.geteuid() != 0:
        raise NotRoot(f"'bitfusion {name}' needs the rights of root")
