"""mbarrier: counted barriers in shared memory. Their arithmetic is in native/src/simgpu/exec/mbarrier.cpp."""

from __future__ import annotations

from native.ptx.builder import Builder
from native.ptx.ops_memory import access, space_of
from native.ptx.table import Operation, instruction

_ACTIONS = "init inval arrive arrive_drop expect_tx complete_tx test_wait try_wait pending_count"
_REST = "noComplete parity release acquire relaxed cta cluster shared shared::cta shared::cluster"


@instruction("mbarrier", f"{_ACTIONS} {_REST}", types="b64", style="branch", results=1, fibers=True)
def _mbarrier(builder: Builder, op: Operation) -> None:
    """The first action named decides: ``mbarrier.arrive.expect_tx`` is an arrival."""
    action = next(modifier for modifier in op.instruction.modifiers if modifier in _ACTIONS.split())
    if action == "pending_count":
        builder.set(op.operands[0], builder.value(f"and i64 {builder.get(op.operands[1], 'i64')}, 1048575"), "i64")
    elif action in ("arrive", "arrive_drop"):
        _arrive(builder, op)
    elif action in ("test_wait", "try_wait"):
        _wait(builder, op, action)
    else:
        place = access(builder, space_of(op), op.operands[0], 8, True)
        count = builder.get(op.operands[1], "i32") if len(op.operands) > 1 else "0"
        builder.call(f"simgpu_mbarrier_{action.removesuffix('_tx')}", "%t", place, count)


def _arrive(builder: Builder, op: Operation) -> None:
    """``arrive state, [address] {, count}``; with .expect_tx the operand is bytes. The state is what was before."""
    operands = list(op.operands)
    target = "_" if operands[0].startswith("[") else operands.pop(0)
    place = access(builder, space_of(op), operands[0], 8, True)
    number = builder.get(operands[1], "i32") if len(operands) > 1 else None
    expects = "expect_tx" in op.flags
    count, size = ("1", number or "0") if expects else (number or "1", "0")
    drop = str(int("arrive_drop" in op.flags))
    builder.set(target, builder.call("simgpu_mbarrier_arrive", "%t", place, count, size, drop), "i64")


def _wait(builder: Builder, op: Operation, action: str) -> None:
    """Whether the phase of a state, or of a parity, is over; try_wait lets other threads run before it says no."""
    place = access(builder, space_of(op), op.operands[1], 8, False)
    if "parity" in op.flags:
        parity = builder.get(op.operands[2], "i32")
    else:
        state = builder.get(op.operands[2], "i64")
        parity = builder.value(f"trunc i64 {builder.value(f'lshr i64 {state}, 63')} to i32")
    done = builder.call("simgpu_mbarrier_test", "%t", place, parity, str(int(action == "try_wait")))
    builder.set(op.operands[0], builder.value(f"icmp ne i32 {done}, 0"), "i1")
