"""Matrix instructions of a warp: mma.sync, wmma, ldmatrix, stmatrix, movmatrix. The arithmetic is in native/src/simgpu/exec/matrix.cpp."""

from __future__ import annotations

import re
from collections.abc import Sequence

from native.ptx.body import Register
from native.ptx.builder import Builder
from native.ptx.ops_data import vector
from native.ptx.ops_memory import generic_address
from native.ptx.table import Operation, instruction

_ELEMENTS = {
    "f16": 0,
    "bf16": 1,
    "tf32": 2,
    "f32": 3,
    "f64": 4,
    "s8": 5,
    "u8": 6,
    "s4": 7,
    "u4": 8,
    "b1": 9,
    "s32": 10,
    "e4m3": 11,
    "e5m2": 12,
}
_SHAPES = (
    "m8n8k4 m8n8k16 m8n8k32 m8n8k128 m16n8k4 m16n8k8 m16n8k16 m16n8k32 m16n8k64 m16n8k128 m16n8k256 m16n16k16 m16n16k8 m8n32k16 m32n8k16"
)
_PRODUCTS = {"xor": 1, "and": 2}
_LINEAR, _SATURATE = 1, 2
_HEADER_BYTES = 16


def _shape(op: Operation) -> tuple[int, int, int]:
    """m, n and k."""
    m, n, k = (int(number) for number in re.findall(r"\d+", op.choice(*_SHAPES.split())))
    return m, n, k


def _element_types(op: Operation) -> list[str]:
    """The element types as written."""
    return [modifier for modifier in op.instruction.modifiers if modifier in _ELEMENTS]


def _words(builder: Builder, operands: Sequence[str]) -> int:
    """32-bit words of a fragment's registers."""
    return sum(_register_bits(builder, operand) for operand in operands) // 32


def _register_bits(builder: Builder, operand: str) -> int:
    found = builder.find(operand)
    return max(found.type.bits, 32) if isinstance(found, Register) else 32


def _store_words(builder: Builder, place: str, offset: int, operands: Sequence[str]) -> int:
    """Writes a fragment's registers one after the other; answers where the next would go."""
    for operand in operands:
        bits = _register_bits(builder, operand)
        at = builder.value(f"getelementptr i8, ptr {place}, i64 {offset}")
        builder.emit(f"store i{bits} {builder.get(operand, f'i{bits}')}, ptr {at}")
        offset += bits // 8
    return offset


def _load_words(builder: Builder, place: str, offset: int, operands: Sequence[str]) -> None:
    for operand in operands:
        bits = _register_bits(builder, operand)
        at = builder.value(f"getelementptr i8, ptr {place}, i64 {offset}")
        builder.set(operand, builder.value(f"load i{bits}, ptr {at}"), f"i{bits}")
        offset += bits // 8


def _multiply(builder: Builder, op: Operation, types: Sequence[str], flags: int) -> None:
    """``types`` of d, a, b, c."""
    m, n, k = _shape(op)
    d, a, b, c = (vector(operand) for operand in op.operands[:4])
    words = [_words(builder, operands) for operands in (a, b, c, d)]
    product = next((code for name, code in _PRODUCTS.items() if name in op.flags), 0)
    codes = [_ELEMENTS[name] for name in (types[1], types[2], types[3], types[0])]
    header = m.to_bytes(2, "little") + n.to_bytes(2, "little") + k.to_bytes(2, "little") + bytes([*codes, *words, flags, product])
    place = builder.temporary(_HEADER_BYTES + 4 * sum(words))
    for at in (0, 8):
        part = builder.value(f"getelementptr i8, ptr {place}, i64 {at}")
        builder.emit(f"store i64 {int.from_bytes(header[at : at + 8], 'little')}, ptr {part}")
    offset = _HEADER_BYTES
    for operands in (a, b, c):
        offset = _store_words(builder, place, offset, operands)
    builder.call("simgpu_matrix", "%t", place)
    _load_words(builder, place, offset, d)


