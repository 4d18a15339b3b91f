"""`python -m bitfusion_appliance.reference > docs/reference/vapp-properties.md`: the page made from the table."""

from __future__ import annotations

from collections.abc import Iterator

from bitfusion_appliance.kinds import netmask_menu
from bitfusion_appliance.properties import Property, Table, table

_HEAD = """# vApp properties

Generated from `ovf/properties.toml`; do not edit.

The deployment form asks for these properties. They can be changed later, while the virtual machine is powered off, under
**Configure > Settings > vApp Options**; they are read at every boot, and what has changed takes effect then.
Every property may be left blank. A value that cannot be used is named on the console and in `bitfusion-firstboot status`.
"""


def page(rows: Table) -> str:
    """The whole page."""
    return "\n".join(_lines(rows))


def _lines(rows: Table) -> Iterator[str]:
    yield _HEAD
    for category in rows.categories:
        yield f"## {category.label}\n"
        for row in rows.of(category):
            yield from _property(row)
    menu = netmask_menu()
    yield f"The menu of netmasks goes from `{menu[0]}` to `{menu[-1]}`.\n"


def _property(row: Property) -> Iterator[str]:
    notes = [
        f"default `{row.default}`" if row.default else "",
        "hidden, and blanked in vCenter once it has been read" if row.secret else "",
    ]
    yield f"`{row.key}`"
    yield f": **{row.label}.** {row.description}" + "".join(f" ({note})" for note in notes if note) + "\n"


if __name__ == "__main__":
    print(page(table()), end="")
