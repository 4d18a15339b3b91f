"""The `bitfusion` command: finds the command's file, runs it, and turns every failure into a message and an exit code."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click

from bitfusion_client import cancelling, handover, helping, log, membership, output
from bitfusion_client.catalogue import BY_NAME, ROWS, Row
from bitfusion_client.errors import NotConfigured, UsageError, exit_code
from bitfusion_client.release import TEXT
from bitfusion_core.errors import BitfusionError


class CommandLine(click.Group):
    """Commands are imported when they are used: starting `bitfusion` costs no more than the one command needs."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click passes it
        """The commands of this release."""
        return [row.name for row in ROWS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click passes it
        """The command of this name or alias."""
        row = BY_NAME.get(cmd_name)
        if row is None:
            return None
        if row.server:
            return handover.command(row)
        command: click.Command = import_module(f"bitfusion_client.commands.{row.name}").command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the first word names; note it for the exit code."""
        row = BY_NAME.get(args[0])
        if row is None:
            raise UsageError(f"unknown command '{args[0]}'.{_suggestion(args[0])}", hint="'bitfusion help' lists the commands.")
        ctx.ensure_object(dict)["row"] = row
        membership.check(row.name)
        return super().resolve_command(ctx, [row.name, *args[1:]])

    def get_help(self, ctx: click.Context) -> str:  # noqa: ARG002 - click passes it
        """The screen of all commands."""
        return helping.screen().rstrip("\n")


def _suggestion(word: str) -> str:
    import difflib

    close = difflib.get_close_matches(word, list(BY_NAME), n=1)
    return f" Did you mean '{close[0]}'?" if close else ""


def _print_version(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        output.text(TEXT)
        ctx.exit()


@click.group(
    cls=CommandLine,
    invoke_without_command=True,
    # `--num-gpus` is as good as `--num_gpus`.
    context_settings={"help_option_names": ["-h", "--help"], "token_normalize_func": lambda token: token.replace("-", "_")},
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="print the version")
@click.option("--debug", is_flag=True, help="print the traceback of a failure")
@click.pass_context
def cli(ctx: click.Context, debug: bool) -> None:
    """Run applications on GPUs of the network."""
    ctx.ensure_object(dict)["debug"] = debug
    if ctx.invoked_subcommand is None:
        output.text(ctx.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    invocation: dict[str, Any] = {}
    try:
        cancelling.enable()
        return _run(arguments, invocation)
    except click.UsageError as error:
        return _report(_usage_error(error), invocation)
    except BitfusionError as error:
        return _report(error, invocation)
    except Exception as error:  # noqa: BLE001 - a defect of ours still ends with a message and a code
        return _report(
            BitfusionError(f"{type(error).__name__}: {error}", hint="Run 'bitfusion --debug …' and report the output."), invocation
        )


def _run(arguments: Sequence[str] | None, invocation: dict[str, Any]) -> int:
    """Run the command; a client that is not enabled asks the host of its virtual machine for a token, once."""
    try:
        return _invoke(arguments, invocation)
    except NotConfigured:
        from bitfusion_client import enabling

        if invocation.get("row", {}) == BY_NAME["token"] or not enabling.wanted() or not enabling.enable_by_guestinfo():
            raise
    return _invoke(arguments, invocation)


def _invoke(arguments: Sequence[str] | None, invocation: dict[str, Any]) -> int:
    result = cli.main(args=None if arguments is None else list(arguments), prog_name="bitfusion", standalone_mode=False, obj=invocation)
    return result if isinstance(result, int) else 0


def _usage_error(error: click.UsageError) -> UsageError:
    command = error.ctx.command.name if error.ctx is not None and error.ctx.parent is not None else None
    page = f"'bitfusion help {command}'" if command else "'bitfusion help'"
    return UsageError(error.format_message(), hint=f"{page} shows what is possible.")


def _report(error: BitfusionError, invocation: dict[str, Any]) -> int:
    """What failed, why, and what to do, on standard error; with --json as JSON."""
    row: Row | None = invocation.get("row")
    code = exit_code(error, launches=row is not None and row.launches)
    if invocation.get("debug"):
        import traceback

        traceback.print_exc()
    if invocation.get("json"):
        fields = {"code": error.code, "title": error.title, "detail": error.detail, "hint": error.advice, "exit_code": code}
        log.plain(output.error_json(fields))
        return code
    log.plain(f"Error: {error.detail}")
    if error.advice:
        log.plain(error.advice)
    log.plain(f"({error.code}, exit code {code})")
    return code
