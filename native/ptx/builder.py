"""Writes the LLVM IR of one function: values, registers, guards and basic blocks.

Registers are cached as SSA values within a straight run of code and written to their stack slots where control flow
merges, so the text handed to LLVM stays small. A guarded instruction without side effects becomes a select; one with side
effects becomes a small branch whose results are merged by phi.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from native.ptx.body import Body, Label, Name, Register, Scope
from native.ptx.errors import InvalidPtx
from native.ptx.fundamental import PRED, ir_bits
from native.ptx.initializer import hexadecimal, parse_number
from native.ptx.module import Function, Variable

if TYPE_CHECKING:
    from native.ptx.kernel import KernelCompiler

CARRY = "%CC"


@dataclass(frozen=True)
class Span:
    """Bytes [low, high) around a base address that one check has covered; ``pointer`` is where ``low`` lies."""

    low: int
    high: int
    align: int
    pointer: str


@dataclass
class Guarded:
    """Register values set inside a guarded branch, to be merged after it."""

    before: dict[Register, str] = field(default_factory=dict)


class Builder:
    """State of the function being written."""

    def __init__(self, kernel: KernelCompiler, function: Function, body: Body) -> None:
        self.kernel = kernel
        self.function = function
        self.body = body
        self.lines: list[str] = []
        self.allocas: list[str] = []
        self.count = 0
        self.current = "start"  # label of the IR block being written
        self.terminated = False
        self.scope: Scope = body.root
        self.guard: str | None = None  # i1 of the guard while a select-style instruction is written
        self.branch: Guarded | None = None  # set while inside a guarded branch
        self.cache: dict[Register, dict[str, str]] = {}
        self.dirty: set[Register] = set()
        self.slots: dict[Register, str] = {}
        self.buffers: dict[Variable, str] = {}
        self.carry = Register(CARRY, PRED)
        self.carry.shared = True
        self.params = {p.name: p for p in function.params}
        self.results = {p.name: p for p in function.results}
        self.stack_bytes = 0
        self.position = 0  # of the instruction being written, in body.items
        self.spans: dict[tuple[str, str, bool], Span] = {}  # accesses already checked in this run of code

    # ---- text ----

    def emit(self, text: str) -> None:
        """Writes a line."""
        self.lines.append(text)

    def name(self) -> str:
        """A fresh value name."""
        self.count += 1
        return f"%v{self.count}"

    def value(self, text: str) -> str:
        """Writes an instruction and returns its result."""
        self.count += 1
        name = f"%v{self.count}"
        self.lines.append(f"{name} = {text}")
        return name

    def label(self) -> str:
        """A fresh block name."""
        self.count += 1
        return f"b{self.count}"

    def start(self, label: str) -> None:
        """Begins a basic block."""
        self.lines.append(f"{label}:")
        self.current = label
        self.terminated = False

    def jump(self, label: str) -> None:
        """Ends the block with a branch."""
        self.emit(f"br label %{label}")
        self.terminated = True

    def unreachable(self) -> None:
        """Ends the block behind a call that never returns."""
        self.emit("unreachable")
        self.terminated = True

    def call(self, helper: str, *arguments: str) -> str:
        """Calls a C++ helper or an intrinsic-like function declared in abi.HELPERS; arguments are given without types."""
        result, types = self.kernel.helper(helper)
        text = f"call {result} @{helper}({', '.join(f'{t} {a}' for t, a in zip(types, arguments, strict=True))})"
        if result == "void":
            self.emit(text)
            return ""
        return self.value(text)

    def intrinsic(self, name: str, result: str, *typed: str) -> str:
        """Calls an LLVM intrinsic; arguments are given with their types."""
        types = ", ".join(argument.split(" ", 1)[0] for argument in typed)
        self.kernel.declare(f"declare {result} @llvm.{name}({types})")
        return self.value(f"call {result} @llvm.{name}({', '.join(typed)})")

    def prelude(self, name: str, result: str, *typed: str) -> str:
        """Calls a function of the IR prelude."""
        return self.value(f"call {result} @{name}({', '.join(typed)})")

    # ---- names ----

    def find(self, name: str) -> Name | None:
        """What a name means in the current scope."""
        return self.scope.find(name)

    def register(self, name: str) -> Register:
        """The register of that name."""
        found = self.scope.find(name)
        if not isinstance(found, Register):
            raise InvalidPtx(f"'{name}' is not a register")
        return found

    # ---- reading ----

    def get(self, operand: str, ir: str) -> str:
        """The operand as a value of LLVM type ``ir``: register, literal or address of a symbol."""
        first = operand[0]
        if first.isdigit() or first in "-+.":
            return literal(operand, ir)
        if first == "!":
            return self.value(f"xor i1 {self.get(operand[1:], 'i1')}, true")
        found = self.scope.find(operand)
        if isinstance(found, Register):
            return self.read(found, ir)
        if operand == "WARP_SZ":
            return literal("32", ir)
        special = self.kernel.special(self, operand)
        if special is not None:
            return self.convert(special[0], special[1], ir)
        return self.convert(self.kernel.symbol_address(self, operand), "i64", ir)

    def read(self, register: Register, ir: str) -> str:
        """A register's value as ``ir``; narrower integers are truncated, wider ones zero-extended."""
        views = self.cache.get(register)
        if views is None:
            views = self.cache[register] = {register.ir: self.value(f"load {register.ir}, ptr {self._slot(register)}")}
        found = views.get(ir)
        if found is None:
            source = next(iter(views))
            found = self.convert(views[source], source, ir)
            if ir_bits(ir) == register.type.bits:
                views[ir] = found
        return found

    def _slot(self, register: Register) -> str:
        slot = self.slots.get(register)
        if slot is None:
            slot = self.slots[register] = f"%r{len(self.slots)}"
            self.allocas.append(f"{slot} = alloca {register.ir}")
            zero = "0.0" if register.ir in ("float", "double") else "0"
            self.allocas.append(f"store {register.ir} {zero}, ptr {slot}")
        return slot

    def convert(self, value: str, source: str, target: str, signed: bool = False) -> str:
        """Reinterprets bits: bitcast at equal width, truncation or extension of integers otherwise."""
        if source == target:
            return value
        have, want = ir_bits(source), ir_bits(target)
        if have == want:
            return self.value(f"bitcast {source} {value} to {target}")
        if not source.startswith("i"):
            value = self.value(f"bitcast {source} {value} to i{have}")
        step = "trunc" if have > want else ("sext" if signed else "zext")
        value = self.value(f"{step} i{have} {value} to i{want}")
        return value if target == f"i{want}" else self.value(f"bitcast i{want} {value} to {target}")

    # ---- writing ----

    def set(self, operand: str, value: str, ir: str, signed: bool = False) -> None:
        """Assigns to a register, under the guard if there is one; ``_`` discards."""
        if operand == "_":
            return
        self.write(self.register(operand), value, ir, signed)

    def write(self, register: Register, value: str, ir: str, signed: bool = False) -> None:
        """Assigns to a register; ``signed`` says how a wider register is filled."""
        if ir_bits(ir) != register.type.bits:
            value, ir = self.convert(value, ir, f"i{register.type.bits}", signed), f"i{register.type.bits}"
        if self.guard is not None:
            value = self.value(f"select i1 {self.guard}, {ir} {value}, {ir} {self.read(register, ir)}")
        elif self.branch is not None and register not in self.branch.before:
            raise AssertionError("a guarded branch must announce what it writes")
        self.cache[register] = {ir: value}
        self.dirty.add(register)

    def get_carry(self) -> str:
        """The condition code as i1."""
        return self.read(self.carry, "i1")

    def set_carry(self, value: str) -> None:
        """Sets the condition code."""
        self.write(self.carry, value, "i1")

    # ---- control flow ----

    def flush(self) -> None:
        """Writes changed registers to their slots, before control may go elsewhere."""
        for register in self.dirty:
            if register.shared or register in self.slots:
                self.emit(f"store {register.ir} {self.read(register, register.ir)}, ptr {self._slot(register)}")
        self.dirty.clear()

    def forget(self) -> None:
        """Drops all cached values, where control may come from elsewhere."""
        self.cache.clear()
        self.dirty.clear()
        self.spans.clear()

    def ptx_label(self, label: Label) -> str:
        """The LLVM name of a label of the text."""
        return f"L{label.block}"

    def enter_label(self, label: Label) -> None:
        """A label of the text: control falls into it and may jump to it."""
        self.flush()
        if not self.terminated:
            self.jump(self.ptx_label(label))
        self.forget()
        self.start(self.ptx_label(label))

    def target(self, name: str, scope: Scope | None = None) -> Label:
        """The label a branch names."""
        found = (scope or self.scope).find(name)
        if not isinstance(found, Label):
            raise InvalidPtx(f"'{name}' is not a label")
        return found

    def guarded(self, condition: str, writes: list[Register], body: Callable[[], None]) -> None:
        """Runs ``body`` only if ``condition``; registers in ``writes`` keep their value otherwise."""
        before = {register: self.read(register, register.ir) for register in writes}
        origin, inside, after = self.current, self.label(), self.label()
        self.emit(f"br i1 {condition}, label %{inside}, label %{after}")
        self.start(inside)
        known, spans = self._knowledge()
        self.branch = Guarded(before)
        body()
        self.branch = None
        changed = {register: self.read(register, register.ir) for register in writes}
        ended, end = self.terminated, self.current
        if not ended:
            self.jump(after)
        self.start(after)
        self.cache, self.spans = known, spans
        for register in [] if ended else writes:
            ir = register.ir
            self.cache[register] = {ir: self.value(f"phi {ir} [ {before[register]}, %{origin} ], [ {changed[register]}, %{end} ]")}

    def nested(self, condition: str, body: Callable[[], None]) -> None:
        """Runs ``body``, which writes no register, only if ``condition``."""
        inside, after = self.label(), self.label()
        self.emit(f"br i1 {condition}, label %{inside}, label %{after}")
        self.start(inside)
        known, spans = self._knowledge()
        body()
        if not self.terminated:
            self.jump(after)
        self.start(after)
        self.cache, self.spans = known, spans

    def _knowledge(self) -> tuple[dict[Register, dict[str, str]], dict[tuple[str, str, bool], Span]]:
        """What is known before a branch and still holds after it."""
        return {register: dict(views) for register, views in self.cache.items()}, dict(self.spans)

    # ---- memory of this function ----

    def buffer(self, variable: Variable) -> str:
        """Stack memory behind a .local or .param variable of this function."""
        found = self.buffers.get(variable)
        if found is None:
            found = self.buffers[variable] = f"%m{len(self.buffers)}"
            size = max(variable.size, 1)
            self.allocas.append(f"{found} = alloca [{size} x i8], align {max(variable.align, 8)}")
            if variable.space == "local":
                self.stack_bytes += size
        return found

    def temporary(self, size: int) -> str:
        """An anonymous stack buffer."""
        name = self.name()
        self.allocas.append(f"{name} = alloca [{max(size, 1)} x i8], align 16")
        return name

    def context_field(self, structure: str, field_name: str, ir: str, index: int = 0) -> str:
        """A field of the launch, block or thread structure; read once, at the start of the function."""
        return self.kernel.context_field(self, structure, field_name, ir, index)


