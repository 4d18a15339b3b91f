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
   $ bitfusion run -n 1 -- python train.py

   $ bitfusion list_gpus
"""


def screen() -> str:
    """All commands that exist, by group."""
    parts = [_SCREEN_HEAD]
    for group in GROUPS:
        rows = [row for row in ROWS if row.group == group and row.built]
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

    def get_help(self, ctx: click.Context | None) -> str:  # noqa: ARG002 - click passes it
        """The page of this command."""
        name = self.name or ""
        row = BY_NAME[name]
        lines = ["NAME:", f"    bitfusion {row.title} - {row.summary}", "", "EXAMPLES:", *(f"   $ {example}" for example in self.examples)]
        lines += ["", "USAGE:", f"   bitfusion {name} {self.takes}".rstrip(), "", "OPTIONS:", *self._option_lines()]
        if self.notes:
            lines += ["", *(f"   {line}".rstrip() for line in self.notes.strip().splitlines())]
        return "\n".join(lines)

    def _option_lines(self) -> list[str]:
        rows = [_option_row(parameter) for parameter in self.params if isinstance(parameter, click.Option)]
        rows.append(("--help, -h", "show this page"))
        width = max(len(left) for left, _ in rows) + 2
        return [f"   {left.ljust(width)}{right}" for left, right in rows]


def _option_row(option: click.Option) -> tuple[str, str]:
    names = sorted(option.opts, key=len, reverse=True)
    value = "" if option.is_flag else f" {option.metavar or 'value'}"
    return ", ".join(f"{name}{value}" for name in names), option.help or ""
