"""Integer and logic instructions."""

from __future__ import annotations

from native.ptx.builder import Builder
from native.ptx.fundamental import PtxType
from native.ptx.ops_packed import lanewise
from native.ptx.table import Operation, instruction


def _saturated(builder: Builder, op: str, kind: PtxType, a: str, b: str) -> str:
    return builder.intrinsic(f"{'s' if kind.signed else 'u'}{op}.sat.{kind.ir}", kind.ir, f"{kind.ir} {a}", f"{kind.ir} {b}")


def add_or_subtract(builder: Builder, op: Operation) -> None:
    """Integer add, sub, addc, subc; float types are dispatched to ops_float before."""
    kind, name = op.type, op.instruction.opcode
    if kind.lanes == 2:
        lanewise(builder, op, 2, lambda a, b: builder.value(f"{name} i16 {a}, {b}"))
        return
    a, b = (builder.get(operand, kind.ir) for operand in op.operands[1:3])
    if "sat" in op.flags:
        builder.set(op.operands[0], _saturated(builder, name, kind, a, b), kind.ir)
        return
    base = name.removesuffix("c")
    carry_in = builder.get_carry() if name.endswith("c") else None
    result = _with_carry(builder, base, kind.ir, a, b, carry_in, "cc" in op.flags)
    builder.set(op.operands[0], result, kind.ir, kind.signed)


def _with_carry(builder: Builder, base: str, ir: str, a: str, b: str, carry_in: str | None, keep: bool) -> str:
    """``a op b op carry``; the carry out goes to the condition code if ``keep``."""
    if not keep and carry_in is None:
        return builder.value(f"{base} {ir} {a}, {b}")
    pair = "{" + f"{ir}, i1" + "}"
    first = builder.intrinsic(f"u{base}.with.overflow.{ir}", pair, f"{ir} {a}", f"{ir} {b}")
    result, carry = (builder.value(f"extractvalue {pair} {first}, {i}") for i in (0, 1))
    if carry_in is not None:
        wide = builder.value(f"zext i1 {carry_in} to {ir}")
        second = builder.intrinsic(f"u{base}.with.overflow.{ir}", pair, f"{ir} {result}", f"{ir} {wide}")
        result, more = (builder.value(f"extractvalue {pair} {second}, {i}") for i in (0, 1))
        carry = builder.value(f"or i1 {carry}, {more}")
    if keep:
        builder.set_carry(carry)
    return result


@instruction("addc subc", "cc")
def _extended(builder: Builder, op: Operation) -> None:
    add_or_subtract(builder, op)


def _product(builder: Builder, kind: PtxType, part: str, a: str, b: str) -> tuple[str, str]:
    """``part`` (lo, hi, wide) of a product, and its LLVM type."""
    if part == "lo":
        return builder.value(f"mul {kind.ir} {a}, {b}"), kind.ir
    wide, extend = f"i{2 * kind.bits}", "sext" if kind.signed else "zext"
    wa, wb = (builder.value(f"{extend} {kind.ir} {x} to {wide}") for x in (a, b))
    product = builder.value(f"mul {wide} {wa}, {wb}")
    if part == "wide":
        return product, wide
    high = builder.value(f"lshr {wide} {product}, {kind.bits}")
    return builder.value(f"trunc {wide} {high} to {kind.ir}"), kind.ir


def multiply(builder: Builder, op: Operation) -> None:
    """Integer mul: lo, hi or wide."""
    kind = op.type
    a, b = (builder.get(operand, kind.ir) for operand in op.operands[1:3])
    result, ir = _product(builder, kind, op.choice("lo", "hi", "wide"), a, b)
    builder.set(op.operands[0], result, ir, kind.signed)


