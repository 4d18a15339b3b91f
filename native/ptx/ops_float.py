"""Floating-point instructions, and the opcodes that integers and floats share (add, mul, mad, div, min, neg …)."""

from __future__ import annotations

from native.ptx import ops_integer
from native.ptx.builder import Builder
from native.ptx.fundamental import PtxType
from native.ptx.ops_packed import lanewise
from native.ptx.table import ROUNDING, Operation, instruction

_SYMBOLS = {"add": "fadd", "sub": "fsub", "mul": "fmul", "div": "fdiv"}


def flush(builder: Builder, value: str, kind: PtxType, wanted: bool) -> str:
    """.ftz: a subnormal becomes a zero of its sign."""
    if not wanted or kind.ir not in ("float", "half"):
        return value
    return builder.prelude("flush_f32" if kind.ir == "float" else "flush_f16", kind.ir, f"{kind.ir} {value}")


def saturate(builder: Builder, value: str, ir: str, wanted: bool) -> str:
    """.sat: into [0, 1], NaN to +0."""
    if not wanted:
        return value
    suffix = {"float": "f32", "double": "f64", "half": "f16"}[ir]
    zero, one = ("0xH0000", "0xH3C00") if ir == "half" else ("0.0", "1.0")
    low = builder.value(f"fcmp ogt {ir} {value}, {zero}")
    bounded = builder.value(f"select i1 {low}, {ir} {value}, {ir} {zero}")
    return builder.intrinsic(f"minnum.{suffix}", ir, f"{ir} {bounded}", f"{ir} {one}")


def widen(builder: Builder, value: str, kind: PtxType) -> str:
    """A half or bfloat16 as float; floats as they are."""
    if kind.kind == "h":
        return builder.value(f"fpext half {value} to float")
    return builder.prelude("from_bf16", "float", f"i16 {value}") if kind.kind == "g" else value


def narrow(builder: Builder, value: str, kind: PtxType) -> str:
    """The inverse of widen, rounding to nearest even."""
    if kind.kind == "h":
        return builder.value(f"fptrunc float {value} to half")
    return builder.prelude("to_bf16", "i16", f"float {value}") if kind.kind == "g" else value


def _apply(builder: Builder, op: Operation, arity: int, function: object) -> None:
    """Reads ``arity`` operands of the operation's type, flushes, computes, saturates, writes; packed types lane by lane."""
    kind = op.type.element
    ftz = "ftz" in op.flags

    def lane(*operands: str) -> str:
        inputs = [flush(builder, operand, kind, ftz) for operand in operands]
        result = function(*inputs)  # type: ignore[operator]
        result = flush(builder, result, kind, ftz)
        return _saturate_any(builder, result, kind, op)

    if op.type.lanes == 2:
        lanewise(builder, op, arity, lane)
        return
    values = [builder.get(operand, kind.ir) for operand in op.operands[1 : 1 + arity]]
    builder.set(op.operands[0], lane(*values), kind.ir)


def _saturate_any(builder: Builder, value: str, kind: PtxType, op: Operation) -> str:
    if "relu" in op.flags:
        value = _relu(builder, value, kind)
    if "sat" not in op.flags:
        return value
    if kind.kind == "g":
        return narrow(builder, saturate(builder, widen(builder, value, kind), "float", True), kind)
    return saturate(builder, value, kind.ir, True)


def _relu(builder: Builder, value: str, kind: PtxType) -> str:
    """Negative values become zero, NaN stays (canonical)."""
    wide = widen(builder, value, kind)
    negative = builder.value(f"fcmp olt float {wide}, 0.0")
    kept = builder.value(f"select i1 {negative}, float 0.0, float {wide}")
    return narrow(builder, kept, kind)


def _rounding(op: Operation) -> str:
    return op.choice("rn", "rz", "rm", "rp", default="rn")


def _arithmetic(builder: Builder, op: Operation, name: str) -> None:
    kind, mode = op.type.element, _rounding(op)
    if kind.kind == "f" and mode != "rn":
        helper_op, suffix = ("add" if name == "sub" else name), f"f{kind.bits}"

        def directed(a: str, b: str) -> str:
            right = builder.value(f"fneg {kind.ir} {b}") if name == "sub" else b
            return builder.call(f"simgpu_{helper_op}_{suffix}_{mode}", a, right)

        _apply(builder, op, 2, directed)
        return
    if mode != "rn":
        raise op.refuse(f"rounding .{mode}")

    def nearest(a: str, b: str) -> str:
        wide_a, wide_b = widen(builder, a, kind), widen(builder, b, kind)
        ir = "double" if kind.ir == "double" else "float"
        return narrow(builder, builder.value(f"{_SYMBOLS[name]} {ir} {wide_a}, {wide_b}"), kind)

    _apply(builder, op, 2, nearest)


@instruction("add sub", f"sat ftz cc relu {ROUNDING}")
def _add(builder: Builder, op: Operation) -> None:
    if not op.type.is_float:
        ops_integer.add_or_subtract(builder, op)
    elif len(op.types) == 2:
        _mixed_add(builder, op)
    else:
        _arithmetic(builder, op, op.instruction.opcode)


