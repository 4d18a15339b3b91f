"""Loads, stores, atomics, address conversions, prefetches and asynchronous copies."""

from __future__ import annotations

import re

from native.ptx import spans
from native.ptx.body import Register
from native.ptx.builder import Builder
from native.ptx.errors import InvalidPtx
from native.ptx.fundamental import PtxType, ir_bits
from native.ptx.module import Variable
from native.ptx.ops_data import vector
from native.ptx.ops_float import narrow, widen
from native.ptx.ops_packed import join
from native.ptx.table import Operation, instruction

_SPACES = "global const shared local param shared::cta shared::cluster param::entry param::func"
_SCOPES = "cta cluster gpu sys"
_ORDERS = "weak volatile relaxed acquire release acq_rel sc mmio"
_CACHE = (
    "ca cg cs lu cv wb wt nc L1::evict_normal L1::evict_unchanged L1::evict_first L1::evict_last L1::no_allocate L2::evict_normal L2::evict_first L2::evict_last "
    "L2::cache_hint L2::64B L2::128B L2::256B unified"
)
_WIDTHS = {"v2": 2, "v4": 4, "v8": 8}
_ADDRESS = re.compile(r"\[\s*(?P<base>[^\s+\]-]+)\s*(?:(?P<sign>[+-])\s*(?P<offset>-?\w+))?\s*\]")


def parse_address(text: str) -> tuple[str, int]:
    """``[base+offset]``: base as written, offset as a number."""
    match = _ADDRESS.fullmatch(text)
    if not match:
        raise InvalidPtx(f"cannot read the address '{text}'")
    offset = int(match["offset"].rstrip("U"), 0) if match["offset"] else 0
    return match["base"], -offset if match["sign"] == "-" else offset


def space_of(op: Operation) -> str:
    """The state space named by the instruction; generic if none. ``cluster`` is the shared memory of all blocks of a cluster."""
    for flag in op.flags:
        if flag in _SPACE_NAMES:
            return "cluster" if flag == "shared::cluster" else flag.split("::")[0]
    return "generic"


def generic_address(builder: Builder, op: Operation, operand: str, space: str = "") -> str:
    """The generic address that an address operand of the instruction's space (or the given one) means, unchecked."""
    base, offset = parse_address(operand)
    value = builder.get(base, "i64")
    if offset:
        value = builder.value(f"add i64 {value}, {offset}")
    space = space or space_of(op)
    if space == "cluster":
        return builder.call("simgpu_cluster_address", "%t", value)
    return builder.value(f"add i64 {value}, {_shared_base(builder)}") if space == "shared" else value


def _shared_base(builder: Builder) -> str:
    return builder.value(f"ptrtoint ptr {builder.context_field('block', 'shared', 'ptr')} to i64")


_SPACE_NAMES = frozenset(_SPACES.split())


def formal_parameter(builder: Builder, name: str) -> str:
    """Pointer to a parameter or result of the function being written."""
    if builder.function.entry:
        base = builder.context_field("launch", "params", "ptr")
        return builder.value(f"getelementptr i8, ptr {base}, i64 {builder.params[name].offset}")
    names = [*builder.results, *builder.params]
    return f"%a{names.index(name)}"


def access(builder: Builder, space: str, address: str, size: int, write: bool) -> str:
    """Checks ``size`` bytes at an address operand and returns the host pointer."""
    base, offset = parse_address(address)
    if base in builder.params or base in builder.results:
        pointer = formal_parameter(builder, base)
        return builder.value(f"getelementptr i8, ptr {pointer}, i64 {offset}")
    known = builder.find(base)
    if isinstance(known, Variable) and known.space in ("param", "local") and 0 <= offset <= max(known.size - size, 0):
        return builder.value(f"getelementptr i8, ptr {builder.buffer(known)}, i64 {offset}")
    if space in _SPAN_SPACES and isinstance(known, Register) and builder.branch is None:
        joined = spans.pointer(builder, space, known, offset, size, write)
        if joined is not None:
            return joined
    value = builder.get(base, "i64")
    if offset:
        value = builder.value(f"add i64 {value}, {offset}")
    return checked(builder, space, value, size, write)


