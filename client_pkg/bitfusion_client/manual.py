"""Manual pages, made from the table of commands when the packages are built."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click

from bitfusion_client import helping
from bitfusion_client.catalogue import GENERAL, GROUPS, ROWS, Row
from bitfusion_client.reference import command_of, error_rows
from bitfusion_core import __version__

_FILES = (
    (
        "~/.bitfusion/servers.conf, /etc/bitfusion/servers.conf",
        "The servers, one a line: ip, ip:port or ip port; the user's file counts before the system's.",
    ),
    ("~/.bitfusion/client.yaml, /etc/bitfusion/client.yaml", "The access token and the identity of this client."),
    ("~/.bitfusion/tls/ca.crt, /etc/bitfusion/tls/ca.crt", "The authority that has signed the servers' certificates."),
    ("~/.bitfusion/bitfusion.yaml, /etc/bitfusion/bitfusion.yaml", 'Settings; "bitfusion config show" lists them.'),
    ("/etc/security/limits.d/bitfusion-limits.conf", "Limits of the members of the group bitfusion, for logins after they became members."),
)


def pages(date: str) -> dict[str, str]:
    """File names and texts of section 1."""
    commands = {f"bitfusion-{row.name}.1": "\n".join(_command_page(row, date)) + "\n" for row in ROWS}
    return {"bitfusion.1": "\n".join(_overview(date)) + "\n", **commands}


def _overview(date: str) -> Iterator[str]:
    yield from _head("bitfusion", "run applications on GPUs of the network", date)
    yield from (".SH SYNOPSIS", "\\fBbitfusion\\fR \\fIcommand\\fR [\\fIoptions\\fR] [\\-\\- \\fIapplication\\fR]", ".SH COMMANDS")
    for group in GROUPS:
        if group != GENERAL:
            yield f".SS {_text(group.rstrip(':'))}"
        for row in (row for row in ROWS if row.group == group):
            yield from (".TP", f"\\fB{_text(row.title)}\\fR", _text(row.summary))
    yield ".SH FILES"
    for path, meaning in _FILES:
        yield from (".TP", f"\\fI{_text(path)}\\fR", _text(meaning))
    yield ".SH EXIT STATUS"
    yield from _paragraph(
        "run and client return the application's own exit code, or 128+N if signal N ended it; 124 when the GPUs did not become free in time, "
        "125 for any other failure of ours before the start, 126 when the application cannot be executed, 127 when it was not found. "
        "The other commands return 0, or:"
    )
    for number, code, title in error_rows():
        yield from (".TP", f"\\fB{number}\\fR", _text(f"{title} ({code})"))
    yield from (".SH SEE ALSO", ", ".join(f"\\fBbitfusion\\-{_text(row.name)}\\fR(1)" for row in ROWS))


def _command_page(row: Row, date: str) -> Iterator[str]:
    command = command_of(row)
    name = f"bitfusion-{row.name}"
    yield from _head(name, row.summary, date)
    takes = getattr(command, "takes", "<command> [options]" if isinstance(command, click.Group) else "[arguments]")
    yield from (".SH SYNOPSIS", f"\\fBbitfusion {_text(row.name)}\\fR {_text(takes)}")
    if row.alias:
        yield from _paragraph(f"{row.alias} is short for {row.name}.")
    if isinstance(command, click.Group):
        yield ".SH COMMANDS"
        for below, one in command.commands.items():
            yield from (".TP", f"\\fB{_text(below)}\\fR", _text(one.help or ""))
    yield ".SH OPTIONS"
    for left, right in helping.option_rows(command):
        yield from (".TP", f"\\fB{_text(left)}\\fR", _text(right))
    notes = getattr(command, "notes", "")
    if notes:
        yield from (".SH NOTES", ".nf", *(_text(line) for line in notes.strip().splitlines()), ".fi")
    examples = getattr(command, "examples", ())
    if examples:
        yield from (".SH EXAMPLES", ".nf", *(_text(example) for example in examples), ".fi")
    yield from (".SH SEE ALSO", "\\fBbitfusion\\fR(1)")


def _head(name: str, summary: str, date: str) -> Iterator[str]:
    yield f'.TH {name.upper()} 1 "{date}" "bitfusion {__version__}" "User Commands"'
    yield from (".SH NAME", f"{_text(name)} \\- {_text(summary)}")


def _paragraph(text: str) -> Iterator[str]:
    yield from (".PP", _text(text))


def _text(text: str) -> str:
    """Nothing in it is a request or an escape of roff; hyphens stay what one can type."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", escaped)
