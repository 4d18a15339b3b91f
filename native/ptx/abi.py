"""Offsets of the structures in ``native/src/simgpu/exec/kernel_abi.h``; a test compares the two."""

from __future__ import annotations

import functools

VERSION = 4

LAUNCH = {
    "arena_base": 0,
    "arena_size": 8,
    "granules": 16,
    "params": 24,
    "globals": 32,
    "grid": 40,
    "block": 52,
    "grid_id": 64,
    "dynamic_shared_bytes": 72,
    "total_shared_bytes": 76,
    "workspace": 80,
    "multiprocessors": 88,
    "cluster": 92,
}
BLOCK = {"launch": 0, "shared": 8, "block_index": 16, "shared_bytes": 28, "multiprocessor": 32}
THREAD = {"block": 0, "tid": 8, "linear_tid": 20, "stack_low": 24, "stack_high": 32, "stack_guard": 40, "fuel": 48}

GRANULE_SHIFT = 12
READABLE = 1
WRITABLE = 2
SPIN_FUEL = 32  # turns of a spin loop before its thread lets others run

# Bits of the second argument of simgpu_resolve: log2 of the access size, and whether it writes.
RESOLVE_WRITE = 1 << 8

# Functions that the loader resolves to C++ (native/src/simgpu/exec/helpers.cpp): LLVM signature by name.
HELPERS = {
    "simgpu_resolve": "ptr (ptr, i64, i32)",
    "simgpu_resolve_span": "ptr (ptr, i64, i64, i32, i32)",
    "simgpu_resolve_shared": "ptr (ptr, i64, i32)",
    "simgpu_resolve_local": "ptr (ptr, i64, i32)",
    "simgpu_is_space": "i1 (ptr, i64, i32)",
    "simgpu_trap": "void (ptr, i32)",
    "simgpu_exit": "void (ptr)",
    "simgpu_overflow": "void (ptr)",
    "simgpu_bad_call": "void (ptr, i64)",
    "simgpu_yield": "void (ptr)",
    "simgpu_bar": "void (ptr, i32, i32, i32)",
    "simgpu_bar_red": "i32 (ptr, i32, i32, i32, i32)",
    "simgpu_warp_sync": "void (ptr, i32)",
    "simgpu_shfl": "i64 (ptr, i32, i32, i32, i32, i32)",
    "simgpu_vote": "i32 (ptr, i32, i32, i32)",
    "simgpu_match": "i64 (ptr, i32, i64, i32)",
    "simgpu_redux": "i32 (ptr, i32, i32, i32)",
    "simgpu_activemask": "i32 (ptr, i32)",
    "simgpu_elect": "i64 (ptr, i32)",
    "simgpu_lane": "i32 (ptr)",
    "simgpu_gather": "void (ptr, i64, ptr)",
    "simgpu_matrix": "void (ptr, ptr)",
    "simgpu_fragment": "void (ptr, i64, i32, i32, ptr, i32)",
    "simgpu_matrix_rows": "void (ptr, ptr, ptr, i32)",
    "simgpu_transposed": "i32 (ptr, ptr)",
    "simgpu_cluster_address": "i64 (ptr, i64)",
    "simgpu_cluster_window": "i64 (ptr, i64)",
    "simgpu_map_rank": "i64 (ptr, i64, i32)",
    "simgpu_cluster_rank": "i32 (ptr, i64)",
    "simgpu_cluster_arrive": "void (ptr)",
    "simgpu_cluster_wait": "void (ptr)",
    "simgpu_mbarrier_init": "void (ptr, ptr, i32)",
    "simgpu_mbarrier_inval": "void (ptr, ptr, i32)",
    "simgpu_mbarrier_expect": "void (ptr, ptr, i32)",
    "simgpu_mbarrier_complete": "void (ptr, ptr, i32)",
    "simgpu_mbarrier_arrive": "i64 (ptr, ptr, i32, i32, i32)",
    "simgpu_mbarrier_test": "i32 (ptr, ptr, i32, i32)",
    "simgpu_copy_bulk": "void (ptr, i64, i64, i32)",
    "simgpu_fns": "i32 (i32, i32, i32)",
    "simgpu_time": "i64 ()",
    "simgpu_vprintf": "i32 (ptr, i64, i64)",
    "simgpu_malloc": "i64 (ptr, i64)",
    "simgpu_free": "void (ptr, i64)",
    "simgpu_set_condition": "void (ptr, i64, i32)",
    "simgpu_texture": "void (ptr, i64, i32, ptr, ptr)",
    "simgpu_surface_load": "void (ptr, i64, i32, ptr, ptr)",
    "simgpu_surface_store": "void (ptr, i64, i32, ptr, ptr)",
    "simgpu_texture_query": "i32 (ptr, i64, i32, i32)",
    "simgpu_assert": "void (ptr, i64, i64, i32, i64, i64)",
    "simgpu_fma_f16": "i16 (i16, i16, i16)",
    "simgpu_fma_bf16": "i16 (i16, i16, i16)",
    "simgpu_round_f16": "i16 (double, i32)",
    "simgpu_round_bf16": "i16 (double, i32)",
    "simgpu_round_tf32": "i32 (float)",
    "simgpu_to_f8": "i8 (float, i32)",
    "simgpu_from_f8": "i16 (i8, i32)",
}

# Arithmetic in a directed rounding mode: simgpu_<op>_<type>_<mode>.
ROUNDED_OPS = {"add": 2, "mul": 2, "div": 2, "fma": 3, "sqrt": 1}
ROUNDED_CONVERSIONS = {
    "f32_f64": "float (double)",
    "f32_s64": "float (i64)",
    "f32_u64": "float (i64)",
    "f64_s64": "double (i64)",
    "f64_u64": "double (i64)",
}
DIRECTED = ("rz", "rm", "rp")


@functools.cache
def all_helpers() -> dict[str, str]:
    """Every helper with its signature, the generated rounding ones included."""
    found = dict(HELPERS)
    for mode in DIRECTED:
        for op, arity in ROUNDED_OPS.items():
            for name, ir in (("f32", "float"), ("f64", "double")):
                found[f"simgpu_{op}_{name}_{mode}"] = f"{ir} ({', '.join([ir] * arity)})"
        for name, signature in ROUNDED_CONVERSIONS.items():
            found[f"simgpu_cvt_{name}_{mode}"] = signature
    return found