def multiply_add(builder: Builder, op: Operation) -> None:
    """Integer mad and madc."""
    kind = op.type
    a, b = (builder.get(operand, kind.ir) for operand in op.operands[1:3])
    product, ir = _product(builder, kind, op.choice("lo", "hi", "wide"), a, b)
    c = builder.get(op.operands[3], ir)
    if "sat" in op.flags:
        builder.set(op.operands[0], _saturated(builder, "add", kind, product, c), ir)
        return
    carry_in = builder.get_carry() if op.instruction.opcode == "madc" else None
    builder.set(op.operands[0], _with_carry(builder, "add", ir, product, c, carry_in, "cc" in op.flags), ir, kind.signed)


@instruction("madc", "lo hi cc", types="u32 s32 u64 s64")
def _madc(builder: Builder, op: Operation) -> None:
    multiply_add(builder, op)


@instruction("mul24 mad24", "lo hi sat", types="u32 s32")
def _mul24(builder: Builder, op: Operation) -> None:
    kind = op.type
    shift = "ashr" if kind.signed else "lshr"
    extend = "sext" if kind.signed else "zext"
    wide = []
    for operand in op.operands[1:3]:
        top = builder.value(f"shl i32 {builder.get(operand, 'i32')}, 8")
        wide.append(builder.value(f"{extend} i32 {builder.value(f'{shift} i32 {top}, 8')} to i64"))
    product = builder.value(f"mul i64 {wide[0]}, {wide[1]}")
    if op.choice("lo", "hi") == "hi":
        product = builder.value(f"lshr i64 {product}, 16")
    result = builder.value(f"trunc i64 {product} to i32")
    if op.instruction.opcode == "mad24":
        c = builder.get(op.operands[3], "i32")
        result = _saturated(builder, "add", kind, result, c) if "sat" in op.flags else builder.value(f"add i32 {result}, {c}")
    builder.set(op.operands[0], result, "i32")


@instruction("sad", types="u16 u32 u64 s16 s32 s64")
def _sad(builder: Builder, op: Operation) -> None:
    kind = op.type
    a, b, c = (builder.get(operand, kind.ir) for operand in op.operands[1:4])
    less = builder.value(f"icmp {'slt' if kind.signed else 'ult'} {kind.ir} {a}, {b}")
    forward, backward = builder.value(f"sub {kind.ir} {a}, {b}"), builder.value(f"sub {kind.ir} {b}, {a}")
    distance = builder.value(f"select i1 {less}, {kind.ir} {backward}, {kind.ir} {forward}")
    builder.set(op.operands[0], builder.value(f"add {kind.ir} {c}, {distance}"), kind.ir)


def divide(builder: Builder, op: Operation) -> None:
    """Division never traps: by zero gives all ones (remainder: the dividend), the most negative by -1 wraps."""
    kind, ir = op.type, op.type.ir
    a, b = (builder.get(operand, ir) for operand in op.operands[1:3])
    zero = builder.value(f"icmp eq {ir} {b}, 0")
    minus = builder.value(f"icmp eq {ir} {b}, -1") if kind.signed else "false"
    special = builder.value(f"or i1 {zero}, {minus}")
    safe = builder.value(f"select i1 {special}, {ir} 1, {ir} {b}")
    name = ("s" if kind.signed else "u") + op.instruction.opcode
    result = builder.value(f"{name} {ir} {a}, {safe}")
    on_minus = builder.value(f"sub {ir} 0, {a}") if name == "sdiv" else "0"
    on_zero = "-1" if name.endswith("div") else a
    if kind.signed:
        result = builder.value(f"select i1 {minus}, {ir} {on_minus}, {ir} {result}")
    result = builder.value(f"select i1 {zero}, {ir} {on_zero}, {ir} {result}")
    builder.set(op.operands[0], result, ir, kind.signed)


@instruction("rem", types="u16 u32 u64 s16 s32 s64")
def _rem(builder: Builder, op: Operation) -> None:
    divide(builder, op)


def absolute(builder: Builder, op: Operation) -> None:
    """Integer abs."""
    ir = op.type.ir
    result = builder.intrinsic(f"abs.{ir}", ir, f"{ir} {builder.get(op.operands[1], ir)}", "i1 false")
    builder.set(op.operands[0], result, ir, True)


