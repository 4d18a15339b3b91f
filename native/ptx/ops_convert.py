"""cvt: conversions between all types, with rounding and saturation."""

from __future__ import annotations

from native.ptx.builder import Builder
from native.ptx.errors import InvalidPtx
from native.ptx.fundamental import F32, TYPES, PtxType
from native.ptx.ops_float import flush, narrow, saturate, widen
from native.ptx.ops_packed import join
from native.ptx.table import Operation, instruction

_INTEGRAL = {"rni": "roundeven", "rzi": "trunc", "rmi": "floor", "rpi": "ceil"}
_MODES = {"rn": 0, "rz": 1, "rm": 2, "rp": 3, "rna": 4}


@instruction("cvt", "rn rz rm rp rna rni rzi rmi rpi ftz sat satfinite relu")
def _cvt(builder: Builder, op: Operation) -> None:
    to, source = op.types
    if to.lanes == 2:
        _to_packed(builder, op, to, source)
    elif source.lanes == 2:
        raise op.refuse("a packed source")
    elif to.kind == "q" and to.name == "tf32":
        _to_tf32(builder, op)
    elif source.kind == "q":
        raise op.refuse("this pair of types")
    elif source.is_float and to.is_float:
        _float_to_float(builder, op, to, source)
    elif source.is_float:
        _float_to_int(builder, op, to, source)
    elif to.is_float:
        _int_to_float(builder, op, to, source)
    else:
        _int_to_int(builder, op, to, source)


def _int_to_int(builder: Builder, op: Operation, to: PtxType, source: PtxType) -> None:
    value = builder.get(op.operands[1], source.ir)
    if "sat" in op.flags:
        value = _clamp(builder, value, to, source)
    value = builder.convert(value, source.ir, to.ir, source.signed)
    # A destination register wider than the type is extended as the destination type says.
    builder.set(op.operands[0], value, to.ir, to.signed)


def _clamp(builder: Builder, value: str, to: PtxType, source: PtxType) -> str:
    low, high = (-(1 << (to.bits - 1)), (1 << (to.bits - 1)) - 1) if to.signed else (0, (1 << to.bits) - 1)
    own_low, own_high = (-(1 << (source.bits - 1)), (1 << (source.bits - 1)) - 1) if source.signed else (0, (1 << source.bits) - 1)
    prefix = "s" if source.signed else "u"
    if low > own_low:
        value = builder.intrinsic(f"{prefix}max.{source.ir}", source.ir, f"{source.ir} {value}", f"{source.ir} {low}")
    if high < own_high:
        value = builder.intrinsic(f"{prefix}min.{source.ir}", source.ir, f"{source.ir} {value}", f"{source.ir} {high}")
    return value


def _integral_mode(op: Operation) -> str:
    found = [mode for mode in _INTEGRAL if mode in op.flags]
    return _INTEGRAL[found[0]] if found else ""


def _wide(builder: Builder, op: Operation, source: PtxType) -> tuple[str, str]:
    """The source operand as float or double."""
    value = flush(builder, builder.get(op.operands[1], source.ir), source, "ftz" in op.flags)
    return widen(builder, value, source), "double" if source.bits == 64 else "float"


def _float_to_int(builder: Builder, op: Operation, to: PtxType, source: PtxType) -> None:
    """Rounds, then clamps to the destination's range; NaN gives 0 (the most negative value from f64 to 64 bits)."""
    value, ir = _wide(builder, op, source)
    rounding = _integral_mode(op)
    if not rounding:
        raise InvalidPtx("a conversion from float to integer needs .rni, .rzi, .rmi or .rpi")
    suffix = "f64" if ir == "double" else "f32"
    value = builder.intrinsic(f"{rounding}.{suffix}", ir, f"{ir} {value}")
    target = to.ir if to.bits > 8 else "i8"
    result = builder.intrinsic(f"fpto{'s' if to.signed else 'u'}i.sat.{target}.{suffix}", target, f"{ir} {value}")
    if to.bits == 64:
        nan = builder.value(f"fcmp uno {ir} {value}, 0.0")
        result = builder.value(f"select i1 {nan}, i64 {-(1 << 63)}, i64 {result}")
    builder.set(op.operands[0], result, target, to.signed)


def _int_to_float(builder: Builder, op: Operation, to: PtxType, source: PtxType) -> None:
    mode = op.choice("rn", "rz", "rm", "rp")
    value = builder.get(op.operands[1], source.ir)
    step = "sitofp" if source.signed else "uitofp"
    if to.kind in "hg":
        exact = builder.value(f"{step} {source.ir} {value} to double")
        result = builder.call("simgpu_round_f16" if to.kind == "h" else "simgpu_round_bf16", exact, str(_MODES[mode]))
        builder.set(op.operands[0], result, "i16")
        return
    if mode == "rn" or (to.bits == 64 and source.bits < 64):
        result = builder.value(f"{step} {source.ir} {value} to {to.ir}")
    else:
        wide = builder.convert(value, source.ir, "i64", source.signed)
        result = builder.call(f"simgpu_cvt_f{to.bits}_{'s' if source.signed else 'u'}64_{mode}", wide)
    builder.set(op.operands[0], saturate(builder, result, to.ir, "sat" in op.flags), to.ir)