@instruction("mma", f"sync aligned row col satfinite popc xor and {_SHAPES} {' '.join(_ELEMENTS)}", style="branch", results=1, fibers=True)
def _mma(builder: Builder, op: Operation) -> None:
    types = _element_types(op)
    if _shape(op) == (8, 8, 4) and types[1] != "f64":
        raise op.refuse("the layout of m8n8k4 exists for f64 only since sm_80")
    if "row" not in op.flags or "col" not in op.flags:
        raise op.refuse("matrices that are not .row.col")
    _multiply(builder, op, types, _SATURATE if "satfinite" in op.flags else 0)


@instruction(
    "wmma",
    f"load store mma a b c d sync aligned row col satfinite rn global shared shared::cta {_SHAPES} {' '.join(_ELEMENTS)}",
    style="branch",
    results=1,
    fibers=True,
)
def _wmma(builder: Builder, op: Operation) -> None:
    """Fragments are laid out row by row, as loads, products and stores here agree."""
    types = _element_types(op)
    if "mma" in op.flags:
        # Half precision names d and c only; all others name d, a, b, c.
        _multiply(
            builder,
            op,
            types if len(types) == 4 else [types[0], "f16", "f16", types[1]],
            _LINEAR | (_SATURATE if "satfinite" in op.flags else 0),
        )
    else:
        _move_fragment(builder, op, types[0])


_BYTES = {"f16": 2, "bf16": 2, "tf32": 4, "f32": 4, "f64": 8, "s8": 1, "u8": 1, "s32": 4}


def _move_fragment(builder: Builder, op: Operation, type_name: str) -> None:
    """wmma.load and wmma.store; the last operand is the distance between rows or columns, in elements."""
    if type_name not in _BYTES:
        raise op.refuse("elements of less than a byte")
    store = "store" in op.flags
    registers, address, *stride = [op.operands[1], op.operands[0], *op.operands[2:]] if store else op.operands
    m, n, k = _shape(op)
    rows, columns = {"a": (m, k), "b": (k, n), "c": (m, n), "d": (m, n)}[op.choice("a", "b", "c", "d")]
    by_column = "col" in op.flags
    operands = vector(registers)
    words = _words(builder, operands)
    place = builder.temporary(4 * words)
    size = _BYTES[type_name]
    apart = builder.get(stride[0], "i32") if stride else str(rows if by_column else columns)
    shape = rows | columns << 8 | size << 16 | (4 * words // size) << 20 | int(by_column) << 30
    if store:
        _store_words(builder, place, 0, operands)
    builder.call("simgpu_fragment", "%t", generic_address(builder, op, address), apart, str(shape), place, str(int(store)))
    if not store:
        _load_words(builder, place, 0, operands)


_COUNTS = {"x1": 1, "x2": 2, "x4": 4}


def _gathered(builder: Builder, value: str) -> str:
    """Every lane's value, in a buffer of 32 64-bit words."""
    place = builder.temporary(32 * 8)
    builder.call("simgpu_gather", "%t", value, place)
    return place


@instruction(
    "ldmatrix stmatrix", "sync aligned m8n8 x1 x2 x4 trans shared shared::cta", types="b16", style="branch", results=1, fibers=True
)
def _matrix_rows(builder: Builder, op: Operation) -> None:
    """Eight lanes give the addresses of the rows of each matrix; the elements are spread over all lanes."""
    load = op.instruction.opcode == "ldmatrix"
    registers, address = op.operands if load else reversed(op.operands)
    count = _COUNTS[op.choice(*_COUNTS)]
    addresses = _gathered(builder, generic_address(builder, op, address))
    place = builder.temporary(4 * count)
    names = vector(registers)
    if not load:
        _store_words(builder, place, 0, names)
    mode = int(load) | int("trans" in op.flags) << 1 | count << 2
    builder.call("simgpu_matrix_rows", "%t", addresses, place, str(mode))
    if load:
        _load_words(builder, place, 0, names)


@instruction("movmatrix", "sync aligned m8n8 trans", types="b16", style="branch", results=1, fibers=True)
def _movmatrix(builder: Builder, op: Operation) -> None:
    """A matrix of 8x8 16-bit elements, transposed between the lanes."""
    value = builder.value(f"zext i32 {builder.get(op.operands[1], 'i32')} to i64")
    builder.set(op.operands[0], builder.call("simgpu_transposed", "%t", _gathered(builder, value)), "i32")