def negate(builder: Builder, op: Operation) -> None:
    """Integer neg."""
    ir = op.type.ir
    builder.set(op.operands[0], builder.value(f"sub {ir} 0, {builder.get(op.operands[1], ir)}"), ir, True)


def extreme(builder: Builder, op: Operation) -> None:
    """Integer min and max, packed forms and .relu included."""
    kind = op.type
    name = f"{'s' if kind.signed else 'u'}{op.instruction.opcode}"
    ir = kind.element.ir

    def pick(a: str, b: str) -> str:
        result = builder.intrinsic(f"{name}.{ir}", ir, f"{ir} {a}", f"{ir} {b}")
        return builder.intrinsic(f"smax.{ir}", ir, f"{ir} {result}", f"{ir} 0") if "relu" in op.flags else result

    if kind.lanes == 2:
        lanewise(builder, op, 2, pick)
        return
    builder.set(op.operands[0], pick(builder.get(op.operands[1], ir), builder.get(op.operands[2], ir)), ir, kind.signed)


@instruction("and or xor", types="pred b16 b32 b64")
def _logic(builder: Builder, op: Operation) -> None:
    ir = op.type.ir
    a, b = (builder.get(operand, ir) for operand in op.operands[1:3])
    builder.set(op.operands[0], builder.value(f"{op.instruction.opcode} {ir} {a}, {b}"), ir)


@instruction("not", types="pred b16 b32 b64")
def _not(builder: Builder, op: Operation) -> None:
    ir = op.type.ir
    ones = "true" if ir == "i1" else "-1"
    builder.set(op.operands[0], builder.value(f"xor {ir} {builder.get(op.operands[1], ir)}, {ones}"), ir)


@instruction("cnot", types="b16 b32 b64")
def _cnot(builder: Builder, op: Operation) -> None:
    ir = op.type.ir
    zero = builder.value(f"icmp eq {ir} {builder.get(op.operands[1], ir)}, 0")
    builder.set(op.operands[0], builder.value(f"zext i1 {zero} to {ir}"), ir)


@instruction("lop3", "and or", types="b32")
def _lop3(builder: Builder, op: Operation) -> None:
    """Any function of three bits, as the truth table in the last operand says."""
    combine = [flag for flag in ("and", "or") if flag in op.flags]
    inputs, table = op.operands[1:4], int(op.operands[4], 0)
    a, b, c = (builder.get(operand, "i32") for operand in inputs)
    result = _truth_table(builder, table, a, b, c)
    destination = op.operands[0]
    if combine:
        destination, predicate = (part.strip() for part in destination.split("|"))
        nonzero = builder.value(f"icmp ne i32 {result}, 0")
        builder.set(predicate, builder.value(f"{combine[0]} i1 {nonzero}, {builder.get(op.operands[5], 'i1')}"), "i1")
    builder.set(destination, result, "i32")


def _truth_table(builder: Builder, table: int, a: str, b: str, c: str) -> str:
    """Shannon expansion over a, then b: each step is a bitwise multiplexer, which LLVM simplifies."""

    def multiplex(selector: str, one: str, zero: str) -> str:
        if one == zero:
            return one
        difference = builder.value(f"xor i32 {one}, {zero}")
        return builder.value(f"xor i32 {builder.value(f'and i32 {difference}, {selector}')}, {zero}")

    def of_c(two: int) -> str:
        if two in (0, 3):
            return "-1" if two else "0"
        return c if two == 2 else builder.value(f"xor i32 {c}, -1")

    def of_bc(four: int) -> str:
        return multiplex(b, of_c(four >> 2), of_c(four & 3))

    return multiplex(a, of_bc(table >> 4), of_bc(table & 15))