def _mixed_add(builder: Builder, op: Operation) -> None:
    """``add.f32.f16``: the narrow operand is widened first."""
    narrow_type = op.types[1]
    a = widen(builder, builder.get(op.operands[1], narrow_type.ir), narrow_type)
    b = builder.get(op.operands[2], "float")
    mode = _rounding(op)
    if op.instruction.opcode == "sub":
        b = builder.value(f"fneg float {b}")
    result = builder.value(f"fadd float {a}, {b}") if mode == "rn" else builder.call(f"simgpu_add_f32_{mode}", a, b)
    builder.set(op.operands[0], saturate(builder, result, "float", "sat" in op.flags), "float")


@instruction("mul", f"lo hi wide sat ftz relu {ROUNDING}")
def _mul(builder: Builder, op: Operation) -> None:
    if op.type.is_float:
        _arithmetic(builder, op, "mul")
    else:
        ops_integer.multiply(builder, op)


@instruction("mad", f"lo hi wide sat cc ftz {ROUNDING}")
def _mad(builder: Builder, op: Operation) -> None:
    if op.type.is_float:
        _fused(builder, op)
    else:
        ops_integer.multiply_add(builder, op)


@instruction("fma", f"sat ftz relu oob {ROUNDING}", types="f16 f16x2 bf16 bf16x2 f32 f64 f32x2")
def _fma(builder: Builder, op: Operation) -> None:
    if "oob" in op.flags:
        raise op.refuse("modifier .oob")
    if len(op.types) == 2:
        _mixed_fma(builder, op)
    else:
        _fused(builder, op)


def _mixed_fma(builder: Builder, op: Operation) -> None:
    narrow_type = op.types[1]
    a, b = (widen(builder, builder.get(operand, narrow_type.ir), narrow_type) for operand in op.operands[1:3])
    result = _fma_float(builder, "float", _rounding(op), a, b, builder.get(op.operands[3], "float"))
    builder.set(op.operands[0], saturate(builder, result, "float", "sat" in op.flags), "float")


def _fma_float(builder: Builder, ir: str, mode: str, a: str, b: str, c: str) -> str:
    suffix = "f32" if ir == "float" else "f64"
    if mode != "rn":
        return builder.call(f"simgpu_fma_{suffix}_{mode}", a, b, c)
    return builder.intrinsic(f"fma.{suffix}", ir, f"{ir} {a}", f"{ir} {b}", f"{ir} {c}")


def _fused(builder: Builder, op: Operation) -> None:
    kind, mode = op.type.element, _rounding(op)

    def fused(a: str, b: str, c: str) -> str:
        if kind.kind == "f":
            return _fma_float(builder, kind.ir, mode, a, b, c)
        bits = [builder.convert(x, kind.ir, "i16") for x in (a, b, c)]
        helper = "simgpu_fma_f16" if kind.kind == "h" else "simgpu_fma_bf16"
        return builder.convert(builder.call(helper, *bits), "i16", kind.ir)

    _apply(builder, op, 3, fused)


@instruction("div", f"full approx ftz {ROUNDING}")
def _div(builder: Builder, op: Operation) -> None:
    if op.type.is_float:
        _arithmetic(builder, op, "div")
    else:
        ops_integer.divide(builder, op)


@instruction("rcp", f"approx ftz {ROUNDING}", types="f32 f64")
def _rcp(builder: Builder, op: Operation) -> None:
    ir, mode = op.type.ir, _rounding(op)

    def reciprocal(x: str) -> str:
        if mode != "rn":
            return builder.call(f"simgpu_div_f{op.type.bits}_{mode}", "1.0", x)
        return builder.value(f"fdiv {ir} 1.0, {x}")

    _apply(builder, op, 1, reciprocal)


@instruction("sqrt", f"approx ftz {ROUNDING}", types="f32 f64")
def _sqrt(builder: Builder, op: Operation) -> None:
    kind, mode = op.type, _rounding(op)

    def root(x: str) -> str:
        if mode != "rn":
            return builder.call(f"simgpu_sqrt_f{kind.bits}_{mode}", x)
        return builder.intrinsic(f"sqrt.f{kind.bits}", kind.ir, f"{kind.ir} {x}")

    _apply(builder, op, 1, root)


@instruction("rsqrt", "approx ftz", types="f32 f64")
def _rsqrt(builder: Builder, op: Operation) -> None:
    """Computed in double, so that the float result is within half a unit in the last place."""
    kind = op.type

    def inverse_root(x: str) -> str:
        wide = builder.value(f"fpext float {x} to double") if kind.bits == 32 else x
        result = builder.value(f"fdiv double 1.0, {builder.intrinsic('sqrt.f64', 'double', f'double {wide}')}")
        return builder.value(f"fptrunc double {result} to float") if kind.bits == 32 else result

    _apply(builder, op, 1, inverse_root)


_LIBRARY = {"sin": "sin", "cos": "cos", "lg2": "log2", "ex2": "exp2"}


