"""All rows of all areas, and the numbers by which frames name them.

A row's number never changes and is never given to another call: it is the line in numbers.txt. Add a call that goes over the wire by
appending its name there.
"""

from __future__ import annotations

import hashlib
import importlib
import pkgutil
from functools import cache
from pathlib import Path

from native.spec.model import Api, Call, in_area

# The revision of what the rows do not say: frame and chunk layouts, control rows, kinds of replies (native/src/wire), and when which is sent.
WIRE_REVISION = 1

_NUMBERS = Path(__file__).with_name("numbers.txt")


@cache
def all_calls() -> tuple[Call, ...]:
    """Every row, ordered by API, area and place in its file."""
    rows: list[Call] = []
    for package in ("native.spec.cuda", "native.spec.nvml", "native.spec.product"):
        rows += _rows_of(package)
    names = [row.name for row in rows]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f"rows given twice: {', '.join(sorted(twice))}")
    return tuple(rows)


def calls(api: Api) -> tuple[Call, ...]:
    """The rows of one API."""
    return tuple(row for row in all_calls() if row.api is api)


@cache
def numbers() -> dict[str, int]:
    """Row numbers of the calls that travel."""
    lines = [line for line in _NUMBERS.read_text().splitlines() if line and not line.startswith("#")]
    table = {name: number for number, name in enumerate(lines, start=1)}
    if len(table) != len(lines):
        raise ValueError(f"{_NUMBERS.name}: a name is given twice")
    missing = [row.name for row in all_calls() if row.travels and row.name not in table]
    if missing:
        raise ValueError(f"{_NUMBERS.name}: append {', '.join(missing)}")
    return table


def spec_hash() -> bytes:
    """SHA-256 of everything that both ends must agree on."""
    digest = hashlib.sha256(f"wire {WIRE_REVISION}\n".encode())
    table = numbers()
    for row in all_calls():
        if row.travels:
            digest.update(f"{table[row.name]} {row.name} {row.run.value} {row.args}\n".encode())
    return digest.digest()


def _rows_of(package: str) -> list[Call]:
    try:
        root = importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        return []
    rows: list[Call] = []
    for module in sorted(info.name for info in pkgutil.iter_modules(root.__path__)):
        rows += in_area(module, importlib.import_module(f"{package}.{module}").ROWS)
    return rows
