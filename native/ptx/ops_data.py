"""Moves, comparisons and selections."""

from __future__ import annotations

from native.ptx.body import Register, split_operands
from native.ptx.builder import Builder
from native.ptx.errors import InvalidPtx
from native.ptx.fundamental import PtxType
from native.ptx.ops_float import flush, widen
from native.ptx.ops_packed import join, split
from native.ptx.table import Operation, instruction

_FLOAT_COMPARE = {
    "eq": "oeq",
    "ne": "one",
    "lt": "olt",
    "le": "ole",
    "gt": "ogt",
    "ge": "oge",
    "num": "ord",
    "equ": "ueq",
    "neu": "une",
    "ltu": "ult",
    "leu": "ule",
    "gtu": "ugt",
    "geu": "uge",
    "nan": "uno",
}
_INT_COMPARE = {"eq": "eq", "ne": "ne", "lt": "lt", "le": "le", "gt": "gt", "ge": "ge", "lo": "lt", "ls": "le", "hi": "gt", "hs": "ge"}
_COMPARISONS = " ".join(dict.fromkeys([*_FLOAT_COMPARE, *_INT_COMPARE]))


def vector(operand: str) -> list[str]:
    """The elements of ``{a, b}``; a plain operand is its own only element."""
    return split_operands(operand[1:-1]) if operand.startswith("{") else [operand]


@instruction("mov", types="pred b16 b32 b64 b128 u16 u32 u64 s16 s32 s64 f16 f32 f64 f16x2 bf16 bf16x2")
def _mov(builder: Builder, op: Operation) -> None:
    destination, source = op.operands
    if destination.startswith("{"):
        _unpack(builder, op.type, vector(destination), source)
    elif source.startswith("{"):
        _pack(builder, op.type, destination, vector(source))
    else:
        ir = op.type.ir
        if op.type.bits == 32 and builder.kernel.is_wide_symbol(builder, source):
            raise op.refuse("the 32-bit address of a variable that is not shared")
        known = builder.find(source)
        if isinstance(known, Register) and known.type.bits == op.type.bits and builder.guard is None:
            ir = known.ir
        builder.set(destination, builder.get(source, ir), ir)


def _pack(builder: Builder, kind: PtxType, destination: str, parts: list[str]) -> None:
    bits = kind.bits // len(parts)
    whole = "0"
    for i, part in enumerate(parts):
        wide = builder.value(f"zext i{bits} {builder.get(part, f'i{bits}')} to i{kind.bits}")
        moved = builder.value(f"shl i{kind.bits} {wide}, {bits * i}") if i else wide
        whole = builder.value(f"or i{kind.bits} {whole}, {moved}") if i else moved
    builder.set(destination, whole, f"i{kind.bits}")


def _unpack(builder: Builder, kind: PtxType, parts: list[str], source: str) -> None:
    bits = kind.bits // len(parts)
    whole = builder.get(source, f"i{kind.bits}")
    for i, part in enumerate(parts):
        moved = builder.value(f"lshr i{kind.bits} {whole}, {bits * i}") if i else whole
        builder.set(part, builder.value(f"trunc i{kind.bits} {moved} to i{bits}"), f"i{bits}")


def compare(builder: Builder, op: Operation, kind: PtxType, a: str, b: str) -> str:
    """One comparison of two values of ``kind`` as i1."""
    name = op.choice(*_COMPARISONS.split())
    if kind.is_float:
        if name not in _FLOAT_COMPARE:
            raise InvalidPtx(f"'.{name}' does not compare floats")
        ftz = "ftz" in op.flags
        wide = [widen(builder, flush(builder, x, kind, ftz), kind) for x in (a, b)]
        ir = "double" if kind.bits == 64 else "float"
        return builder.value(f"fcmp {_FLOAT_COMPARE[name]} {ir} {wide[0]}, {wide[1]}")
    relation = _INT_COMPARE[name]
    if relation not in ("eq", "ne"):
        relation = ("s" if kind.signed else "u") + relation
    return builder.value(f"icmp {relation} {kind.ir} {a}, {b}")