def _float_to_float(builder: Builder, op: Operation, to: PtxType, source: PtxType) -> None:
    value, ir = _wide(builder, op, source)
    rounding = _integral_mode(op)
    if rounding:
        value = builder.intrinsic(f"{rounding}.{'f64' if ir == 'double' else 'f32'}", ir, f"{ir} {value}")
    result = _resize(builder, op, value, ir, to)
    if "relu" in op.flags:
        result = _relu(builder, result, to)
    if "sat" in op.flags:
        wide = widen(builder, result, to)
        result = narrow(builder, saturate(builder, wide, "double" if to.bits == 64 else "float", True), to)
    builder.set(op.operands[0], flush(builder, result, to, "ftz" in op.flags and to.bits == 32), to.ir)


def _resize(builder: Builder, op: Operation, value: str, ir: str, to: PtxType) -> str:
    """A float or double rounded into ``to`` as the instruction says."""
    mode = op.choice("rn", "rz", "rm", "rp", "rna", default="rn")
    if to.kind in "hg":
        if mode == "rn" and ir == "float":
            return narrow(builder, value, to)
        wide = builder.value(f"fpext float {value} to double") if ir == "float" else value
        helper = "simgpu_round_f16" if to.kind == "h" else "simgpu_round_bf16"
        return builder.convert(builder.call(helper, wide, str(_MODES[mode])), "i16", to.ir)
    if to.ir == ir:
        return value
    if to.bits == 64:
        return builder.value(f"fpext float {value} to double")
    if mode == "rn":
        return builder.value(f"fptrunc double {value} to float")
    return builder.call(f"simgpu_cvt_f32_f64_{mode}", value)


def _relu(builder: Builder, value: str, to: PtxType) -> str:
    wide = widen(builder, value, to)
    kept = builder.value(f"select i1 {builder.value(f'fcmp olt float {wide}, 0.0')}, float 0.0, float {wide}")
    return narrow(builder, kept, to)


def _to_tf32(builder: Builder, op: Operation) -> None:
    if "rna" not in op.flags and "rn" not in op.flags:
        raise op.refuse("this rounding")
    helper = "simgpu_round_tf32"
    builder.set(op.operands[0], builder.call(helper, builder.get(op.operands[1], "float")), "i32")


def _to_packed(builder: Builder, op: Operation, to: PtxType, source: PtxType) -> None:
    """``cvt.rn.f16x2.f32 d, a, b``: a becomes the upper half, b the lower."""
    if to.kind == "q":
        _to_f8(builder, op, to, source)
        return
    if source.kind == "q":
        _from_f8(builder, op, to, source)
        return
    if source is not F32:
        raise op.refuse("this source type")
    lanes = []
    for operand in (op.operands[2], op.operands[1]):
        value = flush(builder, builder.get(operand, "float"), F32, "ftz" in op.flags)
        if "satfinite" in op.flags:
            raise op.refuse(".satfinite")
        lane = _resize(builder, op, value, "float", to.element)
        lanes.append(_relu(builder, lane, to.element) if "relu" in op.flags else lane)
    builder.set(op.operands[0], join(builder, lanes, to.element.ir, 16), "i32")


_F8 = {"e4m3x2": 0, "e5m2x2": 1}


def _to_f8(builder: Builder, op: Operation, to: PtxType, source: PtxType) -> None:
    if source is F32:
        values = [builder.get(operand, "float") for operand in (op.operands[2], op.operands[1])]
    elif source.name == "f16x2":
        whole = builder.get(op.operands[1], "i32")
        halves = [builder.value(f"trunc i32 {builder.value(f'lshr i32 {whole}, {at}')} to i16") for at in (0, 16)]
        values = [builder.value(f"fpext half {builder.convert(half, 'i16', 'half')} to float") for half in halves]
    else:
        raise op.refuse("this source type")
    if "relu" in op.flags:
        values = [_relu(builder, value, F32) for value in values]
    bytes_ = [builder.call("simgpu_to_f8", value, str(_F8[to.name])) for value in values]
    builder.set(op.operands[0], join(builder, bytes_, "i8", 8), "i16")


def _from_f8(builder: Builder, op: Operation, to: PtxType, source: PtxType) -> None:
    if to.name != "f16x2":
        raise op.refuse("this destination type")
    whole = builder.get(op.operands[1], "i16")
    lanes = []
    for at in (0, 8):
        byte = builder.value(f"trunc i16 {builder.value(f'lshr i16 {whole}, {at}')} to i8")
        half = builder.convert(builder.call("simgpu_from_f8", byte, str(_F8[source.name])), "i16", "half")
        lanes.append(_relu(builder, half, TYPES["f16"]) if "relu" in op.flags else half)
    builder.set(op.operands[0], join(builder, lanes, "half", 16), "i32")
