"""Slices PTX text into its module-scope declarations without looking into function bodies.

Modules may be tens of megabytes with hundreds of entries of which an application uses three, so nothing here works
token by token: one regular expression finds the next declaration, ``str.find`` its end.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from native.ptx.errors import InvalidPtx
from native.ptx.fundamental import TYPES, PtxType
from native.ptx.initializer import Initial, parse_initializer

NAME = r"[A-Za-z_$%][\w$]*"

# The value of a function's address: not a code pointer (every kernel is an object of its own) but FUNCTION_BASE + 16 * index.
FUNCTION_BASE = 0x00F0_0000_0000_0000


@dataclass(frozen=True)
class Param:
    """A formal parameter of an entry or function."""

    name: str
    size: int
    align: int
    offset: int
    register: PtxType | None = None  # a .reg parameter of an old-style function


@dataclass(eq=False)
class Function:
    """An entry or device function; ``body`` is None for a declaration."""

    name: str
    entry: bool
    line: int
    home: Module
    params: list[Param]
    results: list[Param]
    directives: dict[str, list[int]]
    body: str | None
    body_line: int
    visible: bool = False
    index: int = -1  # its number in the linked program

    @property
    def param_bytes(self) -> int:
        """Size of the packed parameters."""
        return max((p.offset + p.size for p in self.params), default=0)

    @property
    def address(self) -> int:
        """What the function's address is on the device."""
        return FUNCTION_BASE + 16 * self.index


@dataclass(eq=False)
class Variable:
    """A variable of any state space. ``size`` is 0 for an extern array (dynamic shared memory)."""

    name: str
    space: str
    size: int
    align: int
    line: int
    index: int = -1
    extern: bool = False
    visible: bool = False
    managed: bool = False
    initial: Initial | None = None


@dataclass
class Exports:
    """Visible definitions of all modules of a program."""

    functions: dict[str, Function] = field(default_factory=dict)
    variables: dict[str, Variable] = field(default_factory=dict)


@dataclass(eq=False)
class Module:
    """Everything a PTX text declares at module scope."""

    version: tuple[int, int]
    target: str
    functions: dict[str, Function] = field(default_factory=dict)
    variables: dict[str, Variable] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)  # textures and the like: an error only where they are used
    exports: Exports | None = None  # of the program it is linked into


_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_HEADER = re.compile(r"\.(version|target|address_size)\s+([^\n]*)")
_DECLARATION = re.compile(
    r"\.(?P<what>entry|func|global|const|shared|local|tex|alias|file|section|pragma|loc)\b|(?P<link>\.(?:visible|extern|weak|common))\b|(?P<other>[^\s;}])"
)
_FUNCTION_NAME = re.compile(rf"\s*(?P<name>{NAME})\s*(?=[(\s;{{.]|$)")
_VARIABLE = re.compile(
    rf"(?P<attributes>(?:\s*\.(?:align\s+\d+|attribute\s*\([^)]*\)|ptr\b))*)\s*(?:\.(?P<vector>v2|v4))?\s*\.(?P<type>\w+)\s+(?P<name>{NAME})\s*"
    r"(?P<dims>(?:\[\s*\w*\s*\]\s*)*)(?:=(?P<initial>.*))?$",
    re.DOTALL,
)
_PARAM = re.compile(
    rf"\s*\.(?P<space>param|reg)(?P<attributes>(?:\s*\.(?:align\s+\d+|ptr\b|global\b|const\b|shared\b|local\b))*)\s*\.(?P<type>\w+)"
    rf"(?P<pointer>(?:\s*\.(?:ptr|global|const|shared|local|align\s+\d+))*)\s+(?P<name>{NAME})\s*(?:\[\s*(?P<dim>\d*)\s*\])?\s*$"
)
_DIRECTIVE = re.compile(r"\.(\w+)([^.\n]*)")
# Directives between a function's parameters and its body. All only constrain the launch or advise the assembler.
_FUNCTION_DIRECTIVES = frozenset(
    [
        "maxntid",
        "reqntid",
        "minnctapersm",
        "maxnctapersm",
        "maxnreg",
        "noreturn",
        "pragma",
        "reqnctapercluster",
        "explicitcluster",
        "maxclusterrank",
        "blocksareclusters",
        "unique",
        "attribute",
    ]
) | {"abi_preserve", "abi_preserve_control"}
_BRACE = re.compile(r"[{}]")
_OPAQUE = frozenset({"texref", "samplerref", "surfref"})


