"""Compiles one entry and every function it reaches into one LLVM module (text).

Every device function is ``void f(ptr thread, ptr result…, ptr argument…)``: parameters are memory, as in PTX, and LLVM's
inliner dissolves them. That also lets a call through a pointer ignore prototypes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from native.ptx import (
    abi,
    ops_control,
    ops_convert,
    ops_data,
    ops_float,
    ops_integer,
    ops_matrix,
    ops_mbarrier,
    ops_memory,
    ops_stack,
    ops_texture,
    ops_video,
    ops_warp,
    special,
)
from native.ptx.body import Body, Instruction, Register, parse_body
from native.ptx.builder import Builder
from native.ptx.errors import InvalidPtx, PtxError, Unresolved, Unsupported
from native.ptx.linker import Program
from native.ptx.module import Function, Variable
from native.ptx.prelude import PRELUDE
from native.ptx.table import write_instruction

# Importing them fills the instruction table.
TABLES = (
    ops_control,
    ops_convert,
    ops_data,
    ops_float,
    ops_integer,
    ops_matrix,
    ops_mbarrier,
    ops_memory,
    ops_stack,
    ops_texture,
    ops_video,
    ops_warp,
)

_DYNAMIC_SHARED = "@dynamic_shared@"
_WAITING = re.compile(r"\b(?:atom|nanosleep|mbarrier)\b|\.volatile|\.acquire|\.relaxed|\bbar\b|\bbarrier\b")


@dataclass
class CompiledKernel:
    """LLVM IR of an entry and what the run time must know about it."""

    ir: str
    static_shared: int
    local_bytes: int
    registers: int
    fibers: bool


class KernelCompiler:
    """Compiles one entry of a program."""

    def __init__(self, program: Program, entry: Function) -> None:
        self.program = program
        self.entry = entry
        self.needs_fibers = False
        self.shared_offsets: dict[Variable, int] = {}
        self.shared_bytes = 0
        self.shared_align = 16
        self.local_bytes = 0
        self.registers = 0
        self.declarations: dict[str, None] = {}
        self.pending: list[Function] = []
        self.reached: set[Function] = set()
        self.calls: dict[Function, set[Function]] = {}
        self.callable_table = False
        self.signatures = abi.all_helpers()
        self.context: dict[tuple[Builder, str, str, int], str] = {}

    def compile(self) -> CompiledKernel:
        """Writes the entry, then the functions it reaches, then the function that the run time calls."""
        texts = [self._write(self.entry, self._parse(self.entry))]
        while self.pending:
            function = self.pending.pop()
            texts.append(self._write(function, self._parse(function)))
        texts.append(self._start())
        if self.callable_table:
            texts.append(self._function_table())
        static = (self.shared_bytes + self.shared_align - 1) // self.shared_align * self.shared_align if self.shared_bytes else 0
        dynamic_at = (static + 15) // 16 * 16
        ir = "\n".join([PRELUDE, *self.declarations, *texts]).replace(_DYNAMIC_SHARED, str(dynamic_at))
        return CompiledKernel(ir, self.shared_bytes, self.local_bytes, min(max(self.registers, 16), 255), self.needs_fibers)

    # ---- functions ----

    def _parse(self, function: Function) -> Body:
        if function.body is None:
            raise Unresolved(f"the function '{function.name}' is declared but defined nowhere", function.line)
        try:
            return parse_body(function.body, function.body_line, lambda name: self._may_wait(function, name))
        except PtxError as error:
            error.args = (f"in '{function.name}': {error.args[0]}",)
            raise

    def _may_wait(self, caller: Function, name: str) -> bool:
        callee = self.program.function(caller.home, name)
        if callee is None:
            return True
        return callee.body is not None and _WAITING.search(callee.body) is not None

    def _write(self, function: Function, body: Body) -> str:
        self.calls.setdefault(function, set())
        builder = Builder(self, function, body)
        try:
            if body.spin_loops:
                self.needs_fibers = True
            ops_control.load_register_params(builder)
            for builder.position, item in enumerate(body.items):
                if isinstance(item, Instruction):
                    if builder.terminated:
                        builder.start(builder.label())
                    write_instruction(builder, item)
                else:
                    builder.enter_label(item)
            if not builder.terminated:
                ops_control.write_return(builder)
        except PtxError as error:
            error.args = (f"in '{function.name}': {error.args[0]}",)
            raise
        self.local_bytes += builder.stack_bytes
        self.registers = max(self.registers, len(builder.slots))
        return self._text(builder)

    def _text(self, builder: Builder) -> str:
        function = builder.function
        recursive = not function.entry and (self.callable_table or self._recursive(function))
        if function.entry:
            head = "define internal void @body(ptr noalias %t, i32 %tx, i32 %ty, i32 %tz) alwaysinline nounwind {"
        else:
            count = len(function.results) + len(function.params)
            attributes = "noinline nounwind" if recursive else "nounwind"
            head = (
                f"define internal void {symbol(function)}({', '.join(['ptr %t', *(f'ptr %a{i}' for i in range(count))])}) {attributes} {{"
            )
        check = self._stack_check(builder) if recursive else []
        return "\n".join([head, "entry:", *builder.allocas, *check, "br label %start", "start:", *builder.lines, "}"])

    def _recursive(self, function: Function) -> bool:
        """Whether the function may reach itself; of callees not yet written, every function they name counts."""
        seen: set[Function] = set()
        stack = list(self.calls.get(function, ()))
        while stack:
            callee = stack.pop()
            if callee is function:
                return True
            if callee not in seen:
                seen.add(callee)
                known = self.calls.get(callee)
                stack.extend(known if known is not None else self.program.named_in(callee))
        return False

    def _stack_check(self, builder: Builder) -> list[str]:
        self.declare("declare ptr @llvm.frameaddress.p0(i32)")
        self.helper("simgpu_overflow")
        guard_at = abi.THREAD["stack_guard"]
        return [
            "%frame = call ptr @llvm.frameaddress.p0(i32 0)",
            "%frame.i = ptrtoint ptr %frame to i64",
            f"%frame.low = sub i64 %frame.i, {builder.stack_bytes}",
            f"%guard.p = getelementptr i8, ptr %t, i64 {guard_at}",
            "%guard = load i64, ptr %guard.p",
            "%fits = icmp uge i64 %frame.low, %guard",
            "br i1 %fits, label %fine, label %overflow",
            "overflow:",
            "call void @simgpu_overflow(ptr %t)",
            "unreachable",
            "fine:",
        ]

    def _start(self) -> str:
        """``simgpu_kernel``: one thread in fiber mode, a loop over the block's threads otherwise."""
        tid = abi.THREAD["tid"]
        if self.needs_fibers:
            loads = "\n".join(
                f"%p{axis} = getelementptr i8, ptr %t, i64 {tid + 4 * i}\n%t{axis} = load i32, ptr %p{axis}" for i, axis in enumerate("xyz")
            )
            return (
                f"define void @simgpu_kernel(ptr %t) nounwind {{\n{loads}\ncall void @body(ptr %t, i32 %tx, i32 %ty, i32 %tz)\nret void\n}}"
            )
        return _LOOP.format(
            block=abi.THREAD["block"], launch=abi.BLOCK["launch"], tid=tid, tidy=tid + 4, tidz=tid + 8,
            nx=abi.LAUNCH["block"], ny=abi.LAUNCH["block"] + 4, nz=abi.LAUNCH["block"] + 8,
        )  # fmt: skip

    def reach(self, function: Function, caller: Function) -> None:
        """Notes that ``caller`` calls the function, so that it is compiled too."""
        self.calls.setdefault(caller, set()).add(function)
        if function not in self.reached:
            self.reached.add(function)
            self.pending.append(function)

    def reach_all_addressable(self, caller: Function) -> None:
        """An indirect call may go to any function whose address is taken anywhere in the program."""
        if not self.callable_table:
            self.callable_table = True
            for function in self.program.addressable():
                self.reach(function, caller)

    def _function_table(self) -> str:
        rows = ["ptr null"] * len(self.program.functions)
        for function in self.reached:
            rows[function.index] = f"ptr {symbol(function)}"
        return f"@functions = internal constant [{len(rows)} x ptr] [{', '.join(rows)}]"

    # ---- what builders ask for ----

    def declare(self, text: str) -> None:
        """Adds a declaration once; those of the prelude are there already."""
        if text.split("(", maxsplit=1)[0] not in PRELUDE:
            self.declarations.setdefault(text)

    def helper(self, name: str) -> tuple[str, list[str]]:
        """Result and argument types of a C++ helper, which is declared on the way."""
        result, arguments = self.signatures[name].split(" (")
        types = [t for t in arguments.rstrip(")").split(", ") if t]
        self.declare(f"declare {result} @{name}({', '.join(types)}) nounwind")
        return result, types

    def context_field(self, builder: Builder, structure: str, name: str, ir: str, index: int = 0) -> str:
        """A field of the run-time structures, read at the start of the function."""
        key = (builder, structure, name, index)
        found = self.context.get(key)
        if found is None:
            offsets = {"launch": abi.LAUNCH, "block": abi.BLOCK, "thread": abi.THREAD}[structure]
            found = self.context[key] = builder.name()
            address = builder.name()
            base = self._structure(builder, structure)
            builder.allocas.append(f"{address} = getelementptr i8, ptr {base}, i64 {offsets[name] + 4 * index}")
            builder.allocas.append(f"{found} = load {ir}, ptr {address}, !invariant.load !0")
        return found

    def _structure(self, builder: Builder, structure: str) -> str:
        if structure == "thread":
            return "%t"
        if structure == "block":
            return self.context_field(builder, "thread", "block", "ptr")
        return self.context_field(builder, "block", "launch", "ptr")

    def special(self, builder: Builder, name: str) -> tuple[str, str] | None:
        """A special register's value and type."""
        return special.read(builder, name)

    def symbol_address(self, builder: Builder, name: str) -> str:
        """What ``mov`` of a symbol gives: an address in the symbol's own state space, or a function's number."""
        found = builder.find(name)
        if isinstance(found, Variable):
            return self.variable_address(builder, found)
        if name in builder.params or name in builder.results:
            pointer = ops_memory.formal_parameter(builder, name)
            return builder.value(f"ptrtoint ptr {pointer} to i64")
        home = builder.function.home
        variable = self.program.variable(home, name)
        if variable is not None:
            return self.variable_address(builder, variable)
        function = self.program.function(home, name)
        if function is not None:
            return str(function.address)
        if name in home.refused:
            raise Unsupported(f"'{name}' is a {home.refused[name]}: textures and surfaces are not simulated yet")
        raise InvalidPtx(f"'{name}' is not declared")

    def is_wide_symbol(self, builder: Builder, name: str) -> bool:
        """Whether ``name`` is a symbol whose address needs 64 bits (anything but shared memory)."""
        if name[0] in "%0123456789-+" or isinstance(builder.find(name), Register):
            return False
        home = builder.function.home
        found = builder.find(name) or self.program.variable(home, name)
        return self.program.function(home, name) is not None or (isinstance(found, Variable) and found.space != "shared")

    def variable_address(self, builder: Builder, variable: Variable) -> str:
        """Address of a variable in its own state space."""
        if variable.space == "shared":
            return self.shared_offset(variable)
        if variable.space in ("local", "param"):
            return builder.value(f"ptrtoint ptr {builder.buffer(variable)} to i64")
        if variable.index < 0:
            raise Unresolved(f"the variable '{variable.name}' is declared but defined nowhere", variable.line)
        table = builder.context_field("launch", "globals", "ptr")
        place = builder.value(f"getelementptr i64, ptr {table}, i64 {variable.index}")
        return builder.value(f"load i64, ptr {place}, !invariant.load !0")

    def shared_offset(self, variable: Variable) -> str:
        """Offset in the block's shared memory; unsized arrays begin where the static part ends."""
        if variable.size == 0:
            return _DYNAMIC_SHARED
        if variable not in self.shared_offsets:
            at = (self.shared_bytes + variable.align - 1) // variable.align * variable.align
            self.shared_offsets[variable] = at
            self.shared_bytes = at + variable.size
            self.shared_align = max(self.shared_align, variable.align)
        return str(self.shared_offsets[variable])