def literal(text: str, ir: str) -> str:
    """A PTX literal as an LLVM constant."""
    if ir == "i1":
        return "true" if int(text, 0) else "false"
    number = parse_number(text)
    bits = ir_bits(ir)
    if ir in ("float", "double"):
        wide = float(number) if isinstance(number, float) else _int_as_float(int(number), bits, text)
        raw = struct.unpack("<I", struct.pack("<f", wide))[0] if bits == 32 else struct.unpack("<Q", struct.pack("<d", wide))[0]
        if text.lower().startswith(("0f", "0d")) and len(text) == 2 + bits // 4:
            raw = hexadecimal(text)
        return f"bitcast (i{bits} {raw} to {ir})"
    if isinstance(number, float):
        if text.lower().startswith(("0f", "0d")):
            number = hexadecimal(text)
        elif bits in (32, 64):
            number = struct.unpack("<I" if bits == 32 else "<Q", struct.pack("<f" if bits == 32 else "<d", number))[0]
        else:
            raise InvalidPtx(f"the literal {text} does not fit a {bits}-bit operand")
    number &= (1 << bits) - 1
    return f"bitcast (i16 {number} to half)" if ir == "half" else str(number)


def _int_as_float(number: int, bits: int, text: str) -> float:
    """An integer literal where a float is expected: hexadecimal gives the bits, decimal the value."""
    if text.lower().startswith("0x"):
        return float(struct.unpack("<f" if bits == 32 else "<d", number.to_bytes(bits // 8, "little"))[0])
    return float(number)
