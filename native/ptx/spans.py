"""Checks memory accesses through one base register together.

Unrolled code reads ``[%r1]``, ``[%r1+4]``, ``[%r1+8]`` …: one check of the whole span replaces one per access. Only unguarded
accesses of one run of code are joined, since they all happen if the first one does.
"""

from __future__ import annotations

import re

from native.ptx.body import Instruction, Register, split_operands
from native.ptx.builder import Builder, Span
from native.ptx.fundamental import TYPES

_LONGEST = 4096  # a granule: its two ends decide about all of it
_ADDRESS = re.compile(r"\[\s*(?P<base>[%\w$]+)\s*(?:(?P<sign>[+-])\s*(?P<offset>-?\d+))?\s*\]")
_WIDTHS = {"v2": 2, "v4": 4, "v8": 8}


def pointer(builder: Builder, space: str, base: Register, offset: int, size: int, write: bool) -> str | None:
    """The checked host pointer of an access, or None if it is better checked alone."""
    family = "shared" if space == "shared" else "global"
    key = (family, builder.read(base, base.ir), write and family == "global")
    span = builder.spans.get(key)
    if span is None or not _covers(span, offset, size):
        span = _find(builder, family, base, offset, size, write)
        if span is None:
            return None
        builder.spans[key] = span = _check(builder, family, builder.read(base, "i64"), span, write)
    return builder.value(f"getelementptr i8, ptr {span.pointer}, i64 {offset - span.low}")


def _covers(span: Span, offset: int, size: int) -> bool:
    return span.low <= offset and offset + size <= span.high and offset % size == 0 and size <= span.align


def _find(builder: Builder, family: str, base: Register, offset: int, size: int, write: bool) -> Span | None:
    """Looks ahead for accesses through the same base, until it changes or the run of code ends."""
    items = builder.body.items
    if offset % size:
        return None
    low, high, align, count = offset, offset + size, size, 1
    for item in items[builder.position + 1 : builder.position + 200]:
        if not isinstance(item, Instruction) or item.opcode in ("bra", "brx", "ret", "exit", "call", "trap", "bar", "barrier"):
            break
        found = _access(item, base) if not item.guard else None
        if found and found[0] == family and (family == "shared" or found[1] == write) and found[2] % found[3] == 0:
            wider = max(high, found[2] + found[3]) - min(low, found[2])
            if wider <= _LONGEST:
                low, high, align, count = min(low, found[2]), max(high, found[2] + found[3]), max(align, found[3]), count + 1
        if _writes(item, base):
            break
    return Span(low, high, align, "") if count > 1 and low % align == 0 else None


def _access(item: Instruction, base: Register) -> tuple[str, bool, int, int] | None:
    """(family, whether it writes, offset, size) of a load or store through ``base``."""
    if item.opcode not in ("ld", "st"):
        return None
    match = _ADDRESS.search(item.operands)
    if not match or item.scope.find(match["base"]) is not base or not _joinable(item):
        return None
    offset = int(match["offset"] or 0)
    kind = next((TYPES[m] for m in reversed(item.modifiers) if m in TYPES), None)
    if kind is None:
        return None
    width = next((_WIDTHS[m] for m in item.modifiers if m in _WIDTHS), 1)
    family = "shared" if "shared" in item.modifiers or "shared::cta" in item.modifiers else "global"
    return family, item.opcode == "st", -offset if match["sign"] == "-" else offset, kind.size * width


def _joinable(item: Instruction) -> bool:
    return not {"local", "param", "const", "param::entry", "param::func"} & set(item.modifiers)


def _writes(item: Instruction, base: Register) -> bool:
    first = split_operands(item.operands)[0] if item.operands else ""
    if item.opcode == "st":
        return False
    return any(item.scope.find(name.strip()) is base for name in first.strip("{}").replace("|", ",").split(","))


def _check(builder: Builder, family: str, value: str, span: Span, write: bool) -> Span:
    start = builder.value(f"add i64 {value}, {span.low}") if span.low else value
    common = ["ptr %t", f"i64 {start}", f"i64 {span.high - span.low}", f"i64 {span.align - 1}"]
    if family == "shared":
        shared = builder.context_field("block", "shared", "ptr")
        bytes_ = builder.context_field("block", "shared_bytes", "i32")
        place = builder.prelude("span_shared", "ptr", *common, f"ptr {shared}", f"i32 {bytes_}")
    else:
        base, size = (builder.context_field("launch", name, "i64") for name in ("arena_base", "arena_size"))
        granules = builder.context_field("launch", "granules", "ptr")
        place = builder.prelude("span_global", "ptr", *common, f"i32 {int(write)}", f"i64 {base}", f"i64 {size}", f"ptr {granules}")
    return Span(span.low, span.high, span.align, place)
