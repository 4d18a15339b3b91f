"""Branches, calls, returns and what ends a thread."""

from __future__ import annotations

from native.ptx import abi
from native.ptx.body import Instruction, Label, Register, TargetList
from native.ptx.builder import Builder
from native.ptx.errors import InvalidPtx
from native.ptx.module import FUNCTION_BASE, Function, Variable
from native.ptx.table import Operation, instruction

# What device code may call without defining it: C++ helper, argument types, result type.
_RUNTIME = {
    "vprintf": ("simgpu_vprintf", ["i64", "i64"], "i32"),
    "malloc": ("simgpu_malloc", ["i64"], "i64"),
    "free": ("simgpu_free", ["i64"], ""),
    "cudaGraphSetConditional": ("simgpu_set_condition", ["i64", "i32"], ""),
    "__assertfail": ("simgpu_assert", ["i64", "i64", "i32", "i64", "i64"], ""),
}


def load_register_params(builder: Builder) -> None:
    """Old-style functions take registers: give them their values."""
    for formal in [*builder.function.results, *builder.function.params]:
        if formal.register is None:
            continue
        register = Register(formal.name, formal.register, shared=True)
        builder.body.root.names[formal.name] = register
        if formal in builder.function.params:
            place = f"%a{[*builder.results, *builder.params].index(formal.name)}"
            builder.write(register, builder.value(f"load {register.ir}, ptr {place}"), register.ir)


def write_return(builder: Builder) -> None:
    """Stores register results and returns."""
    for formal in builder.function.results:
        if formal.register is not None:
            register = builder.body.root.names[formal.name]
            if not isinstance(register, Register):
                raise InvalidPtx(f"'{formal.name}' is declared twice")
            place = f"%a{list(builder.results).index(formal.name)}"
            builder.emit(f"store {register.ir} {builder.read(register, register.ir)}, ptr {place}")
    builder.emit("ret void")
    builder.terminated = True


def _leave(builder: Builder, op: Operation, ending: str) -> None:
    """Ends the block by ``ending`` (return or exit), under the guard if there is one."""
    if not op.instruction.guard:
        _write_ending(builder, ending)
        return
    inside, after = builder.label(), builder.label()
    condition = builder.get(op.instruction.guard, "i1")
    builder.flush()
    builder.emit(f"br i1 {condition}, label %{inside}, label %{after}")
    builder.start(inside)
    known = {register: dict(views) for register, views in builder.cache.items()}
    spans = dict(builder.spans)
    _write_ending(builder, ending)
    builder.start(after)
    builder.cache, builder.spans = known, spans


def _write_ending(builder: Builder, ending: str) -> None:
    if ending == "exit" and not builder.function.entry:
        builder.kernel.needs_fibers = True
        builder.call("simgpu_exit", "%t")
        builder.unreachable()
        return
    write_return(builder)


@instruction("ret", "uni", style="control", results=0)
def _ret(builder: Builder, op: Operation) -> None:
    _leave(builder, op, "ret")


@instruction("exit", style="control", results=0)
def _exit(builder: Builder, op: Operation) -> None:
    _leave(builder, op, "exit")


@instruction("trap brkpt", style="branch", results=0)
def _trap(builder: Builder, op: Operation) -> None:
    builder.call("simgpu_trap", "%t", "0" if op.instruction.opcode == "trap" else "1")
    builder.unreachable()


@instruction("bra", "uni", style="control", results=0)
def _bra(builder: Builder, op: Operation) -> None:
    label = builder.target(op.operands[0])
    condition = builder.get(op.instruction.guard, "i1") if op.instruction.guard else None
    builder.flush()
    target = builder.ptx_label(label)
    if condition is None:
        _spin(builder, op.instruction)
        builder.jump(target)
        return
    after = builder.label()
    if op.instruction in builder.body.spin_loops:
        inside = builder.label()
        builder.emit(f"br i1 {condition}, label %{inside}, label %{after}")
        builder.start(inside)
        _spin(builder, op.instruction)
        builder.jump(target)
    else:
        builder.emit(f"br i1 {condition}, label %{target}, label %{after}")
    builder.start(after)


def _spin(builder: Builder, item: Instruction) -> None:
    """On the way back in a loop that may wait: now and then let the other threads run."""
    if item not in builder.body.spin_loops:
        return
    place = builder.value(f"getelementptr i8, ptr %t, i64 {abi.THREAD['fuel']}")
    left = builder.value(f"sub i32 {builder.value(f'load i32, ptr {place}')}, 1")
    builder.emit(f"store i32 {left}, ptr {place}")
    tired, go = builder.label(), builder.label()
    builder.emit(f"br i1 {builder.value(f'icmp sle i32 {left}, 0')}, label %{tired}, label %{go}, !prof !2")
    builder.start(tired)
    builder.call("simgpu_yield", "%t")
    builder.jump(go)
    builder.start(go)


@instruction("brx", "idx uni", style="control", results=0)
def _brx(builder: Builder, op: Operation) -> None:
    targets = builder.find(op.operands[1])
    if not isinstance(targets, TargetList) or op.instruction.guard:
        raise InvalidPtx("brx.idx needs a .branchtargets list and no guard")
    index = builder.get(op.operands[0], "i32")
    builder.flush()
    _spin(builder, op.instruction)
    labels = [builder.ptx_label(builder.target(name)) for name in targets.labels]
    cases = " ".join(f"i32 {i}, label %{label}" for i, label in enumerate(labels))
    outside = builder.label()
    builder.emit(f"switch i32 {index}, label %{outside} [ {cases} ]")
    builder.start(outside)
    builder.unreachable()