def blank_comments(text: str) -> str:
    """Removes comments and keeps every line break, so that line numbers stay right."""
    return _COMMENT.sub(lambda m: "\n" * m.group().count("\n"), text) if "//" in text or "/*" in text else text


def parse_module(text: str) -> Module:
    """Reads the module-scope declarations of one PTX text."""
    text = blank_comments(text.rstrip("\0"))
    return _Scanner(text).scan()


def parse_variable(text: str, space: str, line: int) -> Variable:
    """Parses what follows ``.global``, ``.shared`` … up to the semicolon."""
    match = _VARIABLE.match(text)
    if not match or match["type"] not in TYPES:
        raise InvalidPtx(f"cannot read the declaration '.{space} {' '.join(text.split())[:120]}'", line)
    element = TYPES[match["type"]]
    size = max(element.bits, 8) // 8 * (int(match["vector"][1]) if match["vector"] else 1)
    align = re.search(r"\.align\s+(\d+)", match["attributes"])
    variable = Variable(match["name"], space, size, int(align[1]) if align else size, line)
    variable.managed = ".managed" in match["attributes"]
    variable.initial = parse_initializer(match["initial"], element, line) if match["initial"] else None
    for dim in re.findall(r"\[\s*(\w*)\s*\]", match["dims"]):
        variable.size *= int(dim, 0) if dim else _implied_length(variable, element)
    return variable


