"""Filling device memory."""

from __future__ import annotations

from dataclasses import dataclass

from native.spec.model import STREAM, Arg, Call, CallClass, Hand, Run, call, device_pointer, handle, value

ASYNC = CallClass.ASYNC


@dataclass(frozen=True)
class _Fill:
    """What is filled with: the suffix of the calls, and the element."""

    suffix: str
    bits: int
    name: str  # of the parameter
    ctype: str
    pitched: bool

    def sizes(self, ctype: str) -> tuple[tuple[Arg, ...], tuple[Arg, ...]]:
        """Parameters before and behind the value."""
        if not self.pitched:
            return (), (value("N", ctype),)
        return (value("dstPitch", ctype),), (value("Width", ctype), value("Height", ctype))

    def args(self, destination: Arg, ctype: str) -> tuple[Arg, ...]:
        """All parameters but the stream."""
        before, behind = self.sizes(ctype)
        return (destination, *before, value(self.name, self.ctype), *behind)

    @property
    def extent(self) -> str:
        """Bytes that are touched."""
        count = "Width" if self.pitched else "N"
        row = count if self.bits == 8 else f"covered({count}, {self.bits // 8})"
        return f"covered(dstPitch, {row}, Height)" if self.pitched else row


_ELEMENTS = ((8, "uc", "unsigned char"), (16, "us", "unsigned short"), (32, "ui", "unsigned int"))
_FILLS = [
    _Fill(f"{kind}{bits}", bits, name, ctype, kind == "D2D") for kind in ("D", "D2D") for bits, name, ctype in _ELEMENTS
]  # fmt: skip


def _plain(fill: _Fill) -> tuple[Call, Call]:
    name, via = f"cuMemset{fill.suffix}", "its asynchronous form"
    return (
        call(name, 2000, ASYNC, *fill.args(value("dstDevice", "CUdeviceptr_v1"), "unsigned int"), via=via),
        call(f"{name}_v2", 3020, ASYNC, *fill.args(device_pointer("dstDevice"), "size_t"), via=via, per_thread="ptds@7000"),
    )


def _asynchronous(fill: _Fill) -> Call:
    return call(
        f"cuMemset{fill.suffix}Async",
        3020,
        ASYNC,
        *fill.args(device_pointer("dstDevice", extent=fill.extent), "size_t"),
        handle("hStream", STREAM),
        hand=Hand.CLIENT,
        run=Run.WORK,
        per_thread="ptsz@7000",
    )


ROWS = (*(row for fill in _FILLS for row in _plain(fill)), *(_asynchronous(fill) for fill in _FILLS))
