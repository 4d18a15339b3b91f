"""`bitfusion token`: the client's own token here; everything else about tokens is done on a server."""

from __future__ import annotations

import difflib
from pathlib import Path

import click

from bitfusion_client import config, enabling, handover, helping, identity, output
from bitfusion_client.errors import InvalidConfiguration, UsageError
from bitfusion_client.options import json_option

EXAMPLES = ("bitfusion token install 6ZSAEVT.tar", "bitfusion token fetch", "bitfusion token show", "sudo bitfusion token list")
NOTES = "Further commands (list, create, download, …) are carried out by the server package, in a terminal of a server."


class TokenGroup(helping.Group):
    """Hands over what is not its own, but not a slip of the pen."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """One of our commands, or none of ours."""
        if args[0] not in self.commands and not args[0].startswith("-"):
            close = difflib.get_close_matches(args[0], list(self.commands), n=1, cutoff=0.8)
            if close:
                raise UsageError(f"unknown command 'token {args[0]}'. Did you mean '{close[0]}'?", hint="See 'bitfusion help token'.")
            handover.run("token", tuple(args))
        return super().resolve_command(ctx, args)


@click.group("token", cls=TokenGroup, examples=EXAMPLES, notes=NOTES)
def command() -> None:
    """Enable this client with a token; manage tokens on a server."""


system_option = click.option("--system", is_flag=True, help=f"write to {config.SYSTEM_DIRECTORY}, for all users (as root)")


@command.command("install", cls=helping.Command, examples=("bitfusion token install 6ZSAEVT.tar",), takes="file or folder")
@click.argument("source", type=click.Path(path_type=Path))
@system_option
def install(source: Path, system: bool) -> None:
    """Enable this client with a downloaded token (.tar), or a folder with its files."""
    if source.is_dir():
        given = enabling.from_folder(source)
    else:
        try:
            with open(source, "rb") as file:
                given = enabling.from_archive(file.read(enabling.MAX_BYTES))
        except OSError as error:
            raise InvalidConfiguration(f"cannot read {source}: {error.strerror}") from None
    _install(given, system)


@command.command("fetch", cls=helping.Command, examples=("bitfusion token fetch",))
@system_option
def fetch(system: bool) -> None:
    """Enable this client with the token that vCenter has given to its virtual machine."""
    _install(enabling.require(enabling.from_guestinfo()), system)


def _install(given: enabling.TokenFiles, system: bool) -> None:
    if system:
        handover.require_root("token --system")
    folder = config.SYSTEM_DIRECTORY if system else config.home()
    enabling.install(given, folder)
    servers = config.parse_servers(given.servers_conf)
    output.text(f"This client is enabled for {', '.join(map(str, servers))}; see {folder}.")


@command.command("show", cls=helping.Command, examples=("bitfusion token show",))
@json_option
def show(as_json: bool) -> None:
    """Show whose token this client has, never the token itself."""
    known = identity.load()
    fields = {"assign_id": known.assign_id, "client_id": known.client_id, "file": str(known.path), "ca_file": str(known.ca_file)}
    if as_json:
        output.as_json(fields)
    else:
        output.text("\n".join(f"{name.replace('_', ' ')}: {value or 'none'}" for name, value in fields.items()))