def _implied_length(variable: Variable, element: PtxType) -> int:
    return len(variable.initial.data) // element.size if variable.initial else 0


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.line_at = 0
        self.line = 1
        self.module = Module((0, 0), "")

    def scan(self) -> Module:
        self._header()
        links: set[str] = set()
        while match := _DECLARATION.search(self.text, self.at):
            if match["other"]:
                raise InvalidPtx(
                    f"unexpected '{self.text[match.start() : match.start() + 60].splitlines()[0]}' at module scope",
                    self._line(match.start()),
                )
            self.at = match.end()
            if match["link"]:
                links.add(match["link"][1:])
                continue
            self._declaration(match["what"], links, self._line(match.start()))
            links = set()
        return self.module

    def _header(self) -> None:
        for match in _HEADER.finditer(self.text, 0, min(len(self.text), 20000)):
            value = match[2].strip()
            if match[1] == "version" and re.fullmatch(r"\d+\.\d+", value):
                major, minor = value.split(".")
                self.module.version = (int(major), int(minor))
            elif match[1] == "target":
                self.module.target = value
            elif match[1] == "address_size" and value != "64":
                raise InvalidPtx(f".address_size {value}: only 64-bit modules exist on this GPU", self._line(match.start()))
            self.at = match.end()
        if self.module.version == (0, 0) or not self.module.target:
            raise InvalidPtx("no .version and .target at the start: this is not PTX")

    def _line(self, position: int) -> int:
        self.line += self.text.count("\n", self.line_at, position)
        self.line_at = position
        return self.line

    def _until(self, stop: str, line: int) -> str:
        end = self.text.find(stop, self.at)
        if end < 0:
            raise InvalidPtx(f"'{stop}' is missing", line)
        piece, self.at = self.text[self.at : end], end + len(stop)
        return piece

    def _declaration(self, what: str, links: set[str], line: int) -> None:
        if what in ("entry", "func"):
            self._function(what == "entry", links, line)
        elif what in ("file", "loc"):
            self._until("\n", line)
        elif what == "section":
            self._until("}", line)
        elif what == "pragma":
            self._until(";", line)
        elif what == "alias":
            alias, target = (part.strip() for part in self._until(";", line).split(","))
            self.module.functions[alias] = self.module.functions[target]
        else:
            self._variable(what, links, line)

    def _variable(self, space: str, links: set[str], line: int) -> None:
        piece = self._until(";", line)
        opaque = re.match(rf"\s*\.(texref|samplerref|surfref|u64|b64)\s+({NAME})", piece)
        if space == "tex" or (opaque and opaque[1] in _OPAQUE):
            self.module.refused[opaque[2] if opaque else piece.split()[-1]] = f".{opaque[1] if opaque else 'tex'}"
            return
        variable = parse_variable(piece, space, line)
        variable.extern = "extern" in links
        variable.visible = bool(links & {"visible", "weak", "common"})
        known = self.module.variables.get(variable.name)
        if known is None or known.extern:
            self.module.variables[variable.name] = variable

    def _function(self, entry: bool, links: set[str], line: int) -> None:
        results = self._results(line)
        name = _FUNCTION_NAME.match(self.text, self.at)
        if not name:
            raise InvalidPtx("a function without a name", line)
        self.at = name.end()
        params = self._params(line)
        open_, semicolon = self.text.find("{", self.at), self.text.find(";", self.at)
        has_body = open_ >= 0 and (semicolon < 0 or open_ < semicolon)
        if not has_body and semicolon < 0:
            raise InvalidPtx(f"function {name['name']} has neither a body nor ';'", line)
        head = self.text[self.at : open_ if has_body else semicolon]
        body, body_line = None, line
        if has_body:
            body_line = self._line(open_)
            end = self._body_end(open_)
            body, self.at = self.text[open_ + 1 : end], end + 1
        else:
            self.at = semicolon + 1
        known = self.module.functions.get(name["name"])
        if body is None and known is not None:
            return
        directives = self._directives(head, line)
        function = Function(name["name"], entry, line, self.module, params, results, directives, body, body_line)
        function.visible = bool(links & {"visible", "weak"})
        self.module.functions[function.name] = function

    def _body_end(self, open_: int) -> int:
        """The brace that closes the one at ``open_``."""
        depth = 0
        for match in _BRACE.finditer(self.text, open_):
            depth += 1 if match.group() == "{" else -1
            if depth == 0:
                return match.start()
        raise InvalidPtx("a function body is not closed", self._line(open_))

    def _results(self, line: int) -> list[Param]:
        return self._params(line)

    def _params(self, line: int) -> list[Param]:
        opening = re.compile(r"\s*\(").match(self.text, self.at)
        if not opening:
            return []
        self.at = opening.end()
        depth_end = self.text.find(")", self.at)
        inner, self.at = self.text[self.at : depth_end], depth_end + 1
        params: list[Param] = []
        offset = 0
        for piece in inner.split(",") if inner.strip() else []:
            param = _parse_param(piece, offset, line)
            params.append(param)
            offset = param.offset + param.size
        return params

    def _directives(self, head: str, line: int) -> dict[str, list[int]]:
        found = {}
        for name, rest in _DIRECTIVE.findall(head):
            if name not in _FUNCTION_DIRECTIVES:
                raise InvalidPtx(f"unknown directive '.{name}' on a function", line)
            found[name] = [int(n, 0) for n in re.findall(r"\b(?:0x[0-9a-fA-F]+|\d+)\b", rest)]
        return found


def _parse_param(piece: str, offset: int, line: int) -> Param:
    match = _PARAM.match(piece)
    if not match or match["type"] not in TYPES:
        raise InvalidPtx(f"cannot read the parameter '{' '.join(piece.split())}'", line)
    element = TYPES[match["type"]]
    size = element.size * (int(match["dim"]) if match["dim"] else 1)
    align_match = re.search(r"\.align\s+(\d+)", match["attributes"])
    align = int(align_match[1]) if align_match else element.size
    offset = (offset + align - 1) // align * align
    return Param(match["name"], size, align, offset, element if match["space"] == "reg" else None)
