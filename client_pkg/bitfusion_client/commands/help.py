"""`bitfusion help [command]`."""

from __future__ import annotations

from typing import cast

import click

from bitfusion_client import helping, output


@click.command("help", cls=helping.Command, examples=("bitfusion help", "bitfusion help run"), takes="[command]")
@click.argument("name", required=False)
@click.pass_context
def command(ctx: click.Context, name: str | None) -> None:
    """List the commands, or explain one."""
    if name is None:
        output.text(helping.screen().rstrip("\n"))
        return
    group = cast(click.Group, ctx.find_root().command)
    found = cast(click.Command, group.resolve_command(ctx, [name])[1])
    output.text(found.get_help(ctx))