def _clamped_shift(builder: Builder, ir: str, bits: int, name: str, a: str, amount: str) -> str:
    """A shift by any 32-bit amount: too far gives zero, or the sign for an arithmetic shift."""
    far = builder.value(f"icmp uge i32 {amount}, {bits}")
    if name == "ashr":
        kept = builder.value(f"select i1 {far}, i32 {bits - 1}, i32 {amount}")
        return builder.value(f"ashr {ir} {a}, {builder.convert(kept, 'i32', ir)}")
    kept = builder.value(f"select i1 {far}, i32 0, i32 {amount}")
    shifted = builder.value(f"{name} {ir} {a}, {builder.convert(kept, 'i32', ir)}")
    return builder.value(f"select i1 {far}, {ir} 0, {ir} {shifted}")


@instruction("shl shr", types="b16 b32 b64 u16 u32 u64 s16 s32 s64")
def _shift(builder: Builder, op: Operation) -> None:
    kind = op.type
    name = "shl" if op.instruction.opcode == "shl" else ("ashr" if kind.signed else "lshr")
    a, amount = builder.get(op.operands[1], kind.ir), op.operands[2]
    if amount.isdigit() and int(amount) < kind.bits:
        result = builder.value(f"{name} {kind.ir} {a}, {int(amount)}")
    else:
        result = _clamped_shift(builder, kind.ir, kind.bits, name, a, builder.get(amount, "i32"))
    builder.set(op.operands[0], result, kind.ir, kind.signed)


@instruction("shf", "l r clamp wrap", types="b32")
def _funnel(builder: Builder, op: Operation) -> None:
    low, high, amount = (builder.get(operand, "i32") for operand in op.operands[1:4])
    left = op.choice("l", "r") == "l"
    if op.choice("clamp", "wrap") == "clamp":
        amount = builder.intrinsic("umin.i32", "i32", f"i32 {amount}", "i32 32")
    else:
        amount = builder.value(f"and i32 {amount}, 31")
    wide = builder.value(f"zext i32 {high} to i64")
    wide = builder.value(f"or i64 {builder.value(f'shl i64 {wide}, 32')}, {builder.value(f'zext i32 {low} to i64')}")
    by = builder.value(f"zext i32 {amount} to i64")
    shifted = builder.value(f"{'shl' if left else 'lshr'} i64 {wide}, {by}")
    if left:
        shifted = builder.value(f"lshr i64 {shifted}, 32")
    builder.set(op.operands[0], builder.value(f"trunc i64 {shifted} to i32"), "i32")


@instruction("prmt", "f4e b4e rc8 ecl ecr rc16", types="b32")
def _permute(builder: Builder, op: Operation) -> None:
    a, b, selector = (builder.get(operand, "i32") for operand in op.operands[1:4])
    wide = builder.value(f"zext i32 {b} to i64")
    wide = builder.value(f"or i64 {builder.value(f'shl i64 {wide}, 32')}, {builder.value(f'zext i32 {a} to i64')}")
    mode = op.choice("f4e", "b4e", "rc8", "ecl", "ecr", "rc16", default="index")
    result = "0"
    for place in range(4):
        picked = _permute_byte(builder, wide, selector, mode, place)
        moved = builder.value(f"shl i32 {picked}, {8 * place}")
        result = builder.value(f"or i32 {result}, {moved}")
    builder.set(op.operands[0], result, "i32")


def _permute_byte(builder: Builder, wide: str, selector: str, mode: str, place: int) -> str:
    """Byte ``place`` of the result: bits 0-2 of its selector choose a source byte, bit 3 replicates the sign."""
    sign = "0"
    if mode == "index":
        nibble = builder.value(f"lshr i32 {selector}, {4 * place}")
        index = builder.value(f"and i32 {nibble}, 7")
        sign = builder.value(f"and i32 {nibble}, 8")
    else:
        index = _permute_index(builder, builder.value(f"and i32 {selector}, 3"), mode, place)
    bits = builder.value(f"zext i32 {builder.value(f'shl i32 {index}, 3')} to i64")
    byte = builder.value(f"trunc i64 {builder.value(f'lshr i64 {wide}, {bits}')} to i8")
    plain = builder.value(f"zext i8 {byte} to i32")
    if sign == "0":
        return plain
    signs = builder.value(f"ashr i8 {byte}, 7")
    filled = builder.value(f"zext i8 {signs} to i32")
    return builder.value(f"select i1 {builder.value(f'icmp ne i32 {sign}, 0')}, i32 {filled}, i32 {plain}")