# ---- calls ----


@instruction("call", "uni", style="branch", results=1)
def _call(builder: Builder, op: Operation) -> None:
    """``call (results), target, (arguments), prototype``; any part but the target may be missing."""
    operands = list(op.operands)
    results = _list(operands.pop(0)) if operands[0].startswith("(") else []
    target = operands.pop(0)
    arguments = _list(operands.pop(0)) if operands and operands[0].startswith("(") else []
    if target in _RUNTIME and _undefined(builder, target):
        _call_runtime(builder, target, results, arguments)
        return
    callee = builder.kernel.program.function(builder.function.home, target)
    given = [_argument(builder, argument, callee, i) for i, argument in enumerate(arguments)]
    received = [_result_place(builder, result) for result in results]
    pointers = ", ".join(["ptr %t", *(f"ptr {place}" for place in [*received, *given])])
    if callee is not None:
        builder.kernel.reach(callee, builder.function)
        builder.emit(f"call void @f{callee.index}({pointers})")
    else:
        builder.emit(f"call void {_pointer(builder, target)}({pointers})")
    for result, place in zip(results, received, strict=True):
        known = builder.find(result)
        if isinstance(known, Register):
            builder.write(known, builder.value(f"load {known.ir}, ptr {place}"), known.ir)


def _list(text: str) -> list[str]:
    return [part.strip() for part in text[1:-1].split(",") if part.strip()]


def _undefined(builder: Builder, name: str) -> bool:
    function = builder.kernel.program.function(builder.function.home, name)
    return function is None or function.body is None


def _argument(builder: Builder, text: str, callee: Function | None, index: int) -> str:
    """Pointer to an argument: a .param variable as it is; a register or literal is stored first."""
    known = builder.find(text)
    if isinstance(known, Variable):
        return builder.buffer(known)
    if isinstance(known, Register):
        place = builder.temporary(known.type.size)
        builder.emit(f"store {known.ir} {builder.read(known, known.ir)}, ptr {place}")
        return place
    formal = callee.params[index].register if callee else None
    if formal is None:
        raise InvalidPtx(f"'{text}' is no argument")
    place = builder.temporary(formal.size)
    builder.emit(f"store {formal.ir} {builder.get(text, formal.ir)}, ptr {place}")
    return place


def _result_place(builder: Builder, text: str) -> str:
    known = builder.find(text)
    return builder.buffer(known) if isinstance(known, Variable) else builder.temporary(16)


def _pointer(builder: Builder, target: str) -> str:
    """The code behind a function's number, looked up in the table of functions compiled into this object."""
    kernel = builder.kernel
    if isinstance(builder.find(target), Label) or not isinstance(builder.find(target), Register):
        raise InvalidPtx(f"'{target}' is not declared")
    kernel.reach_all_addressable(builder.function)
    size = len(kernel.program.functions)
    value = builder.get(target, "i64")
    offset = builder.value(f"sub i64 {value}, {FUNCTION_BASE}")
    index = builder.intrinsic("fshr.i64", "i64", f"i64 {offset}", f"i64 {offset}", "i64 4")
    known, bad, found, call = (builder.label() for _ in range(4))
    builder.emit(f"br i1 {builder.value(f'icmp ult i64 {index}, {size}')}, label %{known}, label %{bad}")
    builder.start(known)
    place = builder.value(f"getelementptr [{size} x ptr], ptr @functions, i64 0, i64 {index}")
    code = builder.value(f"load ptr, ptr {place}")
    builder.emit(f"br i1 {builder.value(f'icmp eq ptr {code}, null')}, label %{bad}, label %{found}")
    builder.start(bad)
    builder.call("simgpu_bad_call", "%t", value)
    builder.unreachable()
    builder.start(found)
    builder.jump(call)
    builder.start(call)
    return code


def _call_runtime(builder: Builder, target: str, results: list[str], arguments: list[str]) -> None:
    helper, types, result = _RUNTIME[target]
    values = ["%t"]
    for argument, ir in zip(arguments, types, strict=True):
        place = builder.find(argument)
        if not isinstance(place, Variable):
            raise InvalidPtx(f"'{argument}' is no .param variable")
        values.append(builder.value(f"load {ir}, ptr {builder.buffer(place)}"))
    value = builder.call(helper, *values)
    if result and results:
        destination = builder.find(results[0])
        if isinstance(destination, Variable):
            builder.emit(f"store {result} {value}, ptr {builder.buffer(destination)}")


# ---- hints ----


@instruction("nanosleep", types="u32", style="branch", results=0, fibers=True)
def _nanosleep(builder: Builder, _op: Operation) -> None:
    """Sleeping is letting the others run."""
    builder.call("simgpu_yield", "%t")


@instruction("pmevent", "mask", style="branch", results=0)
def _pmevent(builder: Builder, op: Operation) -> None:
    """Performance monitor events: nobody listens."""


@instruction("griddepcontrol", "launch_dependents wait", style="branch", results=0)
def _griddepcontrol(builder: Builder, op: Operation) -> None:
    """Grids of one stream run one after the other, so there is nothing to wait for."""


@instruction("setmaxnreg", "inc dec sync aligned", types="u32", style="branch", results=0)
def _setmaxnreg(builder: Builder, op: Operation) -> None:
    """Register budgets do not exist here."""
