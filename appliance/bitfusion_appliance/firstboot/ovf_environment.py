"""The OVF environment (DSP0243, annex on the environment file): properties and network adapters, from hostile XML."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from xml.etree import ElementTree

from bitfusion_appliance.properties import MASK

OE = "http://schemas.dmtf.org/ovf/environment/1"
VE = "http://www.vmware.com/schema/ovfenv"
LONGEST = 1 << 20


class BadEnvironment(ValueError):
    """Not an OVF environment; the message says why."""


@dataclass(frozen=True)
class Adapter:
    """A network adapter as vCenter numbers it."""

    mac: str
    unit: int
    network: str = ""


@dataclass(frozen=True)
class OvfEnvironment:
    """What vCenter tells the virtual machine. Adapters are in the order of the form: 1, 2, 3, 4."""

    properties: dict[str, str]
    adapters: tuple[Adapter, ...] = ()


class _NoDoctype(ElementTree.TreeBuilder):
    """Entities, the means of attacks on XML parsers, can only be declared in a document type: there is none here."""

    def doctype(self, *_: object) -> None:
        raise BadEnvironment("a document type is not allowed")


def parse(xml: str) -> OvfEnvironment:
    """Properties and adapters."""
    root = _root(xml)
    properties = {key: row.get(f"{{{OE}}}value", "") for row in root.iter(f"{{{OE}}}Property") if (key := row.get(f"{{{OE}}}key"))}
    adapters = [_adapter(row) for row in root.iter(f"{{{VE}}}Adapter")]
    return OvfEnvironment(properties, tuple(sorted(adapters, key=lambda adapter: adapter.unit)))


def masked(xml: str, secrets: Collection[str]) -> str | None:
    """The same document with these properties' values masked; None if there is nothing to mask."""
    root = _root(xml)
    rows = [row for row in root.iter(f"{{{OE}}}Property") if row.get(f"{{{OE}}}key") in secrets]
    open_rows = [row for row in rows if row.get(f"{{{OE}}}value", "") not in {"", MASK}]
    for row in open_rows:
        row.set(f"{{{OE}}}value", MASK)
    ElementTree.register_namespace("oe", OE)
    ElementTree.register_namespace("ve", VE)
    return ElementTree.tostring(root, encoding="unicode") if open_rows else None


def _root(xml: str) -> ElementTree.Element:
    if len(xml) > LONGEST:
        raise BadEnvironment(f"longer than {LONGEST} characters")
    try:
        root = ElementTree.fromstring(xml, parser=ElementTree.XMLParser(target=_NoDoctype()))  # noqa: S314 - without document types
    except (ElementTree.ParseError, ValueError) as error:
        raise BadEnvironment(str(error)) from error
    if root.tag != f"{{{OE}}}Environment":
        raise BadEnvironment(f"its root is {root.tag!r}, not Environment")
    return root


def _adapter(row: ElementTree.Element) -> Adapter:
    mac, unit = row.get(f"{{{VE}}}mac", ""), row.get(f"{{{VE}}}unitNumber", "0")
    return Adapter(mac.lower(), int(unit) if unit.isascii() and unit.isdigit() else 0, row.get(f"{{{VE}}}network", ""))
