"""The help texts: the screen of all commands, and the page of one, which begins with examples."""

from __future__ import annotations

from collections.abc import Sequence

import click

from bitfusion_client.catalogue import BY_NAME, GENERAL, GROUPS, ROWS

_SCREEN_HEAD = """NAME:
    bitfusion - Run an application on GPUs of the network

USAGE:
   bitfusion <command> <options> "application"
   bitfusion <command> <options> -- [application]
    bitfusion help [command]

   For requirements and advanced usage see the documentation in docs/

COMMANDS:
"""
_SCREEN_TAIL = """
EXAMPLES:
   $ bitfusion resource_scheduler --srs_port 50001

   $ bitfusion run -n 4 -- <application>
"""


def screen() -> str:
    """All commands that exist, by group."""
    parts = [_SCREEN_HEAD]
    for group in GROUPS:
        rows = [row for row in ROWS if row.group == group]
        if not rows:
            continue
        if group != GENERAL:
            parts.append(f"   {group}\n")
        width = max(len(row.title) for row in rows) + 2
        parts += [f"        {row.title.ljust(width)}{row.summary}\n" for row in rows]
    return "".join([*parts, _SCREEN_TAIL])


class Command(click.Command):
    """A command whose help begins with examples and lists its options as a table."""

    def __init__(self, *args: object, examples: Sequence[str] = (), takes: str = "[options]", notes: str = "", **kwargs: object) -> None:
        kwargs.setdefault("context_settings", {"help_option_names": ["-h", "--help"]})
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.examples = tuple(examples)
        self.takes = takes
        self.notes = notes

    def get_help(self, ctx: click.Context | None) -> str:
        """The page of this command."""
        lines = page_head(self, ctx, self.examples, self.takes)
        lines += ["", "OPTIONS:", *_option_lines(self)]
        return "\n".join(lines + _note_lines(self.notes))


class Group(click.Group):
    """A command that has commands of its own, with the same kind of page."""

    def __init__(self, *args: object, examples: Sequence[str] = (), notes: str = "", **kwargs: object) -> None:
        kwargs.setdefault("context_settings", {"help_option_names": ["-h", "--help"]})
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.examples = tuple(examples)
        self.notes = notes

    def get_help(self, ctx: click.Context | None) -> str:
        """The page of this command."""
        lines = page_head(self, ctx, self.examples, "<command> [options]")
        width = max(len(name) for name in self.commands) + 2
        lines += ["", "COMMANDS:", *(f"   {name.ljust(width)}{one.help}" for name, one in self.commands.items())]
        return "\n".join(lines + _note_lines(self.notes))


def page_head(command: click.Command, ctx: click.Context | None, examples: Sequence[str], takes: str) -> list[str]:
    """Name, examples and usage of a page."""
    name = command.name or ""
    row = BY_NAME.get(name) if ctx is None or ctx.parent is None or ctx.parent.parent is None else None
    path = name if ctx is None or row is not None else ctx.command_path.partition(" ")[2] or name
    title, summary = (row.title, row.summary) if row is not None else (path, (command.help or "").rstrip("."))
    lines = ["NAME:", f"    bitfusion {title} - {summary}", "", "EXAMPLES:", *(f"   $ {example}" for example in examples)]
    return [*lines, "", "USAGE:", f"   bitfusion {path} {takes}".rstrip()]


def _note_lines(notes: str) -> list[str]:
    return ["", *(f"   {line}".rstrip() for line in notes.strip().splitlines())] if notes else []


def option_rows(command: click.Command) -> list[tuple[str, str]]:
    """Names and meaning of each option."""
    rows = [_option_row(parameter) for parameter in command.params if isinstance(parameter, click.Option)]
    return [*rows, ("--help, -h", "show this page")]


def _option_lines(command: click.Command) -> list[str]:
    rows = option_rows(command)
    width = max(len(left) for left, _ in rows) + 2
    return [f"   {left.ljust(width)}{right}" for left, right in rows]


def _option_row(option: click.Option) -> tuple[str, str]:
    names = sorted(option.opts, key=len, reverse=True)
    value = "" if option.is_flag else f" {option.metavar or 'value'}"
    return ", ".join(f"{name}{value}" for name in names), option.help or ""
