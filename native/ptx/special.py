"""Special registers: one row each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from native.ptx.builder import Builder

Read = Callable[["Builder"], str]


def _tid(axis: int) -> Read:
    def read(builder: Builder) -> str:
        if builder.function.entry:
            return "%t" + "xyz"[axis]
        place = builder.value(f"getelementptr i8, ptr %t, i64 {8 + 4 * axis}")
        return builder.value(f"load i32, ptr {place}")

    return read


def _launch(name: str, axis: int = 0) -> Read:
    return lambda builder: builder.context_field("launch", name, "i32", axis)


def _block(name: str, axis: int = 0) -> Read:
    return lambda builder: builder.context_field("block", name, "i32", axis)


def _constant(value: int) -> Read:
    return lambda _builder: str(value)


def _in_clusters(structure: str, name: str, axis: int) -> Read:
    """A number of blocks, counted in clusters."""

    def read(builder: Builder) -> str:
        blocks = builder.context_field(structure, name, "i32", axis)
        return builder.value(f"udiv i32 {blocks}, {builder.context_field('launch', 'cluster', 'i32', axis)}")

    return read


def _within_cluster(axis: int) -> Read:
    def read(builder: Builder) -> str:
        block = builder.context_field("block", "block_index", "i32", axis)
        return builder.value(f"urem i32 {block}, {builder.context_field('launch', 'cluster', 'i32', axis)}")

    return read


def _cluster_rank(builder: Builder) -> str:
    x, y, z = (_within_cluster(axis)(builder) for axis in range(3))
    nx, ny = (_launch("cluster", axis)(builder) for axis in range(2))
    plane = builder.value(f"add i32 {builder.value(f'mul i32 {z}, {ny}')}, {y}")
    return builder.value(f"add i32 {builder.value(f'mul i32 {plane}, {nx}')}, {x}")


def _cluster_size(builder: Builder) -> str:
    nx, ny, nz = (_launch("cluster", axis)(builder) for axis in range(3))
    return builder.value(f"mul i32 {builder.value(f'mul i32 {nx}, {ny}')}, {nz}")


def _explicit_cluster(builder: Builder) -> str:
    return builder.value(f"icmp ugt i32 {_cluster_size(builder)}, 1")


def _linear(builder: Builder) -> str:
    x, y, z = (_tid(axis)(builder) for axis in range(3))
    nx, ny = (_launch("block", axis)(builder) for axis in range(2))
    plane = builder.value(f"mul i32 {z}, {ny}")
    row = builder.value(f"add i32 {plane}, {y}")
    return builder.value(f"add i32 {builder.value(f'mul i32 {row}, {nx}')}, {x}")


def _lane(builder: Builder) -> str:
    return builder.value(f"and i32 {_linear(builder)}, 31")


def _warp(builder: Builder) -> str:
    return builder.value(f"lshr i32 {_linear(builder)}, 5")


def _warps(builder: Builder) -> str:
    nx, ny, nz = (_launch("block", axis)(builder) for axis in range(3))
    threads = builder.value(f"mul i32 {builder.value(f'mul i32 {nx}, {ny}')}, {nz}")
    return builder.value(f"lshr i32 {builder.value(f'add i32 {threads}, 31')}, 5")


def _mask(relation: str) -> Read:
    def read(builder: Builder) -> str:
        bit = builder.value(f"shl i32 1, {_lane(builder)}")
        below = builder.value(f"sub i32 {bit}, 1")
        if relation == "eq":
            return bit
        if relation == "lt":
            return below
        upto = builder.value(f"or i32 {bit}, {below}")
        if relation == "le":
            return upto
        return builder.value(f"xor i32 {upto if relation == 'gt' else below}, -1")

    return read


def _clock(builder: Builder) -> str:
    return builder.intrinsic("readcyclecounter", "i64")


def _clock_low(builder: Builder) -> str:
    return builder.value(f"trunc i64 {_clock(builder)} to i32")


def _clock_high(builder: Builder) -> str:
    return builder.value(f"trunc i64 {builder.value(f'lshr i64 {_clock(builder)}, 32')} to i32")


def _time(builder: Builder) -> str:
    return builder.call("simgpu_time")


def _time_low(builder: Builder) -> str:
    return builder.value(f"trunc i64 {_time(builder)} to i32")


def _time_high(builder: Builder) -> str:
    return builder.value(f"trunc i64 {builder.value(f'lshr i64 {_time(builder)}, 32')} to i32")


def _grid_id(builder: Builder) -> str:
    return builder.context_field("launch", "grid_id", "i64")


# name -> (LLVM type, reader)
SPECIAL: dict[str, tuple[str, Read]] = {
    **{f"%tid.{axis}": ("i32", _tid(i)) for i, axis in enumerate("xyz")},
    **{f"%ntid.{axis}": ("i32", _launch("block", i)) for i, axis in enumerate("xyz")},
    **{f"%ctaid.{axis}": ("i32", _block("block_index", i)) for i, axis in enumerate("xyz")},
    **{f"%nctaid.{axis}": ("i32", _launch("grid", i)) for i, axis in enumerate("xyz")},
    **{f"%clusterid.{axis}": ("i32", _in_clusters("block", "block_index", i)) for i, axis in enumerate("xyz")},
    **{f"%nclusterid.{axis}": ("i32", _in_clusters("launch", "grid", i)) for i, axis in enumerate("xyz")},
    **{f"%cluster_ctaid.{axis}": ("i32", _within_cluster(i)) for i, axis in enumerate("xyz")},
    **{f"%cluster_nctaid.{axis}": ("i32", _launch("cluster", i)) for i, axis in enumerate("xyz")},
    "%cluster_ctarank": ("i32", _cluster_rank),
    "%cluster_nctarank": ("i32", _cluster_size),
    "%is_explicit_cluster": ("i1", _explicit_cluster),
    "%laneid": ("i32", _lane),
    "%warpid": ("i32", _warp),
    "%nwarpid": ("i32", _warps),
    "%smid": ("i32", _block("multiprocessor")),
    "%nsmid": ("i32", _launch("multiprocessors")),
    "%gridid": ("i64", _grid_id),
    **{f"%lanemask_{relation}": ("i32", _mask(relation)) for relation in ("eq", "lt", "le", "gt", "ge")},
    "%clock": ("i32", _clock_low),
    "%clock_hi": ("i32", _clock_high),
    "%clock64": ("i64", _clock),
    "%globaltimer": ("i64", _time),
    "%globaltimer_lo": ("i32", _time_low),
    "%globaltimer_hi": ("i32", _time_high),
    "%dynamic_smem_size": ("i32", _launch("dynamic_shared_bytes")),
    "%total_smem_size": ("i32", _launch("total_shared_bytes")),
    "%aggr_smem_size": ("i32", _launch("total_shared_bytes")),
    "%reserved_smem_offset_begin": ("i32", _constant(0)),
    "%reserved_smem_offset_end": ("i32", _constant(0)),
    "%reserved_smem_offset_cap": ("i32", _constant(0)),
    **{f"%envreg{n}": ("i32", _constant(0)) for n in range(32)},
    # Cooperative groups find the workspace of the grid here: high and low half of its address.
    "%envreg1": ("i32", _launch("workspace", 1)),
    "%envreg2": ("i32", _launch("workspace", 0)),
}


def read(builder: Builder, name: str) -> tuple[str, str] | None:
    """A special register's value and LLVM type; None if there is no such register."""
    row = SPECIAL.get(name)
    return (row[1](builder), row[0]) if row else None
