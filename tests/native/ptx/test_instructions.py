"""Each row is one instruction, run on interesting operands and compared with Python's arithmetic.

In a row the registers %r1-%r3, %rd1-%rd3, %rs1-%rs3, %f1-%f3 and %fd1-%fd3 are three views of the same three inputs; the
result goes to register 0 of a class (%p0 for predicates), which is what the row's function returns as an unsigned integer.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from fractions import Fraction

import pytest

from tests.native.ptx.harness import Gpu

INPUTS = [
    (0, 0, 0),
    (1, 2, 3),
    (0xFFFFFFFF, 1, 0xFFFFFFFF),
    (0x80000000, 0xFFFFFFFF, 5),
    (0x7FFFFFFF, 0x7FFFFFFF, 0x80000000),
    (0x12345678, 0x9ABCDEF0, 0x0F1E2D3C),
    (0x8000000000000000, 0xFFFFFFFFFFFFFFFF, 7),
    (0x123456789ABCDEF0, 0x0FEDCBA987654321, 0x1122334455667788),
    (13, 4, 9),
    (0x40490FDB, 0x3F800000, 0xC0200000),  # pi, 1, -2.5
    (0x3FC00000, 0x40200000, 0x3DCCCCCD),  # 1.5, 2.5, 0.1
    (0x7FC00000, 0x3F800000, 0x7F800000),  # NaN, 1, inf
    (0x80000000, 0x00000000, 0x00000001),  # -0, +0, smallest subnormal
    (0x400921FB54442D18, 0x3FF8000000000000, 0xC004000000000000),  # pi, 1.5, -2.5 as doubles
    (0x3C003E00, 0xC1004200, 0x00014400),  # halves
]

M16, M32, M64 = (1 << 16) - 1, (1 << 32) - 1, (1 << 64) - 1


def s16(x: int) -> int:
    """The low 16 bits, signed."""
    return (x & M16) - ((x & 0x8000) << 1)


def s32(x: int) -> int:
    """The low 32 bits, signed."""
    return (x & M32) - ((x & 0x80000000) << 1)


def s64(x: int) -> int:
    """The low 64 bits, signed."""
    return (x & M64) - ((x & 1 << 63) << 1)


def u32(x: int) -> int:
    """The low 32 bits."""
    return x & M32


def clamp(x: int, low: int, high: int) -> int:
    """The nearest value within bounds."""
    return max(low, min(high, x))


def f32(bits: int) -> float:
    """Bits as single."""
    return float(struct.unpack("<f", struct.pack("<I", bits & M32))[0])


def f64(bits: int) -> float:
    """Bits as double."""
    return float(struct.unpack("<d", struct.pack("<Q", bits & M64))[0])


def f16(bits: int) -> float:
    """Bits as half."""
    return float(struct.unpack("<e", struct.pack("<H", bits & M16))[0])


def b32(x: float) -> int:
    """Nearest single, from a value that double arithmetic has at most harmlessly rounded."""
    if math.isnan(x):
        return 0x7FFFFFFF
    try:
        return int(struct.unpack("<I", struct.pack("<f", x))[0])
    except OverflowError:
        return 0x7F800000 if x > 0 else 0xFF800000


def b64(x: float) -> int:
    """A double as bits."""
    return 0x7FFFFFFFFFFFFFFF if math.isnan(x) else int(struct.unpack("<Q", struct.pack("<d", x))[0])


def b16(x: float) -> int:
    """The nearest half, as bits."""
    if math.isnan(x):
        return 0x7FFF
    try:
        return int(struct.unpack("<H", struct.pack("<e", x))[0])
    except OverflowError:
        return 0x7C00 if x > 0 else 0xFC00


def divided(a: float, b: float) -> float:
    """Division with the infinities of IEEE 754."""
    if b == 0:
        return math.nan if a == 0 or math.isnan(a) else math.copysign(math.inf, a) * math.copysign(1, b)
    return a / b


def fused(a: float, b: float, c: float) -> float:
    """a*b+c as a double whose rounding to single is right: exact sums are rounded to odd."""
    if not all(map(math.isfinite, (a, b, c))):
        return a * b + c
    exact = Fraction(a) * Fraction(b) + Fraction(c)
    if exact == 0:
        return a * b + c
    near = float(exact)
    if Fraction(near) == exact or b64(near) & 1:
        return near
    return f64(b64(near) + (1 if (Fraction(near) < exact) == (near > 0) else -1))


def truncated(x: float, low: int, high: int, rounding: Callable[[float], float]) -> int:
    """Float to integer as PTX does it: NaN is 0, the rest saturates."""
    if math.isnan(x):
        return 0
    if math.isinf(x):
        return high if x > 0 else low
    return clamp(int(rounding(x)), low, high)


def halves(function: Callable[[float, float], float]) -> Callable[[int, int, int], int]:
    """A function of two halves applied to both lanes."""
    return lambda a, b, c: b16(function(f16(a), f16(b))) | b16(function(f16(a >> 16), f16(b >> 16))) << 16


def bfind(x: int) -> int:
    """Position of the highest set bit."""
    return x.bit_length() - 1 if x else M32


def tdiv(a: int, b: int) -> int:
    """Division that truncates."""
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def prmt(a: int, b: int, selector: int) -> int:
    """Byte permutation in index mode."""
    source = (a & M32) | (b & M32) << 32
    result = 0
    for place in range(4):
        nibble = selector >> 4 * place & 15
        byte = source >> 8 * (nibble & 7) & 255
        result |= (255 * (byte >> 7) if nibble & 8 else byte) << 8 * place
    return result


def lop3(table: int) -> Callable[[int, int, int], int]:
    """Any function of three bits by its truth table."""

    def compute(a: int, b: int, c: int) -> int:
        return sum((table >> ((a >> i & 1) << 2 | (b >> i & 1) << 1 | (c >> i & 1)) & 1) << i for i in range(32))

    return compute


def maximum(a: float, b: float) -> float:
    """The larger; a number wins against NaN, +0 against -0."""
    if math.isnan(a) or math.isnan(b):
        return b if math.isnan(a) else a
    if a == b == 0:
        return a if math.copysign(1, a) > 0 else b
    return max(a, b)


ROWS: list[tuple[str, Callable[[int, int, int], int]]] = [
    ("add.s32 %r0, %r1, %r2;", lambda a, b, c: u32(a + b)),
    ("add.s32 %r0, %r1, -5;", lambda a, b, c: u32(a - 5)),
    ("add.sat.s32 %r0, %r1, %r2;", lambda a, b, c: u32(clamp(s32(a) + s32(b), -(1 << 31), (1 << 31) - 1))),
    ("add.u64 %rd0, %rd1, %rd2;", lambda a, b, c: a + b & M64),
    ("add.s16 %rs0, %rs1, %rs2;", lambda a, b, c: a + b & M16),
    ("sub.s32 %r0, %r1, %r2;", lambda a, b, c: u32(a - b)),
    ("sub.sat.s32 %r0, %r1, %r2;", lambda a, b, c: u32(clamp(s32(a) - s32(b), -(1 << 31), (1 << 31) - 1))),
    ("add.cc.u32 %r4, %r1, %r2; addc.u32 %r0, %r3, 0;", lambda a, b, c: u32(c + (u32(a) + u32(b) >> 32))),
    ("sub.cc.u32 %r4, %r1, %r2; subc.u32 %r0, %r3, 0;", lambda a, b, c: u32(c - (u32(a) < u32(b)))),
    ("mad.lo.cc.u32 %r4, %r1, %r2, %r3; madc.hi.u32 %r0, %r1, %r2, 0;", lambda a, b, c: u32(u32(a) * u32(b) + u32(c) >> 32)),
    ("mul.lo.s32 %r0, %r1, %r2;", lambda a, b, c: u32(a * b)),
    ("mul.hi.s32 %r0, %r1, %r2;", lambda a, b, c: u32(s32(a) * s32(b) >> 32)),
    ("mul.hi.u32 %r0, %r1, %r2;", lambda a, b, c: u32(u32(a) * u32(b) >> 32)),
    ("mul.hi.u64 %rd0, %rd1, %rd2;", lambda a, b, c: a * b >> 64),
    ("mul.wide.s32 %rd0, %r1, %r2;", lambda a, b, c: s32(a) * s32(b) & M64),
    ("mul.wide.u16 %r0, %rs1, %rs2;", lambda a, b, c: (a & M16) * (b & M16)),
    ("mad.lo.s32 %r0, %r1, %r2, %r3;", lambda a, b, c: u32(a * b + c)),
    ("mad.wide.u32 %rd0, %r1, %r2, %rd3;", lambda a, b, c: u32(a) * u32(b) + c & M64),
    ("mad.hi.sat.s32 %r0, %r1, %r2, %r3;", lambda a, b, c: u32(clamp((s32(a) * s32(b) >> 32) + s32(c), -(1 << 31), (1 << 31) - 1))),
    ("mul24.lo.u32 %r0, %r1, %r2;", lambda a, b, c: u32((a & 0xFFFFFF) * (b & 0xFFFFFF))),
    ("sad.u32 %r0, %r1, %r2, %r3;", lambda a, b, c: u32(abs(u32(a) - u32(b)) + c)),
    ("div.s32 %r0, %r1, %r2;", lambda a, b, c: u32(tdiv(s32(a), s32(b))) if u32(b) else M32),
    ("div.u64 %rd0, %rd1, %rd2;", lambda a, b, c: a // b if b else M64),
    ("rem.s32 %r0, %r1, %r2;", lambda a, b, c: u32(s32(a) - tdiv(s32(a), s32(b)) * s32(b)) if u32(b) else u32(a)),
    ("rem.u32 %r0, %r1, %r2;", lambda a, b, c: u32(a) % u32(b) if u32(b) else u32(a)),
    ("abs.s32 %r0, %r1;", lambda a, b, c: u32(abs(s32(a)))),
    ("neg.s64 %rd0, %rd1;", lambda a, b, c: -a & M64),
    ("min.s32 %r0, %r1, %r2;", lambda a, b, c: u32(min(s32(a), s32(b)))),
    ("max.u32 %r0, %r1, %r2;", lambda a, b, c: max(u32(a), u32(b))),
    ("max.s16x2 %r0, %r1, %r2;", lambda a, b, c: max(s16(a), s16(b)) & M16 | (max(s16(a >> 16), s16(b >> 16)) & M16) << 16),
    ("popc.b64 %r0, %rd1;", lambda a, b, c: a.bit_count()),
    ("clz.b32 %r0, %r1;", lambda a, b, c: 32 - u32(a).bit_length()),
    ("bfind.u32 %r0, %r1;", lambda a, b, c: bfind(u32(a))),
    ("bfind.s32 %r0, %r1;", lambda a, b, c: bfind(u32(a) if s32(a) >= 0 else u32(~a))),
    ("bfind.shiftamt.u32 %r0, %r1;", lambda a, b, c: 31 - bfind(u32(a)) if u32(a) else M32),
    ("brev.b32 %r0, %r1;", lambda a, b, c: int(f"{u32(a):032b}"[::-1], 2)),
    ("bfe.u32 %r0, %r1, 4, 12;", lambda a, b, c: u32(a) >> 4 & 0xFFF),
    ("bfe.s32 %r0, %r1, 8, 8;", lambda a, b, c: u32(((u32(a) >> 8 & 255) ^ 128) - 128)),
    ("bfe.s32 %r0, %r1, 40, 8;", lambda a, b, c: u32(s32(a) >> 31)),
    ("bfe.u32 %r0, %r1, 4, 0;", lambda a, b, c: 0),
    ("bfi.b32 %r0, %r1, %r2, 8, 16;", lambda a, b, c: u32(b) & ~0xFFFF00 | (a & 0xFFFF) << 8),
    ("bfi.b64 %rd0, %rd1, %rd2, 32, 32;", lambda a, b, c: b & M32 | (a & M32) << 32),
    ("bmsk.clamp.b32 %r0, 4, 8;", lambda a, b, c: 0xFF0),
    ("szext.clamp.s32 %r0, %r1, 8;", lambda a, b, c: u32((a & 255 ^ 128) - 128)),
    ("fns.b32 %r0, %r1, 0, 2;", lambda a, b, c: ([i for i in range(32) if a >> i & 1] + [M32, M32])[1]),
    ("and.b32 %r0, %r1, %r2;", lambda a, b, c: u32(a & b)),
    ("xor.b64 %rd0, %rd1, %rd2;", lambda a, b, c: a ^ b),
    ("not.b32 %r0, %r1;", lambda a, b, c: u32(~a)),
    ("cnot.b32 %r0, %r1;", lambda a, b, c: int(u32(a) == 0)),
    ("lop3.b32 %r0, %r1, %r2, %r3, 0xE8;", lop3(0xE8)),
    ("lop3.b32 %r0, %r1, %r2, %r3, 150;", lop3(150)),
    ("shl.b32 %r0, %r1, %r2;", lambda a, b, c: u32(a << u32(b)) if u32(b) < 32 else 0),
    ("shr.s32 %r0, %r1, %r2;", lambda a, b, c: u32(s32(a) >> min(u32(b), 31))),
    ("shr.u64 %rd0, %rd1, 33;", lambda a, b, c: a >> 33),
    ("shf.l.wrap.b32 %r0, %r1, %r2, %r3;", lambda a, b, c: u32((u32(b) << 32 | u32(a)) << (c & 31) >> 32)),
    ("shf.r.clamp.b32 %r0, %r1, %r2, %r3;", lambda a, b, c: u32((u32(b) << 32 | u32(a)) >> min(u32(c), 32))),
    ("prmt.b32 %r0, %r1, %r2, 0x7250;", lambda a, b, c: prmt(a, b, 0x7250)),
    ("prmt.b32 %r0, %r1, %r2, %r3;", prmt),
    (
        "dp4a.s32.s32 %r0, %r1, %r2, %r3;",
        lambda a, b, c: u32(c + sum(((a >> s & 255 ^ 128) - 128) * ((b >> s & 255 ^ 128) - 128) for s in (0, 8, 16, 24))),
    ),
    ("dp2a.lo.u32.u32 %r0, %r1, %r2, %r3;", lambda a, b, c: u32(c + (a & M16) * (b & 255) + (a >> 16 & M16) * (b >> 8 & 255))),
    # comparisons and selections
    ("setp.lt.s32 %p0, %r1, %r2;", lambda a, b, c: int(s32(a) < s32(b))),
    ("setp.hi.u32 %p0, %r1, %r2;", lambda a, b, c: int(u32(a) > u32(b))),
    ("setp.ltu.f32 %p0, %f1, %f2;", lambda a, b, c: int(not f32(a) >= f32(b))),
    ("setp.ne.f32 %p0, %f1, %f2;", lambda a, b, c: int(f32(a) < f32(b) or f32(a) > f32(b))),
    ("setp.nan.f32 %p0, %f1, %f2;", lambda a, b, c: int(math.isnan(f32(a)) or math.isnan(f32(b)))),
    ("setp.eq.s32 %p1, %r1, %r1; setp.gt.and.s32 %p0, %r1, %r2, !%p1;", lambda a, b, c: 0),
    ("set.lt.u32.s32 %r0, %r1, %r2;", lambda a, b, c: M32 if s32(a) < s32(b) else 0),
    ("set.lt.f32.s32 %f0, %r1, %r2;", lambda a, b, c: 0x3F800000 if s32(a) < s32(b) else 0),
    ("setp.lt.s32 %p1, %r1, %r2; selp.b32 %r0, %r1, %r2, %p1;", lambda a, b, c: u32(min(s32(a), s32(b)))),
    ("slct.b32.s32 %r0, %r1, %r2, %r3;", lambda a, b, c: u32(a) if s32(c) >= 0 else u32(b)),
    ("setp.lt.s32 %p1, %r1, %r2; mov.u32 %r0, 7; @%p1 mov.u32 %r0, %r3;", lambda a, b, c: u32(c) if s32(a) < s32(b) else 7),
    ("setp.lt.s32 %p1, %r1, %r2; mov.u32 %r0, 7; @!%p1 add.u32 %r0, %r0, %r3;", lambda a, b, c: 7 if s32(a) < s32(b) else u32(c + 7)),
    ("mov.b64 {%r4, %r5}, %rd1; mov.b64 %rd0, {%r5, %r4};", lambda a, b, c: a >> 32 | (a & M32) << 32),
    ("mov.b32 {%rs4, %rs5}, %r1; mov.b32 %r0, {%rs5, %rs4};", lambda a, b, c: u32(a) >> 16 | (a & M16) << 16),
    # single and double
    ("add.f32 %f0, %f1, %f2;", lambda a, b, c: b32(f32(a) + f32(b))),
    ("sub.f64 %fd0, %fd1, %fd2;", lambda a, b, c: b64(f64(a) - f64(b))),
    ("mul.f32 %f0, %f1, %f2;", lambda a, b, c: b32(f32(a) * f32(b))),
    ("mul.sat.f32 %f0, %f1, %f2;", lambda a, b, c: b32(0.0 if math.isnan(x := f32(a) * f32(b)) or x <= 0 else min(x, 1.0))),
    ("fma.rn.f32 %f0, %f1, %f2, %f3;", lambda a, b, c: b32(fused(f32(a), f32(b), f32(c)))),
    ("div.rn.f32 %f0, %f1, %f2;", lambda a, b, c: b32(divided(f32(a), f32(b)))),
    ("rcp.rn.f64 %fd0, %fd1;", lambda a, b, c: b64(divided(1.0, f64(a)))),
    ("sqrt.rn.f32 %f0, %f1;", lambda a, b, c: b32(math.nan if f32(a) < 0 else (f32(a) if f32(a) == 0 else math.sqrt(f32(a))))),
    ("neg.f32 %f0, %f1;", lambda a, b, c: b32(-f32(a))),
    ("abs.f64 %fd0, %fd1;", lambda a, b, c: b64(abs(f64(a)))),
    ("max.f32 %f0, %f1, %f2;", lambda a, b, c: b32(maximum(f32(a), f32(b)))),
    ("max.NaN.f32 %f0, %f1, %f2;", lambda a, b, c: 0x7FFFFFFF if math.isnan(f32(a) + f32(b)) else b32(maximum(f32(a), f32(b)))),
    ("copysign.f32 %f0, %f1, %f2;", lambda a, b, c: u32(a) & 0x80000000 | u32(b) & 0x7FFFFFFF),
    ("testp.finite.f32 %p0, %f1;", lambda a, b, c: int(math.isfinite(f32(a)))),
    ("testp.subnormal.f32 %p0, %f1;", lambda a, b, c: int(u32(a) & 0x7F800000 == 0 and u32(a) & 0x7FFFFF != 0)),
    ("add.ftz.f32 %f0, %f3, 0f00000000;", lambda a, b, c: b32(f32(c) + 0.0) if u32(c) & 0x7F800000 else 0),
    # conversions
    ("cvt.u64.u32 %rd0, %r1;", lambda a, b, c: u32(a)),
    ("cvt.s64.s32 %rd0, %r1;", lambda a, b, c: s32(a) & M64),
    ("cvt.u32.u16 %r0, %rs1;", lambda a, b, c: a & M16),
    ("cvt.s32.s8 %r0, %r1;", lambda a, b, c: u32((a & 255 ^ 128) - 128)),
    ("cvt.sat.u8.s32 %r0, %r1;", lambda a, b, c: clamp(s32(a), 0, 255)),
    ("cvt.sat.s16.s32 %r0, %r1;", lambda a, b, c: u32(clamp(s32(a), -32768, 32767))),
    ("cvt.rzi.s32.f32 %r0, %f1;", lambda a, b, c: u32(truncated(f32(a), -(1 << 31), (1 << 31) - 1, math.trunc))),
    ("cvt.rni.s32.f32 %r0, %f1;", lambda a, b, c: u32(truncated(f32(a), -(1 << 31), (1 << 31) - 1, round))),
    ("cvt.rmi.u32.f32 %r0, %f3;", lambda a, b, c: truncated(f32(c), 0, M32, math.floor)),
    ("cvt.rzi.u16.f64 %rs0, %fd1;", lambda a, b, c: truncated(f64(a), 0, M16, math.trunc)),
    ("cvt.rn.f32.s32 %f0, %r1;", lambda a, b, c: b32(float(s32(a)))),
    ("cvt.rz.f32.u32 %f0, %r1;", lambda a, b, c: b32(float(u32(a) >> (k := max(u32(a).bit_length() - 24, 0)) << k))),
    ("cvt.rn.f64.u64 %fd0, %rd1;", lambda a, b, c: b64(float(a))),
    ("cvt.rn.f32.f64 %f0, %fd1;", lambda a, b, c: b32(f64(a))),
    ("cvt.f64.f32 %fd0, %f1;", lambda a, b, c: b64(f32(a))),
    ("cvt.rpi.f32.f32 %f0, %f1;", lambda a, b, c: u32(a) if not math.isfinite(f32(a)) else b32(math.copysign(math.ceil(f32(a)), f32(a)))),
    ("cvt.rn.f16.f32 %rs0, %f1;", lambda a, b, c: b16(f32(a))),
    ("cvt.f32.f16 %f0, %rs1;", lambda a, b, c: b32(f16(a))),
    ("cvt.rn.f16x2.f32 %r0, %f1, %f2;", lambda a, b, c: b16(f32(a)) << 16 | b16(f32(b))),
    # half and bfloat16
    ("add.f16x2 %r0, %r1, %r2;", halves(lambda x, y: x + y)),
    ("mul.f16x2 %r0, %r1, %r2;", halves(lambda x, y: x * y)),
    ("max.f16x2 %r0, %r1, %r2;", halves(maximum)),
    ("fma.rn.f16 %rs0, %rs1, %rs2, %rs3;", lambda a, b, c: b16(fused(f16(a), f16(b), f16(c)))),
    ("neg.bf16x2 %r0, %r1;", lambda a, b, c: u32(a) ^ 0x80008000),
]


def kernel(index: int, text: str) -> str:
    """An entry that runs one row for every thread's inputs."""
    stores = {"%r0": "cvt.u64.u32 %rd0, %r0;", "%rs0": "cvt.u64.u16 %rd0, %rs0;", "%p0": "selp.u64 %rd0, 1, 0, %p0;", "%rd0": ""}
    stores |= {"%f0": "mov.b32 %r0, %f0; cvt.u64.u32 %rd0, %r0;", "%fd0": "mov.b64 %rd0, %fd0;"}
    result = next(name for name in stores if f" {name}," in text)
    loads = "".join(
        f"ld.global.u64 %rd{i}, [%rd9+{8 * i - 8}]; cvt.u32.u64 %r{i}, %rd{i}; cvt.u16.u64 %rs{i}, %rd{i}; mov.b32 %f{i}, %r{i}; mov.b64 %fd{i}, %rd{i};\n"
        for i in (1, 2, 3)
    )
    return f""".visible .entry row{index}(.param .u64 in, .param .u64 out) {{
.reg .pred %p<4>; .reg .b16 %rs<8>; .reg .b32 %r<12>; .reg .b64 %rd<12>; .reg .f32 %f<8>; .reg .f64 %fd<8>;
mov.u32 %r8, %tid.x;
ld.param.u64 %rd9, [in]; ld.param.u64 %rd10, [out];
mad.wide.u32 %rd9, %r8, 24, %rd9; mad.wide.u32 %rd10, %r8, 8, %rd10;
{loads}{text}
{stores[result]}
st.global.u64 [%rd10], %rd0;
ret;
}}"""


