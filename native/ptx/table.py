"""The instruction table: one row per opcode, and the one place that turns an instruction into a call of its row.

A row names the modifiers it understands; a modifier that no row knows is an error that names the instruction. Rows are
registered by the ``ops_*`` modules with the ``instruction`` decorator.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from native.ptx.body import Instruction, Register, split_operands
from native.ptx.builder import Builder
from native.ptx.errors import InvalidPtx, PtxError, Unsupported
from native.ptx.fundamental import TYPES, PtxType

# Instructions of the PTX ISA that may have no row here: a program that has them is not broken, only beyond the simulated GPU.
_OTHER_OPCODES = (
    "alloca applypriority barrier bmsk clusterlaunchcontrol cp createpolicy discard dp2a dp4a elect fence fns getctarank "
    "griddepcontrol isspacep istypep ldmatrix ldu mapa match mbarrier mma movmatrix multimem nanosleep pmevent prefetch prefetchu red "
    "redux setmaxnreg st stackrestore stacksave stmatrix suld suq sured sust szext tcgen05 tensormap tex tld4 txq vabsdiff vabsdiff2 "
    "vabsdiff4 vadd vadd2 vadd4 vavrg2 vavrg4 vmad vmax vmax2 vmax4 vmin vmin2 vmin4 vset vset2 vset4 vshl vshr vsub vsub2 vsub4 wgmma "
    "wmma"
)
REAL_OPCODES = frozenset(_OTHER_OPCODES.split())


@dataclass
class Operation:
    """An instruction after its modifiers have been sorted: types in order, flags, operands."""

    instruction: Instruction
    types: list[PtxType]
    flags: frozenset[str]
    operands: list[str]

    @property
    def type(self) -> PtxType:
        """The first, often only, type."""
        return self.types[0]

    def choice(self, *names: str, default: str = "") -> str:
        """The one flag of ``names`` that is present."""
        found = [name for name in names if name in self.flags]
        if len(found) > 1 or (not found and not default):
            raise InvalidPtx(f"'{self.instruction.text}' needs exactly one of .{', .'.join(names)}")
        return found[0] if found else default

    def refuse(self, why: str = "") -> Unsupported:
        """An error that names the instruction."""
        detail = f" ({why})" if why else ""
        return Unsupported(f"the simulated GPU cannot run the instruction '{self.instruction.text}'{detail}")


Emit = Callable[[Builder, Operation], None]


@dataclass(frozen=True)
class Row:
    """How one opcode is written. ``style``: select (no side effects), branch (side effects), control (handles its own guard)."""

    emit: Emit
    flags: frozenset[str]
    style: str
    results: int
    types: frozenset[str] | None
    fibers: bool


TABLE: dict[str, Row] = {}
ROUNDING = "rn rz rm rp"


@dataclass
class Uses:
    """What the functions written so far need from the run time."""

    fibers: bool = False
    extern: set[str] = field(default_factory=set)


def instruction(
    opcodes: str, flags: str = "", style: str = "select", results: int = 1, types: str | None = None, fibers: bool = False
) -> Callable[[Emit], Emit]:
    """Registers a row for each of ``opcodes``; ``types`` limits the data types, None allows all."""

    def register(emit: Emit) -> Emit:
        row = Row(emit, frozenset(flags.split()), style, results, frozenset(types.split()) if types else None, fibers)
        for opcode in opcodes.split():
            TABLE[opcode] = row
        return emit

    return register


def write_instruction(builder: Builder, item: Instruction) -> None:
    """Writes one instruction, its guard included."""
    builder.scope = item.scope
    try:
        operation, row = _parse(item)
        if row.fibers:
            builder.kernel.needs_fibers = True
        if not item.guard or row.style == "control":
            row.emit(builder, operation)
        elif row.style == "select":
            builder.guard = builder.get(item.guard, "i1")
            row.emit(builder, operation)
            builder.guard = None
        else:
            writes = _registers(builder, operation.operands[: row.results])
            builder.guarded(builder.get(item.guard, "i1"), writes, lambda: row.emit(builder, operation))
    except PtxError as error:
        error.line = error.line or item.line
        raise
    except (IndexError, ValueError, KeyError, TypeError) as error:
        raise InvalidPtx(f"wrong operands: '{item.text} {' '.join(item.operands.split())}' ({error})", item.line) from error


def _parse(item: Instruction) -> tuple[Operation, Row]:
    row = TABLE.get(item.opcode)
    if row is None and item.opcode not in REAL_OPCODES:
        raise InvalidPtx(f"'{item.text}' is not an instruction")
    if row is None:
        raise Unsupported(f"the simulated GPU does not know the instruction '{item.text}'")
    types: list[PtxType] = []
    flags: set[str] = set()
    for modifier in item.modifiers:
        if modifier in row.flags:
            flags.add(modifier)
        elif modifier in TYPES and (row.types is None or modifier in row.types):
            types.append(TYPES[modifier])
        else:
            raise Unsupported(f"the simulated GPU does not know the modifier '.{modifier}' of '{item.text}'")
    return Operation(item, types, frozenset(flags), split_operands(item.operands)), row


def _registers(builder: Builder, operands: list[str]) -> list[Register]:
    found: list[Register] = []
    for operand in operands:
        for name in operand.strip("{}()").replace("|", ",").split(","):
            known = builder.find(name.strip())
            if isinstance(known, Register) and known not in found:
                found.append(known)
    return found