@instruction("sin cos lg2 ex2", "approx ftz", types="f16 f16x2 bf16 bf16x2 f32 f64")
def _transcendental(builder: Builder, op: Operation) -> None:
    kind, name = op.type.element, _LIBRARY[op.instruction.opcode]

    def compute(x: str) -> str:
        if kind.bits == 64:
            return builder.intrinsic(f"{name}.f64", "double", f"double {x}")
        return narrow(builder, builder.intrinsic(f"{name}.f32", "float", f"float {widen(builder, x, kind)}"), kind)

    _apply(builder, op, 1, compute)


@instruction("tanh", "approx ftz", types="f16 f16x2 bf16 bf16x2 f32")
def _tanh(builder: Builder, op: Operation) -> None:
    kind = op.type.element
    builder.kernel.declare("declare float @tanhf(float) nounwind")

    def compute(x: str) -> str:
        return narrow(builder, builder.value(f"call float @tanhf(float {widen(builder, x, kind)})"), kind)

    _apply(builder, op, 1, compute)


@instruction("neg abs", "ftz")
def _sign(builder: Builder, op: Operation) -> None:
    kind, name = op.type.element, op.instruction.opcode
    if not kind.is_float:
        (ops_integer.negate if name == "neg" else ops_integer.absolute)(builder, op)
        return

    def change(x: str) -> str:
        if kind.kind == "g":
            return builder.value(f"xor i16 {x}, -32768") if name == "neg" else builder.value(f"and i16 {x}, 32767")
        if name == "neg":
            return builder.value(f"fneg {kind.ir} {x}")
        return builder.intrinsic(f"fabs.f{kind.bits}", kind.ir, f"{kind.ir} {x}")

    _apply(builder, op, 1, change)


@instruction("min max", "ftz NaN abs relu xorsign", types="u16 u32 u64 s16 s32 s64 u16x2 s16x2 f16 f16x2 bf16 bf16x2 f32 f64")
def _extreme(builder: Builder, op: Operation) -> None:
    kind = op.type.element
    if not kind.is_float:
        ops_integer.extreme(builder, op)
        return

    def pick(*values: str) -> str:
        wide = [widen(builder, value, kind) for value in values]
        ir = "double" if kind.bits == 64 else "float"
        return narrow(builder, _pick_float(builder, op, ir, wide), kind)

    _apply(builder, op, len(op.operands) - 1, pick)


def _pick_float(builder: Builder, op: Operation, ir: str, values: list[str]) -> str:
    """min/max of two or three: without .NaN a NaN loses against a number, and -0 is less than +0."""
    suffix = "f64" if ir == "double" else "f32"
    name = op.instruction.opcode + ("imum" if "NaN" in op.flags else "imumnum")
    signs = [builder.convert(value, ir, f"i{suffix[1:]}") for value in values]
    if "abs" in op.flags:
        values = [builder.intrinsic(f"fabs.{suffix}", ir, f"{ir} {value}") for value in values]
    result = values[0]
    for value in values[1:]:
        result = builder.intrinsic(f"{name}.{suffix}", ir, f"{ir} {result}", f"{ir} {value}")
    if "xorsign" in op.flags:
        mixed = builder.value(f"xor i{suffix[1:]} {signs[0]}, {signs[1]}")
        result = builder.intrinsic(f"copysign.{suffix}", ir, f"{ir} {result}", f"{ir} {builder.convert(mixed, f'i{suffix[1:]}', ir)}")
    return _canonical(builder, result, ir)


def _canonical(builder: Builder, value: str, ir: str) -> str:
    """Any NaN as the GPU's one NaN."""
    nan = builder.value(f"fcmp uno {ir} {value}, 0.0")
    canonical = "0x7FFFFFFFE0000000" if ir == "float" else "0x7FFFFFFFFFFFFFFF"
    return builder.value(f"select i1 {nan}, {ir} {canonical}, {ir} {value}")


@instruction("copysign", types="f32 f64")
def _copysign(builder: Builder, op: Operation) -> None:
    """``copysign d, a, b``: the sign of a, the magnitude of b."""
    ir = op.type.ir
    sign, magnitude = (builder.get(operand, ir) for operand in op.operands[1:3])
    result = builder.intrinsic(f"copysign.f{op.type.bits}", ir, f"{ir} {magnitude}", f"{ir} {sign}")
    builder.set(op.operands[0], result, ir)


# LLVM's is.fpclass bits.
_CLASSES = {"finite": 0x1F8, "infinite": 0x204, "number": 0x3FC, "notanumber": 0x003, "normal": 0x108, "subnormal": 0x090}


@instruction("testp", " ".join(_CLASSES), types="f32 f64")
def _testp(builder: Builder, op: Operation) -> None:
    mask = _CLASSES[op.choice(*_CLASSES)]
    x = builder.get(op.operands[1], op.type.ir)
    builder.set(op.operands[0], builder.intrinsic(f"is.fpclass.f{op.type.bits}", "i1", f"{op.type.ir} {x}", f"i32 {mask}"), "i1")
