"""PTX fundamental types and how they look in LLVM IR."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PtxType:
    """One fundamental type. ``kind``: u, s, b integers; f float; h half; g bfloat16; p predicate; q narrow float formats."""

    name: str
    bits: int
    kind: str
    lanes: int = 1

    @property
    def ir(self) -> str:
        """The LLVM type of a scalar of this type; packed types, bfloat16 and narrow formats are plain integers."""
        if self.lanes == 1 and self.kind == "f":
            return "float" if self.bits == 32 else "double"
        if self.lanes == 1 and self.kind == "h":
            return "half"
        return f"i{self.bits}"

    @property
    def size(self) -> int:
        """Bytes in memory."""
        return max(self.bits // 8, 1)

    @property
    def signed(self) -> bool:
        """Whether it is a signed integer."""
        return self.kind == "s"

    @property
    def is_float(self) -> bool:
        """Whether arithmetic on it is floating-point."""
        return self.kind in "fhg"

    @property
    def is_int(self) -> bool:
        """Whether it is an integer or untyped bits."""
        return self.kind in "usb"

    @property
    def element(self) -> PtxType:
        """The type of one lane of a packed type."""
        return TYPES[self.name.removesuffix("x2")] if self.lanes == 2 else self


def _integer_types() -> list[PtxType]:
    return [PtxType(f"{kind}{bits}", bits, kind) for kind in "usb" for bits in (8, 16, 32, 64)] + [
        PtxType("b128", 128, "b"),
        PtxType("b1", 1, "p"),
    ]


_FLOAT_TYPES = [
    PtxType("f16", 16, "h"),
    PtxType("bf16", 16, "g"),
    PtxType("f32", 32, "f"),
    PtxType("f64", 64, "f"),
    PtxType("tf32", 32, "q"),
    PtxType("f16x2", 32, "h", 2),
    PtxType("bf16x2", 32, "g", 2),
    PtxType("f32x2", 64, "f", 2),
    PtxType("u16x2", 32, "u", 2),
    PtxType("s16x2", 32, "s", 2),
    PtxType("e4m3x2", 16, "q", 2),  # packed narrow floats: only cvt knows them
    PtxType("e5m2x2", 16, "q", 2),
]

TYPES: dict[str, PtxType] = {t.name: t for t in [*_integer_types(), *_FLOAT_TYPES, PtxType("pred", 1, "p")]}

U16, U32, U64, S32, S64 = (TYPES[name] for name in ("u16", "u32", "u64", "s32", "s64"))
B16, B32, B64, F32, F64, F16, BF16, PRED = (TYPES[name] for name in ("b16", "b32", "b64", "f32", "f64", "f16", "bf16", "pred"))


def ir_bits(ir: str) -> int:
    """Width of a scalar LLVM type."""
    return _IR_BITS[ir] if ir in _IR_BITS else int(ir[1:])


_IR_BITS = {"float": 32, "double": 64, "half": 16, "ptr": 64}
