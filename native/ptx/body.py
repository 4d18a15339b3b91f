"""Parses the body of one entry or function into instructions, labels and scoped declarations."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from native.ptx.errors import InvalidPtx, Unsupported
from native.ptx.fundamental import TYPES, PtxType
from native.ptx.module import Param, Variable, parse_variable


@dataclass(eq=False)
class Register:
    """A virtual register. It needs a stack slot (promoted by LLVM) only if more than one block touches it."""

    name: str
    type: PtxType
    first_block: int = -1
    mentions: int = 0
    shared: bool = False  # touched by several blocks

    @property
    def ir(self) -> str:
        """The LLVM type of its slot."""
        if self.type.name == "f32":
            return "float"
        return "double" if self.type.name == "f64" else f"i{self.type.bits}"


@dataclass(eq=False)
class Label:
    """A branch target; ``block`` is its basic block."""

    name: str
    block: int = -1
    line: int = 0


@dataclass(frozen=True)
class TargetList:
    """A .branchtargets list: the labels that a brx.idx may go to."""

    labels: list[str]


@dataclass(frozen=True)
class Prototype:
    """A .callprototype or .calltargets: nothing to keep, since all functions are called alike."""


Name = Register | Variable | Param | Label | TargetList | Prototype


class Scope:
    """Names of one brace level."""

    def __init__(self, parent: Scope | None) -> None:
        self.parent = parent
        self.names: dict[str, Name] = {}
        self.ranges: dict[str, tuple[PtxType, int]] = {}

    def find(self, name: str) -> Name | None:
        """The innermost declaration of ``name``."""
        scope: Scope | None = self
        while scope is not None:
            found = scope.names.get(name) or scope._from_range(name)
            if found is not None:
                return found
            scope = scope.parent
        return None

    def _from_range(self, name: str) -> Register | None:
        """A register of a ``%r<100>`` declaration, made when first named."""
        digits = len(name.rstrip("0123456789"))
        known = self.ranges.get(name[:digits])
        if known is None or digits == len(name) or int(name[digits:]) >= known[1]:
            return None
        register = Register(name, known[0])
        self.names[name] = register
        return register


@dataclass(eq=False)
class Instruction:
    """``@!%p1 add.s32 %r1, %r2, 5;``: guard, opcode, modifiers, operands as text."""

    line: int
    guard: str
    opcode: str
    modifiers: list[str]
    operands: str
    scope: Scope
    block: int = 0

    @property
    def text(self) -> str:
        """The opcode with its modifiers, for messages."""
        return ".".join([self.opcode, *self.modifiers])


@dataclass
class Body:
    """The parsed function: instructions and labels in order."""

    items: list[Instruction | Label] = field(default_factory=list)
    locals: list[Variable] = field(default_factory=list)
    root: Scope = field(default_factory=lambda: Scope(None))
    spin_loops: set[Instruction] = field(default_factory=set)  # branches that close a loop which may wait for another thread


_LINE_DIRECTIVE = re.compile(r"^[ \t]*\.loc\b[^\n]*$", re.MULTILINE)
_LABEL = re.compile(r"\s*([A-Za-z_$%][\w$]*)\s*:(?!:)")
_INSTRUCTION = re.compile(
    r"(?:@\s*(?P<guard>!?\s*[\w$%]+)\s+)?(?P<opcode>[a-z]\w*)(?P<modifiers>(?:\.[\w:]+)*)(?P<operands>(?:\s|\{|\(|$).*)", re.DOTALL
)
_DIRECTIVE = re.compile(r"(\.\w+)(.*)", re.DOTALL)
_WORD = re.compile(r"[A-Za-z_$%][\w$]*")
_REGISTER = re.compile(r"\s*([A-Za-z_$%][\w$]*)\s*(?:<\s*(\d+)\s*>)?\s*$")
_BRANCHES = frozenset({"bra", "brx", "ret", "exit", "trap"})
_SPIN_ORDERS = frozenset({"volatile", "acquire", "relaxed", "mmio"})


def split_operands(text: str) -> list[str]:
    """Splits at the commas that are not inside brackets."""
    if "{" not in text and "[" not in text and "(" not in text:
        return [part.strip() for part in text.split(",")] if text.strip() else []
    parts, depth, start = [], 0, 0
    for position, char in enumerate(text):
        if char in "{[(":
            depth += 1
        elif char in "}])":
            depth -= 1
        elif char == "," and depth == 0:
            parts.append(text[start:position].strip())
            start = position + 1
    return [*parts, text[start:].strip()]


def parse_body(text: str, first_line: int, callee_waits: Callable[[str], bool]) -> Body:
    """Parses the text between a function's braces; ``callee_waits`` tells whether a called function may wait for other threads."""
    return _BodyParser(_LINE_DIRECTIVE.sub("", text), first_line, callee_waits).parse()