@pytest.fixture(scope="module")
def rows(compiler: None) -> Gpu:
    """All rows as entries of one module."""
    gpu = Gpu()
    text = ".version 8.6\n.target sm_90\n.address_size 64\n" + "\n".join(kernel(i, row[0]) for i, row in enumerate(ROWS))
    assert gpu.load(text) == 0, gpu.message
    return gpu


def same(got: int, expected: int, text: str) -> bool:
    """Equal bits, except that any NaN equals any other."""
    if got == expected:
        return True
    if "%f0," in text:
        return math.isnan(f32(got)) and math.isnan(f32(expected))
    if "%fd0," in text:
        return math.isnan(f64(got)) and math.isnan(f64(expected))
    if "f16x2" in text:
        return all(got >> s & M16 == expected >> s & M16 or (math.isnan(f16(got >> s)) and math.isnan(f16(expected >> s))) for s in (0, 16))
    return "f16" in text and math.isnan(f16(got)) and math.isnan(f16(expected))


@pytest.mark.parametrize("index, text", [(i, row[0]) for i, row in enumerate(ROWS)], ids=[row[0].split(";")[-2].strip() for row in ROWS])
def test_instruction(rows: Gpu, index: int, text: str) -> None:
    """The instruction agrees with Python on every input."""
    source = rows.buffer(b"".join(struct.pack("<QQQ", *triple) for triple in INPUTS))
    target = rows.buffer(8 * len(INPUTS))

    assert rows.run(f"row{index}", [1], [len(INPUTS)], source, target) == 0, rows.message

    for triple, got in zip(INPUTS, target.unpack("Q"), strict=True):
        expected = ROWS[index][1](*triple)
        assert same(got, expected, text), f"{[hex(x) for x in triple]}: got {got:#x}, expected {expected:#x}"
