"""Memory taken from a thread's stack at run time."""

from __future__ import annotations

from native.ptx import abi
from native.ptx.builder import Builder
from native.ptx.table import Operation, instruction


@instruction("alloca", types="u32 u64", style="branch", results=1)
def _alloca(builder: Builder, op: Operation) -> None:
    """``alloca d, size {, alignment}``: fails like any stack overflow when there is too little left."""
    size = builder.convert(builder.get(op.operands[1], op.type.ir), op.type.ir, "i64")
    align = int(op.operands[2], 0) if len(op.operands) > 2 else 8
    builder.kernel.declare("declare ptr @llvm.stacksave.p0()")
    top = builder.value(f"ptrtoint ptr {builder.value('call ptr @llvm.stacksave.p0()')} to i64")
    guard_place = builder.value(f"getelementptr i8, ptr %t, i64 {abi.THREAD['stack_guard']}")
    guard = builder.value(f"load i64, ptr {guard_place}")
    room = builder.value(f"sub i64 {top}, {guard}")
    fits, full = builder.label(), builder.label()
    builder.emit(f"br i1 {builder.value(f'icmp slt i64 {size}, {room}')}, label %{fits}, label %{full}")
    builder.start(full)
    builder.call("simgpu_overflow", "%t")
    builder.unreachable()
    builder.start(fits)
    place = builder.value(f"alloca i8, i64 {size}, align {max(align, 16)}")
    builder.set(op.operands[0], builder.value(f"ptrtoint ptr {place} to i64"), "i64")


@instruction("stacksave", types="u32 u64", style="branch", results=1)
def _stacksave(builder: Builder, op: Operation) -> None:
    builder.kernel.declare("declare ptr @llvm.stacksave.p0()")
    builder.set(op.operands[0], builder.value(f"ptrtoint ptr {builder.value('call ptr @llvm.stacksave.p0()')} to i64"), "i64")


@instruction("stackrestore", types="u32 u64", style="branch", results=0)
def _stackrestore(builder: Builder, op: Operation) -> None:
    builder.kernel.declare("declare void @llvm.stackrestore.p0(ptr)")
    pointer = builder.value(f"inttoptr i64 {builder.get(op.operands[0], 'i64')} to ptr")
    builder.emit(f"call void @llvm.stackrestore.p0(ptr {pointer})")