def symbol(function: Function) -> str:
    """The LLVM name of a device function."""
    return f"@f{function.index}"


_LOOP = """define void @simgpu_kernel(ptr %t) nounwind {{
entry:
%bp = getelementptr i8, ptr %t, i64 {block}
%b = load ptr, ptr %bp
%lp = getelementptr i8, ptr %b, i64 {launch}
%l = load ptr, ptr %lp
%nxp = getelementptr i8, ptr %l, i64 {nx}
%nyp = getelementptr i8, ptr %l, i64 {ny}
%nzp = getelementptr i8, ptr %l, i64 {nz}
%nx = load i32, ptr %nxp
%ny = load i32, ptr %nyp
%nz = load i32, ptr %nzp
%xp = getelementptr i8, ptr %t, i64 {tid}
%yp = getelementptr i8, ptr %t, i64 {tidy}
%zp = getelementptr i8, ptr %t, i64 {tidz}
br label %loopz
loopz:
%z = phi i32 [ 0, %entry ], [ %z1, %nextz ]
store i32 %z, ptr %zp
br label %loopy
loopy:
%y = phi i32 [ 0, %loopz ], [ %y1, %nexty ]
store i32 %y, ptr %yp
br label %loopx
loopx:
%x = phi i32 [ 0, %loopy ], [ %x1, %loopx ]
store i32 %x, ptr %xp
call void @body(ptr %t, i32 %x, i32 %y, i32 %z)
%x1 = add nuw i32 %x, 1
%morex = icmp ult i32 %x1, %nx
br i1 %morex, label %loopx, label %nexty
nexty:
%y1 = add nuw i32 %y, 1
%morey = icmp ult i32 %y1, %ny
br i1 %morey, label %loopy, label %nextz
nextz:
%z1 = add nuw i32 %z, 1
%morez = icmp ult i32 %z1, %nz
br i1 %morez, label %loopz, label %done
done:
ret void
}}"""