def checked(builder: Builder, space: str, value: str, size: int, write: bool) -> str:
    """The host pointer behind an address of ``space``. Addresses of other blocks of a cluster are far outside the own block's memory."""
    if space in _SHARED_SPACES:
        shared = builder.context_field("block", "shared", "ptr")
        bytes_ = builder.context_field("block", "shared_bytes", "i32")
        return builder.prelude(f"shared_{size}", "ptr", "ptr %t", f"i64 {value}", f"ptr {shared}", f"i32 {bytes_}")
    if space == "local":
        low, high = (builder.context_field("thread", name, "i64") for name in ("stack_low", "stack_high"))
        return builder.prelude(f"local_{size}", "ptr", "ptr %t", f"i64 {value}", f"i64 {low}", f"i64 {high}")
    base, bytes_ = (builder.context_field("launch", name, "i64") for name in ("arena_base", "arena_size"))
    granules = builder.context_field("launch", "granules", "ptr")
    name = f"access_{'w' if write else 'r'}{size}"
    return builder.prelude(name, "ptr", "ptr %t", f"i64 {value}", f"i64 {base}", f"i64 {bytes_}", f"ptr {granules}")


_SHARED_SPACES = frozenset({"shared", "cluster"})
_SPAN_SPACES = frozenset({"global", "generic", "shared"})


def _width(op: Operation) -> int:
    return next((count for flag, count in _WIDTHS.items() if flag in op.flags), 1)


def _ordering(op: Operation) -> str:
    """How LLVM must treat the access: '' for plain, else an atomic ordering."""
    if "acquire" in op.flags or "release" in op.flags:
        return "seq_cst" if "sc" in op.flags else ("acquire" if op.instruction.opcode == "ld" else "release")
    return "monotonic" if op.flags & {"relaxed", "volatile", "mmio"} else ""


_LOAD_FLAGS = f"{_SPACES} {_SCOPES} {_ORDERS} {_CACHE} v2 v4 v8"


@instruction("ld ldu", _LOAD_FLAGS, style="branch", results=1)
def _load(builder: Builder, op: Operation) -> None:
    kind, count, space = op.type, _width(op), space_of(op)
    pointer = access(builder, space, op.operands[1], kind.size * count, False)
    ir = f"i{max(kind.bits, 8)}" if kind.lanes == 2 or kind.kind in "hgpq" else kind.ir
    order = _ordering(op)
    targets = vector(op.operands[0])
    if len(targets) != count:
        raise InvalidPtx(f"{count} registers expected")
    constant = ", !invariant.load !0" if not order and ("nc" in op.flags or space == "const") else ""
    if order and count == 1:
        values = [builder.value(f"load atomic {ir}, ptr {pointer} {order}, align {kind.size}")]
    elif count == 1:
        values = [builder.value(f"load {ir}, ptr {pointer}, align {_alignment(kind.size, space)}{constant}")]
    else:
        volatile = " volatile" if order else ""
        whole = builder.value(f"load{volatile} <{count} x {ir}>, ptr {pointer}, align {_alignment(kind.size * count, space)}{constant}")
        values = [builder.value(f"extractelement <{count} x {ir}> {whole}, i32 {i}") for i in range(count)]
        if order == "acquire":
            builder.emit("fence acquire")
    for target, value in zip(targets, values, strict=True):
        builder.set(target, value, ir, kind.signed)


def _alignment(size: int, space: str) -> int:
    """Parameters are packed by the host's rules and need not be aligned in memory."""
    return 1 if space == "param" else size


_COMPLETION = "mbarrier::complete_tx::bytes"


@instruction("st", f"{_LOAD_FLAGS} async {_COMPLETION}", style="branch", results=0)
def _store(builder: Builder, op: Operation) -> None:
    """A store; with .async it is done at once too, and its bytes are reported to the barrier of the third operand."""
    _store_values(builder, op)
    if "async" in op.flags:
        barrier = access(builder, space_of(op), op.operands[2], 8, True)
        builder.call("simgpu_mbarrier_complete", "%t", barrier, str(op.type.size * _width(op)))


def _store_values(builder: Builder, op: Operation) -> None:
    kind, count, space = op.type, _width(op), space_of(op)
    pointer = access(builder, space, op.operands[0], kind.size * count, True)
    ir = f"i{max(kind.bits, 8)}" if kind.lanes == 2 or kind.kind in "hgpq" else kind.ir
    values = [builder.get(source, ir) for source in vector(op.operands[1])]
    if len(values) != count:
        raise InvalidPtx(f"{count} registers expected")
    order = _ordering(op)
    if order and count == 1:
        builder.emit(f"store atomic {ir} {values[0]}, ptr {pointer} {order}, align {kind.size}")
        return
    if count == 1:
        builder.emit(f"store {ir} {values[0]}, ptr {pointer}, align {_alignment(kind.size, space)}")
        return
    if order == "release":
        builder.emit("fence release")
    whole = "poison"
    for i, value in enumerate(values):
        whole = builder.value(f"insertelement <{count} x {ir}> {whole}, {ir} {value}, i32 {i}")
    volatile = " volatile" if order else ""
    builder.emit(f"store{volatile} <{count} x {ir}> {whole}, ptr {pointer}, align {_alignment(kind.size * count, space)}")