def _permute_index(builder: Builder, n: str, mode: str, place: int) -> str:
    """Source byte of the fixed permutation modes for selector value n (0-3)."""
    tables = {
        "f4e": [(n_ + place) % 8 for n_ in range(4)],
        "b4e": [(n_ - place) % 8 for n_ in range(4)],
        "rc8": list(range(4)),
        "ecl": [max(n_, place) for n_ in range(4)],
        "ecr": [min(n_, place) for n_ in range(4)],
        "rc16": [(n_ & 1) * 2 + (place & 1) for n_ in range(4)],
    }
    packed = sum(value << 4 * n_ for n_, value in enumerate(tables[mode]))
    shift = builder.value(f"shl i32 {n}, 2")
    return builder.value(f"and i32 {builder.value(f'lshr i32 {packed}, {shift}')}, 15")


@instruction("popc clz", types="b32 b64")
def _count(builder: Builder, op: Operation) -> None:
    ir = op.type.ir
    a = builder.get(op.operands[1], ir)
    if op.instruction.opcode == "popc":
        result = builder.intrinsic(f"ctpop.{ir}", ir, f"{ir} {a}")
    else:
        result = builder.intrinsic(f"ctlz.{ir}", ir, f"{ir} {a}", "i1 false")
    builder.set(op.operands[0], builder.convert(result, ir, "i32"), "i32")


@instruction("bfind", "shiftamt", types="u32 u64 s32 s64")
def _bfind(builder: Builder, op: Operation) -> None:
    """Position of the most significant bit that is not sign; all ones if there is none."""
    kind, ir = op.type, op.type.ir
    a = builder.get(op.operands[1], ir)
    if kind.signed:
        a = builder.value(f"xor {ir} {a}, {builder.value(f'ashr {ir} {a}, {kind.bits - 1}')}")
    zeros = builder.intrinsic(f"ctlz.{ir}", ir, f"{ir} {a}", "i1 false")
    found = zeros if "shiftamt" in op.flags else builder.value(f"sub {ir} {kind.bits - 1}, {zeros}")
    none = builder.value(f"icmp eq {ir} {a}, 0")
    builder.set(op.operands[0], builder.convert(builder.value(f"select i1 {none}, {ir} -1, {ir} {found}"), ir, "i32"), "i32")


@instruction("fns", types="b32")
def _find_nth_set(builder: Builder, op: Operation) -> None:
    mask, base, offset = (builder.get(operand, "i32") for operand in op.operands[1:4])
    builder.set(op.operands[0], builder.call("simgpu_fns", mask, base, offset), "i32")


@instruction("brev", types="b32 b64")
def _brev(builder: Builder, op: Operation) -> None:
    ir = op.type.ir
    builder.set(op.operands[0], builder.intrinsic(f"bitreverse.{ir}", ir, f"{ir} {builder.get(op.operands[1], ir)}"), ir)


@instruction("bfe", types="u32 u64 s32 s64")
def _extract(builder: Builder, op: Operation) -> None:
    kind, ir = op.type, op.type.ir
    a = builder.get(op.operands[1], ir)
    position, length = (builder.value(f"and i32 {builder.get(operand, 'i32')}, 255") for operand in op.operands[2:4])
    signed = kind.signed
    shifted = _clamped_shift(builder, ir, kind.bits, "ashr" if signed else "lshr", a, position)
    unused = builder.value(f"sub i32 {kind.bits}, {length}")
    whole = builder.value(f"icmp sge i32 {length}, {kind.bits}")
    empty = builder.value(f"icmp eq i32 {length}, 0")
    bounded = builder.value(f"select i1 {builder.value(f'or i1 {whole}, {empty}')}, i32 0, i32 {unused}")
    by = builder.convert(bounded, "i32", ir)
    field = builder.value(f"{'ashr' if signed else 'lshr'} {ir} {builder.value(f'shl {ir} {shifted}, {by}')}, {by}")
    builder.set(op.operands[0], builder.value(f"select i1 {empty}, {ir} 0, {ir} {field}"), ir)


