"""The settings of bitfusion.yaml: /etc/bitfusion and the user's, merged; the user's wins, and the environment over both."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Callable, NamedTuple, Union

from bitfusion_client import config, log, yaml
from bitfusion_client.errors import InvalidConfiguration
from bitfusion_core import units
from bitfusion_core.errors import BitfusionError

FILE = "bitfusion.yaml"
Value = Union[str, int, float, bool]
_BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def _switch(text: str) -> bool:
    if text.lower() not in _BOOLEANS:
        raise ValueError("it is neither true nor false")
    return _BOOLEANS[text.lower()]


def _hops(text: str) -> int:
    if text not in ("1", "2", "3"):
        raise ValueError("it is not 1, 2 or 3")
    return int(text)


def _megabytes(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError("it is not a number of MB")
    return int(text)


class Preference(NamedTuple):
    """One row. `missing` says why it cannot have its effect in this release."""

    name: str
    default: str
    parse: Callable[[str], Value]
    meaning: str
    missing: str = ""

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return "BITFUSION_" + self.name.upper().replace(".", "_")


_NO_RDMA = "this release moves data over TCP only"
TABLE = (
    Preference("rdma.enabled", "false", _switch, "use RDMA where client and server have it", _NO_RDMA),
    Preference("rdma.hops", "1", _hops, "switches an RDMA packet may pass, 1 to 3", _NO_RDMA),
    Preference(
        "srs.auto_release_timeout",
        "0",
        units.parse_duration,
        "time after which unused reservations are given back, such as 2m30s; 0: never",
    ),
    Preference("cache_store.client_root", "~/cache", os.path.expanduser, "where files from servers are kept on the client"),
    Preference("cache_store.client_cleanup_threshold_MB", "5120", _megabytes, "size at which the oldest of them are removed"),
    # Read by a server's dispatcher (bitfusion_server.dispatcher.cache), from the same file.
    Preference("cache_store.server_root", "", str, "on a server: where it keeps what clients have sent; empty: in its data directory"),
    Preference("cache_store.server_cleanup_threshold_MB", "5120", _megabytes, "on a server: size at which the oldest of it is removed"),
)
BY_NAME = {row.name: row for row in TABLE}


class Known(NamedTuple):
    """A value and where it was said."""

    row: Preference
    value: Value
    origin: str


def load() -> dict[str, Known]:
    """All settings; an error names the file or variable that cannot be used."""
    known = {row.name: Known(row, row.parse(row.default), "default") for row in TABLE}
    for path in (config.SYSTEM_DIRECTORY / FILE, config.home() / FILE):
        for name, text in _read(path):
            known[name] = _parse(BY_NAME[name], text, str(path))
    for row in TABLE:
        if row.variable in os.environ:
            known[row.name] = _parse(row, os.environ[row.variable], row.variable)
    return known


def in_use() -> dict[str, Known]:
    """All settings, for a command that uses GPUs; says which of them cannot have their effect."""
    known = load()
    for one in known.values():
        if one.row.missing and one.origin != "default" and one.value is not False:
            log.warn(f"{one.origin}: {one.row.name} has no effect: {one.row.missing}")
    return known


def _parse(row: Preference, text: str, origin: str) -> Known:
    try:
        return Known(row, row.parse(text), origin)
    except (ValueError, BitfusionError) as error:
        raise InvalidConfiguration(f"{origin}: {row.name}: {text!r}: {error}", hint=f"It means: {row.meaning}.") from None


def _read(path: Path) -> Iterator[tuple[str, str]]:
    if not path.exists():
        return
    try:
        document = yaml.parse(config.read_text(path))
    except yaml.YamlError as error:
        raise InvalidConfiguration(f"cannot use {path}: {error}") from None
    for name, text in _flat(document if isinstance(document, dict) else {}):
        if name not in BY_NAME:
            raise InvalidConfiguration(f"{path}: unknown setting '{name}'", hint="Settings: " + ", ".join(BY_NAME) + ".")
        yield name, text


def _flat(document: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in document.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", str(value if value is not None else "")