# ---- atomics ----

_ATOMIC_FLAGS = (
    f"{_SCOPES} relaxed acquire release acq_rel global shared shared::cta shared::cluster generic "
    "add and or xor min max exch cas inc dec noftz v2 v4 v8 L2::cache_hint"
)
_RMW = {"add": "add", "and": "and", "or": "or", "xor": "xor", "exch": "xchg", "inc": "uinc_wrap", "dec": "udec_wrap"}


@instruction("atom", _ATOMIC_FLAGS, style="branch", results=1)
def _atom(builder: Builder, op: Operation) -> None:
    _atomic(builder, op, op.operands[0], op.operands[1], op.operands[2:])


@instruction("red", f"{_ATOMIC_FLAGS} async", style="branch", results=0)
def _red(builder: Builder, op: Operation) -> None:
    if "async" in op.flags:
        raise op.refuse()
    _atomic(builder, op, "_", op.operands[0], op.operands[1:])


def _atomic(builder: Builder, op: Operation, target: str, address: str, sources: list[str]) -> None:
    kind, count, space = op.type, _width(op), space_of(op)
    pointer = access(builder, space, address, kind.size * count, True)
    targets = vector(target) if count > 1 and target != "_" else [target] * count
    columns = [vector(source) for source in sources[: 2 if "cas" in op.flags else 1]]
    for i in range(count):
        place = builder.value(f"getelementptr i8, ptr {pointer}, i64 {i * kind.size}") if i else pointer
        old = _atomic_one(builder, op, kind, place, [column[i] for column in columns], space in _SHARED_SPACES)
        builder.set(targets[i], old, f"i{kind.bits}")


def _atomic_one(builder: Builder, op: Operation, kind: PtxType, place: str, sources: list[str], private: bool) -> str:
    """One read-modify-write, its old value as an integer. Shared memory belongs to one cluster, whose threads never run at once."""
    name = op.choice("add", "and", "or", "xor", "min", "max", "exch", "cas", "inc", "dec")
    ir = f"i{kind.bits}"
    if private and kind.bits <= 64:
        old = builder.value(f"load {ir}, ptr {place}, align {kind.size}")
        builder.emit(f"store {ir} {_combine(builder, name, kind, old, sources)}, ptr {place}, align {kind.size}")
        return old
    order = "monotonic" if "relaxed" in op.flags else "acq_rel"
    if name == "cas":
        expected, wanted = (builder.get(source, ir) for source in sources)
        failure = "monotonic" if order == "monotonic" else "acquire"
        pair = builder.value(f"cmpxchg ptr {place}, {ir} {expected}, {ir} {wanted} {order} {failure}, align {kind.size}")
        return builder.value(f"extractvalue {{{ir}, i1}} {pair}, 0")
    if kind.is_float and name != "exch":
        return _compare_and_swap_loop(builder, name, kind, place, sources, order)
    rmw = _RMW.get(name) or (name if kind.signed else "u" + name)
    return builder.value(f"atomicrmw {rmw} ptr {place}, {ir} {builder.get(sources[0], ir)} {order}, align {kind.size}")


def _compare_and_swap_loop(builder: Builder, name: str, kind: PtxType, place: str, sources: list[str], order: str) -> str:
    """A float atomic: recompute until nobody came between."""
    ir = f"i{kind.bits}"
    builder.get(sources[0], ir)
    first = builder.value(f"load atomic {ir}, ptr {place} monotonic, align {kind.size}")
    origin, loop, done = builder.current, builder.label(), builder.label()
    builder.jump(loop)
    builder.start(loop)
    old, again = builder.name(), builder.name()
    builder.emit(f"{old} = phi {ir} [ {first}, %{origin} ], [ {again}, %{loop} ]")
    new = _combine(builder, name, kind, old, sources)
    pair = builder.value(f"cmpxchg ptr {place}, {ir} {old}, {ir} {new} {order} monotonic, align {kind.size}")
    builder.emit(f"{again} = extractvalue {{{ir}, i1}} {pair}, 0")
    swapped = builder.value(f"extractvalue {{{ir}, i1}} {pair}, 1")
    builder.emit(f"br i1 {swapped}, label %{done}, label %{loop}")
    builder.start(done)
    return old


