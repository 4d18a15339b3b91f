"""The table of vApp properties, `ovf/properties.toml`, as typed rows."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bitfusion_appliance.kinds import HIGHEST_MTU, KINDS, LOWEST_MTU, Kind, without_user

# Beside the packages, in a checkout as on the appliance.
TABLE = Path(__file__).resolve().parents[2] / "ovf" / "properties.toml"
HOST = "guestinfo.bitfusion.host."
SERVER = "guestinfo.bitfusion.server."
ADAPTERS = (1, 2, 3, 4)
# Written over a secret once it has been read; read back, it means: as before.
MASK = "********"


@dataclass(frozen=True)
class Category:
    """A heading of the form."""

    id: str
    label: str


@dataclass(frozen=True)
class Property:
    """A row of the form."""

    key: str
    kind: str
    category: str
    label: str
    description: str
    since: str
    default: str = ""

    @property
    def secret(self) -> bool:
        """Whether its value is hidden everywhere."""
        return self._kind.secret

    @property
    def ovf_type(self) -> str:
        """OVF's type of its value."""
        return self._kind.ovf_type

    @property
    def qualifiers(self) -> str:
        """What vCenter checks in the form."""
        return self._kind.qualifiers

    def parse(self, text: str) -> Any:
        """The value of a text that is not blank; ValueError says what is wrong with it."""
        return self._kind.parse(text)

    def show(self, text: str) -> str:
        """The text as people and logs may see it."""
        return MASK if self.secret and text else without_user(text)

    @property
    def _kind(self) -> Kind:
        return KINDS[self.kind]


@dataclass(frozen=True)
class Table:
    """The whole form, in order."""

    categories: tuple[Category, ...]
    properties: tuple[Property, ...]

    def of(self, category: Category) -> list[Property]:
        """Properties under a heading."""
        return [row for row in self.properties if row.category == category.id]

    def by_key(self) -> dict[str, Property]:
        """Rows by their key."""
        return {row.key: row for row in self.properties}


@dataclass(frozen=True)
class Problem:
    """A value that cannot be used: which, why, and what to do."""

    key: str
    reason: str
    value: str = ""

    def __str__(self) -> str:
        shown = f" = {self.value!r}" if self.value else ""
        return f"{self.key}{shown}: {self.reason}"


class Values:
    """Checked values by key; a blank or wrong one is missing, unless the table has a default."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = dict(values)

    def get(self, key: str) -> Any:
        """The value, or None."""
        return self._values.get(key)


@cache
def table(path: Path = TABLE) -> Table:
    """The form that this release asks for."""
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    categories = tuple(Category(**row) for row in content["category"])
    rows = [row for given in content["property"] for row in _rows(given)]
    order = [category.id for category in categories]
    return Table(categories, tuple(sorted(rows, key=lambda row: order.index(row.category))))


def _rows(given: Mapping[str, Any]) -> Iterator[Property]:
    """One property, or one for each adapter."""
    row = dict(given)
    adapters = row.pop("adapters", None)
    if adapters is None:
        yield Property(**row)
        return
    for number in adapters:
        names = {"n": number, "low": LOWEST_MTU, "high": HIGHEST_MTU}
        texts = {name: value.format(**names) for name, value in row.items()}
        yield Property(**{"category": f"net{number}", **texts})


def check(given: Mapping[str, str], rows: Table) -> tuple[Values, list[Problem]]:
    """The values of a form, each checked for itself; keys that are not in the table are none of ours."""
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for row in rows.properties:
        text = given.get(row.key, "")
        text = text if row.secret else text.strip()
        try:
            if text or row.default:
                values[row.key] = row.parse(text or row.default)
        except ValueError as error:
            problems.append(Problem(row.key, str(error), row.show(text)))
    return Values(values), problems
