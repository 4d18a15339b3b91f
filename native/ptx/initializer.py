"""Initial values of module-scope variables: bytes, and places that hold another symbol's address."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field

from native.ptx.errors import InvalidPtx, Unsupported
from native.ptx.fundamental import PtxType


@dataclass(frozen=True)
class Reference:
    """The 8 bytes at ``offset`` are the address of ``symbol`` plus ``addend``."""

    offset: int
    symbol: str
    addend: int


@dataclass
class Initial:
    """Bytes with the references that the loader fills in."""

    data: bytearray = field(default_factory=bytearray)
    references: list[Reference] = field(default_factory=list)


_PLAIN_BYTES = re.compile(r"[\d\s,{}]*")
_ITEM = re.compile(
    r"\s*(?:(?P<mask>0x[0-9a-fA-F]+|\d+)\s*\(\s*(?P<masked>[\w$%]+)\s*\)|(?:generic\s*\(\s*(?P<generic>[\w$%]+)\s*\)|(?P<symbol>[A-Za-z_$%][\w$]*))\s*(?P<sign>[+-])?\s*(?P<addend>0x[0-9a-fA-F]+|\d+)?"
    r"|(?P<number>-?0[fFdD][0-9a-fA-F]+|[-+]?[\w.]+(?:[eE][-+]\d+)?))\s*"
)


def hexadecimal(text: str) -> int:
    """The bits of a float literal in the form 0f… or 0d…."""
    return int.from_bytes(bytes.fromhex(text[2:]), "big")


def parse_number(text: str) -> int | float:
    """Reads a PTX literal: integer in any base, hexadecimal float (0f…, 0d…) or decimal float."""
    negative = text.startswith("-")
    body = text.lstrip("+-").rstrip("U") if not text.lower().startswith(("0f", "-0f")) else text.lstrip("+-")
    lower = body.lower()
    if lower.startswith("0f") and len(lower) == 10:
        value: int | float = struct.unpack("<f", struct.pack("<I", hexadecimal(lower)))[0]
    elif lower.startswith("0d") and len(lower) == 18:
        value = struct.unpack("<d", struct.pack("<Q", hexadecimal(lower)))[0]
    elif "." in body or (not lower.startswith("0x") and "e" in lower):
        value = float(body)
    else:
        value = int(body, 8) if re.fullmatch(r"0[0-7]+", body) else int(body, 0)
    return -value if negative else value


def encode(value: float, element: PtxType) -> bytes:
    """A literal's bytes in memory."""
    if element.kind == "f":
        return struct.pack("<f" if element.bits == 32 else "<d", value)
    if element.kind == "h":
        return struct.pack("<e", value)
    if isinstance(value, int):
        return (value & ((1 << 8 * element.size) - 1)).to_bytes(element.size, "little")
    if element.bits in (32, 64):
        return struct.pack("<f" if element.bits == 32 else "<d", value)
    raise Unsupported(f"a float initialiser for .{element.name}")


def parse_initializer(text: str, element: PtxType, line: int) -> Initial:
    """Parses ``= …`` of a variable of ``element`` type; nested braces only group."""
    initial = Initial()
    if element.bits == 8 and _PLAIN_BYTES.fullmatch(text):
        initial.data = bytearray(int(part) & 255 for part in re.findall(r"\d+", text))
        return initial
    for item in text.replace("{", " ").replace("}", " ").split(","):
        if item.strip():
            _append(initial, item, element, line)
    return initial


def _append(initial: Initial, item: str, element: PtxType, line: int) -> None:
    match = _ITEM.fullmatch(item)
    if not match:
        raise InvalidPtx(f"cannot read the initial value '{item.strip()}'", line)
    if match["mask"]:
        _append_masked(initial, match, line)
    elif match["number"]:
        initial.data += encode(parse_number(match["number"]), element)
    else:
        addend = int(match["addend"] or "0", 0)
        symbol = match["generic"] or match["symbol"]
        initial.references.append(Reference(len(initial.data), symbol, -addend if match["sign"] == "-" else addend))
        initial.data += bytes(element.size)


def _append_masked(initial: Initial, match: re.Match[str], line: int) -> None:
    """``0xFF(sym), 0xFF00(sym) …``: an address written byte by byte. Only whole addresses, in order, are accepted."""
    mask, symbol = int(match["mask"], 0), match["masked"]
    place = (mask.bit_length() - 1) // 8
    if mask != 0xFF << 8 * place:
        raise Unsupported(f"address mask {match['mask']} in an initial value", line)
    if place == 0:
        initial.references.append(Reference(len(initial.data), symbol, 0))
    initial.data += b"\0"