def _combine(builder: Builder, name: str, kind: PtxType, old: str, sources: list[str]) -> str:
    """The new value of an atomic operation, as an integer."""
    ir = f"i{kind.bits}"
    source = builder.get(sources[0], ir)
    if name == "cas":
        equal = builder.value(f"icmp eq {ir} {old}, {source}")
        return builder.value(f"select i1 {equal}, {ir} {builder.get(sources[1], ir)}, {ir} {old}")
    if name == "exch":
        return source
    if kind.is_float:
        return _combine_float(builder, name, kind, old, source)
    if name in ("add", "and", "or", "xor"):
        return builder.value(f"{name} {ir} {old}, {source}")
    if name in ("min", "max"):
        return builder.intrinsic(f"{'s' if kind.signed else 'u'}{name}.{ir}", ir, f"{ir} {old}", f"{ir} {source}")
    beyond = builder.value(f"icmp uge {ir} {old}, {source}")
    if name == "inc":
        return builder.value(f"select i1 {beyond}, {ir} 0, {ir} {builder.value(f'add {ir} {old}, 1')}")
    zero = builder.value(f"icmp eq {ir} {old}, 0")
    wraps = builder.value(f"or i1 {zero}, {builder.value(f'icmp ugt {ir} {old}, {source}')}")
    return builder.value(f"select i1 {wraps}, {ir} {source}, {ir} {builder.value(f'sub {ir} {old}, 1')}")


def _combine_float(builder: Builder, name: str, kind: PtxType, old: str, source: str) -> str:
    if kind.lanes == 2:
        lanes = []
        for at in (0, 16):
            parts = [builder.value(f"trunc i32 {builder.value(f'lshr i32 {x}, {at}')} to i16") for x in (old, source)]
            lanes.append(_combine_float(builder, name, kind.element, *parts))
        return join(builder, lanes, "i16", 16)
    ir = "double" if kind.bits == 64 else "float"
    a, b = (widen(builder, builder.convert(x, f"i{kind.bits}", kind.ir), kind) for x in (old, source))
    if name == "add":
        result = builder.value(f"fadd {ir} {a}, {b}")
    else:
        result = builder.intrinsic(f"{name}imumnum.f{ir_bits(ir)}", ir, f"{ir} {a}", f"{ir} {b}")
    return builder.convert(narrow(builder, result, kind), kind.ir, f"i{kind.bits}")


# ---- addresses ----


@instruction("cvta", f"to {_SPACES}", types="u32 u64")
def _cvta(builder: Builder, op: Operation) -> None:
    """Generic addresses are host addresses; only shared addresses differ (an offset)."""
    operand, space = f"[{op.operands[1]}]", space_of(op)
    if "to" not in op.flags:
        value = generic_address(builder, op, operand)
    else:
        value = generic_address(builder, op, operand, "generic")
        if space == "cluster":
            value = builder.call("simgpu_cluster_window", "%t", value)
        elif space == "shared":
            value = builder.value(f"sub i64 {value}, {_shared_base(builder)}")
    builder.set(op.operands[0], value, "i64")


_SPACE_CODES = {"global": 0, "shared": 1, "local": 2, "const": 3, "param": 4, "cluster": 5}


@instruction("isspacep", _SPACES, style="select")
def _isspacep(builder: Builder, op: Operation) -> None:
    address = builder.get(op.operands[1], "i64")
    builder.set(op.operands[0], builder.call("simgpu_is_space", "%t", address, str(_SPACE_CODES[space_of(op)])), "i1")


@instruction("mapa", _SPACES, types="u32 u64")
def _mapa(builder: Builder, op: Operation) -> None:
    """The place in another block's shared memory that corresponds to one's own."""
    base, offset = parse_address(f"[{op.operands[1]}]")
    value = builder.value(f"add i64 {builder.get(base, 'i64')}, {offset}")
    rank = builder.get(op.operands[2], "i32")
    if space_of(op) == "cluster":
        value = builder.call("simgpu_cluster_address", "%t", value)
    mapped = builder.call("simgpu_map_rank", "%t", value, rank)
    if space_of(op) == "cluster":
        mapped = builder.call("simgpu_cluster_window", "%t", mapped)
    builder.set(op.operands[0], mapped, "i64")


@instruction("getctarank", _SPACES, types="u32 u64")
def _getctarank(builder: Builder, op: Operation) -> None:
    address = generic_address(builder, op, f"[{op.operands[1]}]")
    builder.set(op.operands[0], builder.call("simgpu_cluster_rank", "%t", address), "i32")