def _combined(builder: Builder, op: Operation, result: str, at: int) -> str:
    """The comparison combined with the predicate operand, if the instruction has one."""
    names = [name for name in ("and", "or", "xor") if name in op.flags]
    if not names:
        return result
    return builder.value(f"{names[0]} i1 {result}, {builder.get(op.operands[at], 'i1')}")


@instruction("setp", f"{_COMPARISONS} and or xor ftz")
def _setp(builder: Builder, op: Operation) -> None:
    kind = op.type
    targets = [part.strip() for part in op.operands[0].split("|")]
    if kind.lanes == 2:
        columns = [split(builder, operand, kind) for operand in op.operands[1:3]]
        for target, lane in zip(targets, zip(*columns, strict=True), strict=True):
            builder.set(target, _combined(builder, op, compare(builder, op, kind.element, *lane), 3), "i1")
        return
    a, b = (builder.get(operand, kind.ir) for operand in op.operands[1:3])
    plain = compare(builder, op, kind, a, b)
    result = _combined(builder, op, plain, 3)
    if len(targets) == 2:
        other = _combined(builder, op, builder.value(f"xor i1 {plain}, true"), 3)
        builder.set(targets[0], result, "i1")
        builder.set(targets[1], other, "i1")
        return
    builder.set(targets[0], result, "i1")


@instruction("set", f"{_COMPARISONS} and or xor ftz")
def _set(builder: Builder, op: Operation) -> None:
    to, kind = op.types
    if kind.lanes == 2:
        columns = [split(builder, operand, kind) for operand in op.operands[1:3]]
        results = [_combined(builder, op, compare(builder, op, kind.element, *lane), 3) for lane in zip(*columns, strict=True)]
        lanes = [_truth(builder, to.element if to.lanes == 2 else None, result) for result in results]
        builder.set(op.operands[0], join(builder, lanes, "i16", 16), "i32")
        return
    a, b = (builder.get(operand, kind.ir) for operand in op.operands[1:3])
    result = _combined(builder, op, compare(builder, op, kind, a, b), 3)
    if to.is_float:
        bits = {"f32": 0x3F800000, "f16": 0x3C00, "bf16": 0x3F80}[to.name]
        builder.set(op.operands[0], builder.value(f"select i1 {result}, i{to.bits} {bits}, i{to.bits} 0"), f"i{to.bits}")
    else:
        builder.set(op.operands[0], builder.value(f"sext i1 {result} to {to.ir}"), to.ir)


def _truth(builder: Builder, kind: PtxType | None, result: str) -> str:
    """A 16-bit lane: 1.0 for float results, all ones for integers."""
    one = {"f16": 0x3C00, "bf16": 0x3F80}.get(kind.name, 0xFFFF) if kind else 0xFFFF
    return builder.value(f"select i1 {result}, i16 {one}, i16 0")


@instruction("selp", types="b16 b32 b64 u16 u32 u64 s16 s32 s64 f16 f16x2 bf16 bf16x2 f32 f64")
def _selp(builder: Builder, op: Operation) -> None:
    ir = op.type.ir
    a, b = (builder.get(operand, ir) for operand in op.operands[1:3])
    builder.set(op.operands[0], builder.value(f"select i1 {builder.get(op.operands[3], 'i1')}, {ir} {a}, {ir} {b}"), ir)


@instruction("slct", "ftz")
def _slct(builder: Builder, op: Operation) -> None:
    """``slct d, a, b, c``: a if c >= 0 (for floats, not NaN), else b."""
    kind, by = op.types
    a, b = (builder.get(operand, kind.ir) for operand in op.operands[1:3])
    c = builder.get(op.operands[3], by.ir)
    if by.is_float:
        chosen = builder.value(f"fcmp oge float {flush(builder, c, by, 'ftz' in op.flags)}, 0.0")
    else:
        chosen = builder.value(f"icmp sge i32 {c}, 0")
    builder.set(op.operands[0], builder.value(f"select i1 {chosen}, {kind.ir} {a}, {kind.ir} {b}"), kind.ir)
