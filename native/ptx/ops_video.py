"""Video instructions: arithmetic on parts of a register, one part at a time or on all two or four at once."""

from __future__ import annotations

import re
from collections.abc import Callable

from native.ptx.builder import Builder
from native.ptx.fundamental import PtxType
from native.ptx.ops_integer import slice_of
from native.ptx.table import Operation, instruction

_COMPARISONS = {"eq": "eq", "ne": "ne", "lt": "lt", "le": "le", "gt": "gt", "ge": "ge"}
_PART = re.compile(r"(?P<name>[^.\s]+)\.(?P<kind>[bh])(?P<number>\d)")

Combine = Callable[[Builder, str, str], str]


def _extreme(name: str) -> Combine:
    return lambda builder, a, b: builder.intrinsic(f"s{name}.i64", "i64", f"i64 {a}", f"i64 {b}")


def _distance(builder: Builder, a: str, b: str) -> str:
    return builder.intrinsic("abs.i64", "i64", f"i64 {builder.value(f'sub i64 {a}, {b}')}", "i1 false")


def _average(builder: Builder, a: str, b: str) -> str:
    """Rounded away from zero at halves of positive sums, towards minus infinity below."""
    total = builder.value(f"add i64 {a}, {b}")
    round_up = builder.value(f"zext i1 {builder.value(f'icmp sge i64 {total}, 0')} to i64")
    return builder.value(f"ashr i64 {builder.value(f'add i64 {total}, {round_up}')}, 1")


# Operands are 64-bit and signed, so nothing is lost before the result is saturated or cut.
_OPERATIONS: dict[str, Combine] = {
    "vadd": lambda builder, a, b: builder.value(f"add i64 {a}, {b}"),
    "vsub": lambda builder, a, b: builder.value(f"sub i64 {a}, {b}"),
    "vabsdiff": _distance,
    "vmin": _extreme("min"),
    "vmax": _extreme("max"),
    "vavrg": _average,
}


def _combine(builder: Builder, op: Operation, name: str, a: str, b: str) -> str:
    if name != "vset":
        return _OPERATIONS[name](builder, a, b)
    relation = _COMPARISONS[op.choice(*_COMPARISONS)]
    holds = builder.value(f"icmp {relation if relation in ('eq', 'ne') else 's' + relation} i64 {a}, {b}")
    return builder.value(f"zext i1 {holds} to i64")


def _clamp(builder: Builder, value: str, signed: bool, bits: int) -> str:
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    value = builder.intrinsic("smax.i64", "i64", f"i64 {value}", f"i64 {low}")
    return builder.intrinsic("smin.i64", "i64", f"i64 {value}", f"i64 {high}")


def _wide(builder: Builder, value: str, kind: PtxType, at: int, bits: int) -> str:
    """Some bits of a register, extended as the type says."""
    part = slice_of(builder, value, at, bits, kind.signed) if bits < 32 else value
    return builder.value(f"{'sext' if kind.signed else 'zext'} i32 {part} to i64")


@instruction("vadd2 vadd4 vsub2 vsub4 vavrg2 vavrg4 vabsdiff2 vabsdiff4 vmin2 vmin4 vmax2 vmax4 vset2 vset4",
             f"sat add {' '.join(_COMPARISONS)}", types="u32 s32")  # fmt: skip
def _simd(builder: Builder, op: Operation) -> None:
    """All lanes at once; with .add, the sum of the lanes and of the last operand."""
    if any("." in operand for operand in op.operands):
        raise op.refuse("lanes chosen or masked")
    name, lanes = op.instruction.opcode[:-1], int(op.instruction.opcode[-1])
    compares = name == "vset"
    types = op.types if compares else op.types[1:]
    signed = op.type.signed and not compares
    bits = 32 // lanes
    a, b = (builder.get(operand, "i32") for operand in op.operands[1:3])
    result = builder.value(f"zext i32 {builder.get(op.operands[3], 'i32')} to i64") if "add" in op.flags else "0"
    for lane in range(lanes):
        parts = [_wide(builder, value, kind, bits * lane, bits) for value, kind in zip((a, b), types, strict=True)]
        value = _combine(builder, op, name, *parts)
        if "sat" in op.flags:
            value = _clamp(builder, value, signed, bits)
        if "add" not in op.flags:
            kept = builder.value(f"and i64 {value}, {(1 << bits) - 1}")
            value = builder.value(f"shl i64 {kept}, {bits * lane}")
        result = builder.value(f"add i64 {result}, {value}")
    builder.set(op.operands[0], builder.value(f"trunc i64 {result} to i32"), "i32")


def _scalar_operand(builder: Builder, operand: str, kind: PtxType) -> str:
    """A register, or its byte or half ``%r1.b2``, ``%r1.h1``."""
    match = _PART.fullmatch(operand)
    if not match:
        return _wide(builder, builder.get(operand, "i32"), kind, 0, 32)
    bits = 8 if match["kind"] == "b" else 16
    return _wide(builder, builder.get(match["name"], "i32"), kind, bits * int(match["number"]), bits)


@instruction("vadd vsub vabsdiff vmin vmax vset", f"sat add min max {' '.join(_COMPARISONS)}", types="u32 s32")
def _scalar(builder: Builder, op: Operation) -> None:
    """One result of 32 bits, combined with a last operand if the instruction says how."""
    if "." in op.operands[0]:
        raise op.refuse("a part of the destination")
    name = op.instruction.opcode
    types = op.types if name == "vset" else op.types[1:]
    a, b = (_scalar_operand(builder, operand, kind) for operand, kind in zip(op.operands[1:3], types, strict=True))
    value = _combine(builder, op, name, a, b)
    signed = op.type.signed and name != "vset"
    if "sat" in op.flags:
        value = _clamp(builder, value, signed, 32)
    result = builder.value(f"trunc i64 {value} to i32")
    second = [flag for flag in ("add", "min", "max") if flag in op.flags]
    if second:
        result = _second(builder, second[0], signed, result, builder.get(op.operands[3], "i32"))
    builder.set(op.operands[0], result, "i32")


def _second(builder: Builder, name: str, signed: bool, a: str, b: str) -> str:
    if name == "add":
        return builder.value(f"add i32 {a}, {b}")
    return builder.intrinsic(f"{'s' if signed else 'u'}{name}.i32", "i32", f"i32 {a}", f"i32 {b}")