@instruction("prefetch prefetchu applypriority discard", f"{_SPACES} {_CACHE} L1 L2 tensormap", style="branch", results=0)
def _hint(_builder: Builder, op: Operation) -> None:
    """Advice to the caches: nothing to do."""
    if "tensormap" in op.flags:
        raise op.refuse()


@instruction(
    "createpolicy", "fractional range cvt L2 L2::evict_last L2::evict_first L2::evict_normal L2::evict_unchanged global", types="b64"
)
def _createpolicy(builder: Builder, op: Operation) -> None:
    builder.set(op.operands[0], "0", "i64")


# ---- copies ----


@instruction(
    "cp",
    f"async {_SPACES} {_CACHE} commit_group wait_group wait_all mbarrier arrive noinc bulk bulk_group read prefetch L2 {_COMPLETION}",
    style="branch",
    results=0,
    types="b64",
)
def _cp(builder: Builder, op: Operation) -> None:
    """cp.async copies at once; groups are therefore always complete."""
    if "async" not in op.flags:
        raise op.refuse()
    if op.flags & {"commit_group", "wait_group", "wait_all", "prefetch"}:
        return
    if "mbarrier" in op.flags:
        _arrive_when_copied(builder, op)
    elif "bulk" in op.flags:
        _copy_bulk(builder, op)
    else:
        _copy_small(builder, op)


def _arrive_when_copied(builder: Builder, op: Operation) -> None:
    """cp.async.mbarrier.arrive: all copies are done, so it arrives now; without .noinc it would first expect one arrival more."""
    if "noinc" in op.flags:
        place = access(builder, space_of(op), op.operands[0], 8, True)
        builder.call("simgpu_mbarrier_arrive", "%t", place, "1", "0", "0")


def _copy_bulk(builder: Builder, op: Operation) -> None:
    """cp.async.bulk between two spaces: at once; the bytes are then reported to the barrier."""
    named = [modifier for modifier in op.instruction.modifiers if modifier in _SPACE_NAMES]
    if len(named) != 2:
        raise op.refuse()
    spaces = ["cluster" if name == "shared::cluster" else name.split("::")[0] for name in named]
    to, source = (generic_address(builder, op, operand, space) for operand, space in zip(op.operands[:2], spaces, strict=True))
    size = builder.get(op.operands[2], "i32")
    builder.call("simgpu_copy_bulk", "%t", to, source, size)
    if _COMPLETION in op.flags:
        barrier = checked(builder, "generic", generic_address(builder, op, op.operands[3], spaces[0]), 8, True)
        builder.call("simgpu_mbarrier_complete", "%t", barrier, size)


def _copy_small(builder: Builder, op: Operation) -> None:
    size = int(op.operands[2], 0)
    to = access(builder, "shared", op.operands[0], size, True)
    source = access(builder, "global", op.operands[1], size, False) if len(op.operands) < 4 else ""
    if not source:
        _copy_partly(builder, op, to, size)
        return
    builder.emit(f"store i{8 * size} {builder.value(f'load i{8 * size}, ptr {source}, align {size}')}, ptr {to}, align {size}")


def _copy_partly(builder: Builder, op: Operation, to: str, size: int) -> None:
    """Only the first ``src-size`` bytes are read, the rest is zero; a predicate operand means all or nothing."""
    last = builder.find(op.operands[3])
    if isinstance(last, Register) and last.type.bits == 1:
        count = builder.value(f"select i1 {builder.get(op.operands[3], 'i1')}, i32 0, i32 {size}")
    else:
        count = builder.get(op.operands[3], "i32")
    builder.emit(f"store i{8 * size} 0, ptr {to}, align {size}")

    def copy() -> None:
        source = access(builder, "global", op.operands[1], size, False)
        builder.kernel.declare("declare void @llvm.memcpy.p0.p0.i32(ptr, ptr, i32, i1)")
        builder.emit(f"call void @llvm.memcpy.p0.p0.i32(ptr {to}, ptr {source}, i32 {count}, i1 false)")

    builder.nested(builder.value(f"icmp ne i32 {count}, 0"), copy)


@instruction("fence membar", f"{_SCOPES} sc acq_rel acquire release gl proxy alias async async::generic global sync_restrict::shared::cta sync_restrict::shared::cluster shared::cta shared::cluster mbarrier_init cluster sync_restrict",
             style="branch", results=0)  # fmt: skip
def _fence(builder: Builder, _op: Operation) -> None:
    builder.emit("fence seq_cst")