class _BodyParser:
    def __init__(self, text: str, first_line: int, callee_waits: Callable[[str], bool]) -> None:
        self.text = text
        self.line = first_line
        self.callee_waits = callee_waits
        self.pending = ""
        self.body = Body()
        self.scope = self.body.root
        self.block = 0

    def parse(self) -> Body:
        for line, statement in self._statements():
            self._statement(statement, line)
        if self.scope is not self.body.root:
            raise InvalidPtx("a scope is not closed", self.line)
        self._note_registers()
        self._note_spin_loops()
        return self.body

    def _statements(self) -> Iterator[tuple[int, str]]:
        """Statements with their line. Scopes are opened and closed, and labels noted, on the way."""
        for piece in self.text.split(";"):
            while True:
                stripped = piece.lstrip()
                self.line += piece.count("\n", 0, len(piece) - len(stripped))
                if stripped.startswith("{"):
                    self.scope = Scope(self.scope)
                elif stripped.startswith("}"):
                    if self.scope.parent is None:
                        raise InvalidPtx("'}' without '{'", self.line)
                    self.scope = self.scope.parent
                elif match := _LABEL.match(stripped):
                    self._label(match[1], stripped[match.end() :])
                    self.line += stripped.count("\n", 0, match.end())
                    piece = stripped[match.end() :]
                    continue
                else:
                    break
                piece = stripped[1:]
            if stripped:
                yield self.line, stripped
            self.line += stripped.count("\n")

    def _label(self, name: str, rest: str) -> None:
        words = rest.split(None, 1)
        if words and words[0] in (".branchtargets", ".calltargets", ".callprototype"):
            self.pending = name
            return
        self.block += 1
        label = Label(name, self.block, self.line)
        self.scope.names[name] = label
        self.body.items.append(label)

    def _statement(self, text: str, line: int) -> None:
        if text.startswith("."):
            self._directive(text, line)
            return
        match = _INSTRUCTION.fullmatch(text)
        if not match:
            raise InvalidPtx(f"cannot read '{' '.join(text.split())[:120]}'", line)
        guard = (match["guard"] or "").replace(" ", "")
        modifiers = match["modifiers"].split(".")[1:]
        instruction = Instruction(line, guard, match["opcode"], modifiers, match["operands"].strip(), self.scope, self.block)
        self.body.items.append(instruction)
        if instruction.opcode in _BRANCHES:
            self.block += 1

    def _directive(self, text: str, line: int) -> None:
        match = _DIRECTIVE.match(text)
        word, rest = match.groups() if match else (text, "")
        if word == ".reg":
            self._registers(rest, line)
        elif word in (".local", ".shared", ".param", ".global", ".const"):
            variable = parse_variable(rest, word[1:], line)
            self.scope.names[variable.name] = variable
            if word == ".local":
                self.body.locals.append(variable)
        elif word == ".branchtargets":
            self.scope.names[self.pending] = TargetList(split_operands(rest))
        elif word in (".calltargets", ".callprototype"):
            self.scope.names[self.pending] = Prototype()
        elif word not in (".pragma", ".maxnreg", ".noreturn"):
            raise Unsupported(f"unknown directive '{word}' in a function body", line)

    def _registers(self, text: str, line: int) -> None:
        match = re.match(r"\s*\.(\w+)\s+(.*)", text, re.DOTALL)
        if not match or match[1] not in TYPES:
            raise InvalidPtx(f"cannot read the declaration '.reg {text.strip()[:80]}'", line)
        for part in match[2].split(","):
            name = _REGISTER.match(part)
            if not name:
                raise InvalidPtx(f"cannot read the register name '{part.strip()}'", line)
            if name[2]:
                self.scope.ranges[name[1]] = (TYPES[match[1]], int(name[2]))
            else:
                self.scope.names[name[1]] = Register(name[1], TYPES[match[1]])

    def _note_registers(self) -> None:
        """Finds the registers that live across basic blocks."""
        for item in self.body.items:
            if isinstance(item, Label):
                continue
            for word in _WORD.findall(item.operands + " " + item.guard):
                name = item.scope.find(word)
                if isinstance(name, Register):
                    name.mentions += 1
                    if name.first_block < 0:
                        name.first_block = item.block
                    elif name.first_block != item.block:
                        name.shared = True

    def _note_spin_loops(self) -> None:
        """Marks backward branches over instructions by which one thread can wait for another."""
        spins: list[int] = []
        for position, item in enumerate(self.body.items):
            if isinstance(item, Label):
                continue
            if self._may_wait(item):
                spins.append(position)
            if item.opcode in ("bra", "brx") and spins and self._jumps_before(item, spins[-1]):
                self.body.spin_loops.add(item)

    def _jumps_before(self, branch: Instruction, position: int) -> bool:
        first = self.body.items[position]
        block = first.block
        targets: list[str] = []
        for word in split_operands(branch.operands):
            name = branch.scope.find(word)
            targets += name.labels if isinstance(name, TargetList) else [word]
        labels = [branch.scope.find(target) for target in targets]
        return any(isinstance(label, Label) and label.block <= block for label in labels)

    def _may_wait(self, item: Instruction) -> bool:
        """Whether the instruction can be what a waiting loop looks at or hands over with."""
        if item.opcode == "atom":
            target = item.scope.find(split_operands(item.operands)[0])
            return not isinstance(target, Register) or target.mentions > 1
        if item.opcode == "call":
            return self.callee_waits(call_target(item))
        if item.opcode in ("nanosleep", "mbarrier"):
            return True
        return item.opcode == "ld" and not _SPIN_ORDERS.isdisjoint(item.modifiers)


def call_target(item: Instruction) -> str:
    """The function operand of a call."""
    operands = split_operands(item.operands)
    return operands[1] if operands[0].startswith("(") else operands[0]
