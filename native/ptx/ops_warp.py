"""Barriers and exchanges between the threads of a warp or block. All make the kernel run its threads as fibers."""

from __future__ import annotations

from native.ptx.builder import Builder
from native.ptx.table import Operation, instruction

_REDUCTIONS = {"and": 0, "or": 1, "popc": 2}
_SHUFFLES = {"up": 0, "down": 1, "bfly": 2, "idx": 3}
_VOTES = {"all": 0, "any": 1, "uni": 2, "ballot": 3}


def _warp_barrier(builder: Builder, op: Operation) -> None:
    builder.call("simgpu_warp_sync", "%t", builder.get(op.operands[0], "i32"))


@instruction(
    "bar barrier",
    "warp cta sync arrive red popc and or aligned cluster wait release acquire relaxed",
    style="branch",
    results=1,
    fibers=True,
)
def _bar(builder: Builder, op: Operation) -> None:
    """bar[.cta].sync/arrive/red, bar.warp.sync, barrier.cluster.arrive/wait."""
    if "warp" in op.flags:
        _warp_barrier(builder, op)
        return
    if "cluster" in op.flags:
        builder.call("simgpu_cluster_wait" if "wait" in op.flags else "simgpu_cluster_arrive", "%t")
        return
    if "red" in op.flags:
        _bar_red(builder, op)
        return
    number = builder.get(op.operands[0], "i32")
    count = builder.get(op.operands[1], "i32") if len(op.operands) > 1 else "-1"
    builder.call("simgpu_bar", "%t", number, count, "1" if "arrive" in op.flags else "0")


def _bar_red(builder: Builder, op: Operation) -> None:
    reduction = op.choice(*_REDUCTIONS)
    number = builder.get(op.operands[1], "i32")
    count = builder.get(op.operands[2], "i32") if len(op.operands) > 3 else "-1"
    predicate = builder.value(f"zext i1 {builder.get(op.operands[-1], 'i1')} to i32")
    result = builder.call("simgpu_bar_red", "%t", number, count, str(_REDUCTIONS[reduction]), predicate)
    if op.type.kind == "p":
        builder.set(op.operands[0], builder.value(f"icmp ne i32 {result}, 0"), "i1")
    else:
        builder.set(op.operands[0], result, "i32")


def _set_with_predicate(builder: Builder, target: str, packed: str) -> None:
    """``d|p`` from a value with the predicate in bit 32."""
    value, _, predicate = (part.strip() for part in target.partition("|"))
    builder.set(value, builder.value(f"trunc i64 {packed} to i32"), "i32")
    if predicate:
        builder.set(predicate, builder.value(f"trunc i64 {builder.value(f'lshr i64 {packed}, 32')} to i1"), "i1")


@instruction("shfl", "sync up down bfly idx", types="b32", style="branch", results=1, fibers=True)
def _shfl(builder: Builder, op: Operation) -> None:
    if "sync" not in op.flags:
        raise op.refuse("shuffles without .sync do not exist since sm_70")
    mode = _SHUFFLES[op.choice(*_SHUFFLES)]
    value, lane, clamp, mask = (builder.get(operand, "i32") for operand in op.operands[1:5])
    _set_with_predicate(builder, op.operands[0], builder.call("simgpu_shfl", "%t", str(mode), value, lane, clamp, mask))


@instruction("vote", "sync all any uni ballot", types="pred b32", style="branch", results=1, fibers=True)
def _vote(builder: Builder, op: Operation) -> None:
    if "sync" not in op.flags:
        raise op.refuse("votes without .sync do not exist since sm_70")
    mode = _VOTES[op.choice(*_VOTES)]
    predicate = builder.value(f"zext i1 {builder.get(op.operands[1], 'i1')} to i32")
    result = builder.call("simgpu_vote", "%t", str(mode), predicate, builder.get(op.operands[2], "i32"))
    if op.type.kind == "p":
        builder.set(op.operands[0], builder.value(f"icmp ne i32 {result}, 0"), "i1")
    else:
        builder.set(op.operands[0], result, "i32")


@instruction("match", "any all sync", types="b32 b64", style="branch", results=1, fibers=True)
def _match(builder: Builder, op: Operation) -> None:
    value = builder.convert(builder.get(op.operands[1], op.type.ir), op.type.ir, "i64")
    mode = "0" if op.choice("any", "all") == "any" else "1"
    packed = builder.call("simgpu_match", "%t", mode, value, builder.get(op.operands[2], "i32"))
    _set_with_predicate(builder, op.operands[0], packed)


# Operation codes of simgpu_redux.
_REDUX = {"add": 0, "min": 1, "max": 3, "and": 5, "or": 6, "xor": 7}


@instruction("redux", "sync add min max and or xor abs NaN", types="u32 s32 b32 f32", style="branch", results=1, fibers=True)
def _redux(builder: Builder, op: Operation) -> None:
    """Codes: 0 add, 1/2 min unsigned/signed, 3/4 max, 5 and, 6 or, 7 xor, 8-15 float: 8 + max, +2 .abs, +4 .NaN."""
    name = op.choice(*_REDUX)
    if op.type.is_float:
        code = 8 + (name == "max") + 2 * ("abs" in op.flags) + 4 * ("NaN" in op.flags)
    else:
        code = _REDUX[name] + (op.type.signed and name in ("min", "max"))
    value, mask = (builder.get(operand, "i32") for operand in op.operands[1:3])
    builder.set(op.operands[0], builder.call("simgpu_redux", "%t", str(int(code)), value, mask), "i32")


@instruction("activemask", types="b32", style="branch", results=1, fibers=True)
def _activemask(builder: Builder, op: Operation) -> None:
    """The lanes that reach this place together; the place is its line."""
    builder.set(op.operands[0], builder.call("simgpu_activemask", "%t", str(op.instruction.line)), "i32")


@instruction("elect", "sync", style="branch", results=1, fibers=True)
def _elect(builder: Builder, op: Operation) -> None:
    _set_with_predicate(builder, op.operands[0], builder.call("simgpu_elect", "%t", builder.get(op.operands[1], "i32")))
