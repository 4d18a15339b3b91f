"""`bitfusion help [command]`."""

from __future__ import annotations

from typing import cast

import click

from bitfusion_client import helping, output


@click.command("help", cls=helping.Command, examples=("bitfusion help", "bitfusion help run"), takes="[command]")
@click.argument("names", nargs=-1)
@click.pass_context
def command(ctx: click.Context, names: tuple[str, ...]) -> None:
    """List the commands, or explain one."""
    if not names:
        output.text(helping.screen().rstrip("\n"))
        return
    context = ctx.find_root()
    for name in names:
        if not isinstance(context.command, click.Group):
            break
        found, command, _ = context.command.resolve_command(context, [name])
        context = click.Context(cast(click.Command, command), info_name=found, parent=context)
    output.text(context.command.get_help(context))
