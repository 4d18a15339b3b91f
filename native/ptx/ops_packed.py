"""Packed types: two 16-bit (or 32-bit) lanes in one register, worked on one after the other; LLVM rejoins them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from native.ptx.builder import Builder
from native.ptx.fundamental import PtxType
from native.ptx.table import Operation


def split(builder: Builder, operand: str, kind: PtxType) -> list[str]:
    """The lanes of a packed operand, low first, each as the element's LLVM type."""
    whole = builder.get(operand, kind.ir)
    half = kind.bits // 2
    lanes = []
    for at in (0, half):
        moved = builder.value(f"lshr {kind.ir} {whole}, {at}") if at else whole
        bits = builder.value(f"trunc {kind.ir} {moved} to i{half}")
        lanes.append(builder.convert(bits, f"i{half}", kind.element.ir))
    return lanes


def join(builder: Builder, lanes: Sequence[str], ir: str, bits: int) -> str:
    """Packs two lanes (low, high) of LLVM type ``ir``, each of ``bits`` bits."""
    wide = f"i{2 * bits}"
    parts = [builder.value(f"zext i{bits} {builder.convert(lane, ir, f'i{bits}')} to {wide}") for lane in lanes]
    return builder.value(f"or {wide} {builder.value(f'shl {wide} {parts[1]}, {bits}')}, {parts[0]}")


def lanewise(builder: Builder, op: Operation, arity: int, function: Callable[..., str]) -> None:
    """Applies ``function`` to the lanes of ``arity`` packed operands; the result is packed again."""
    kind = op.type
    columns = [split(builder, operand, kind) for operand in op.operands[1 : 1 + arity]]
    lanes = [function(*lane) for lane in zip(*columns, strict=True)]
    builder.set(op.operands[0], join(builder, lanes, kind.element.ir, kind.bits // 2), kind.ir)
