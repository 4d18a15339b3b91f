"""`bitfusion config show`: what this client would use, and where each value comes from."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, Callable, NamedTuple

import click

from bitfusion_client import application, config, helping, identity, output, preferences
from bitfusion_client.options import json_option
from bitfusion_core.errors import BitfusionError


class Shown(NamedTuple):
    """A line of the list."""

    name: str
    value: Any
    origin: str


@click.group("config", cls=helping.Group, examples=("bitfusion config show --origin",))
def command() -> None:
    """Show the configuration and where each value comes from."""


@command.command("show", cls=helping.Command, examples=("bitfusion config show", "bitfusion config show --origin"))
@click.option("--origin", is_flag=True, help="say which file or variable each value comes from")
@json_option
def show(origin: bool, as_json: bool) -> None:
    """Show every value that this client uses."""
    rows = [*_connection(), *(Shown(one.row.name, one.value, one.origin) for one in preferences.load().values())]
    if as_json:
        output.as_json({"values": [row._asdict() for row in rows]})
        return
    width = max(len(f"{row.name} = {row.value}") for row in rows)
    lines = (f"{row.name} = {_text(row.value)}" for row in rows)
    output.text("\n".join(f"{line.ljust(width)}  # {row.origin}" if origin else line for line, row in zip(lines, rows)))


def _text(value: Any) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def _connection() -> Iterator[Shown]:
    """Servers, identity and library; what is missing shows why."""
    home = "BITFUSION_HOME" if os.environ.get("BITFUSION_HOME") else "default"
    yield Shown("home", str(config.home()), home)
    yield _value("servers", lambda: " ".join(map(str, config.servers())), config.servers_origin)
    yield _value("client_id", lambda: identity.load().client_id or "not claimed yet", lambda: str(identity.load().path))
    yield _value("access_token", lambda: identity.load().masked_token, lambda: str(identity.load().path))
    yield _value("ca_file", lambda: str(identity.load().ca_file), lambda: str(identity.load().path))
    library = "BITFUSION_LIB_DIR" if os.environ.get("BITFUSION_LIB_DIR") else "default"
    yield _value("library_directory", lambda: str(application.library_directory()), lambda: library)


def _value(name: str, value: Callable[[], str], origin: Callable[[], str]) -> Shown:
    try:
        return Shown(name, value(), origin())
    except BitfusionError as error:
        return Shown(name, "none", error.detail)