@instruction("bfi", types="b32 b64")
def _insert(builder: Builder, op: Operation) -> None:
    kind, ir = op.type, op.type.ir
    source, into = (builder.get(operand, ir) for operand in op.operands[1:3])
    position, length = (builder.value(f"and i32 {builder.get(operand, 'i32')}, 255") for operand in op.operands[3:5])
    ones = _clamped_shift(builder, ir, kind.bits, "shl", "-1", length)
    mask = _clamped_shift(builder, ir, kind.bits, "shl", builder.value(f"xor {ir} {ones}, -1"), position)
    moved = builder.value(f"and {ir} {_clamped_shift(builder, ir, kind.bits, 'shl', source, position)}, {mask}")
    kept = builder.value(f"and {ir} {into}, {builder.value(f'xor {ir} {mask}, -1')}")
    builder.set(op.operands[0], builder.value(f"or {ir} {moved}, {kept}"), ir)


@instruction("bmsk", "clamp wrap", types="b32")
def _bit_mask(builder: Builder, op: Operation) -> None:
    position, length = (builder.get(operand, "i32") for operand in op.operands[1:3])
    if op.choice("clamp", "wrap") == "wrap":
        position, length = (builder.value(f"and i32 {x}, 31") for x in (position, length))
    ones = builder.value(f"xor i32 {_clamped_shift(builder, 'i32', 32, 'shl', '-1', length)}, -1")
    builder.set(op.operands[0], _clamped_shift(builder, "i32", 32, "shl", ones, position), "i32")


@instruction("szext", "clamp wrap", types="u32 s32")
def _extend(builder: Builder, op: Operation) -> None:
    a, length = (builder.get(operand, "i32") for operand in op.operands[1:3])
    if op.choice("clamp", "wrap") == "wrap":
        length = builder.value(f"and i32 {length}, 31")
    length = builder.intrinsic("umin.i32", "i32", f"i32 {length}", "i32 32")
    empty = builder.value(f"icmp eq i32 {length}, 0")
    by = builder.value(f"select i1 {empty}, i32 0, i32 {builder.value(f'sub i32 32, {length}')}")
    shift = "ashr" if op.type.signed else "lshr"
    field = builder.value(f"{shift} i32 {builder.value(f'shl i32 {a}, {by}')}, {by}")
    builder.set(op.operands[0], builder.value(f"select i1 {empty}, i32 0, i32 {field}"), "i32")


def slice_of(builder: Builder, value: str, at: int, bits: int, signed: bool) -> str:
    """Some bits of a 32-bit value, extended to 32."""
    part = builder.value(f"trunc i32 {builder.value(f'lshr i32 {value}, {at}')} to i{bits}")
    return builder.value(f"{'sext' if signed else 'zext'} i{bits} {part} to i32")


@instruction("dp4a dp2a", "lo hi", types="u32 s32")
def _dot(builder: Builder, op: Operation) -> None:
    a, b, result = (builder.get(operand, "i32") for operand in op.operands[1:4])
    left, right = op.types
    terms = 4 if op.instruction.opcode == "dp4a" else 2
    bits = 32 // terms
    start = 16 if terms == 2 and op.choice("lo", "hi") == "hi" else 0
    for i in range(terms):
        x = slice_of(builder, a, bits * i, bits, left.signed)
        y = slice_of(builder, b, start + 8 * i, 8, right.signed)
        result = builder.value(f"add i32 {result}, {builder.value(f'mul i32 {x}, {y}')}")
    builder.set(op.operands[0], result, "i32")
