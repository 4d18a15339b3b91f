"""Textures and surfaces. Reading an image is the run time's work (native/src/simgpu/exec/texture.cpp); here only operands are gathered."""

from __future__ import annotations

import re

from native.ptx.builder import Builder
from native.ptx.errors import InvalidPtx
from native.ptx.ops_data import vector
from native.ptx.table import Operation, instruction

_GEOMETRIES = {"1d": 0, "2d": 1, "3d": 2, "a1d": 3, "a2d": 4, "cube": 5, "acube": 6}
_FETCHES = {"base": 0, "level": 1, "grad": 2}
_GATHER = 3
_COMPONENTS = {"r": 0, "g": 1, "b": 2, "a": 3}
_OUTSIDE = {"trap": 0, "clamp": 1, "zero": 2}
_QUERIES = {"width": 0, "height": 1, "depth": 2, "array_size": 3, "num_mipmap_levels": 4, "normalized_coords": 5}
_PLACE = re.compile(r"\[\s*(?P<object>[^\s,\]]+)\s*(?:,\s*(?P<coordinates>\{[^}]*\}|[^\s,{}\]]+))?\s*\]", re.DOTALL)


def _object(builder: Builder, op: Operation, operand: str) -> tuple[str, list[str]]:
    """The handle and the coordinates of ``[object, {coordinates}]``."""
    match = _PLACE.fullmatch(operand)
    if not match:
        raise op.refuse("with a sampler of its own, an offset or a comparison")
    return builder.get(match["object"], "i64"), vector(match["coordinates"]) if match["coordinates"] else []


def _buffer(builder: Builder, groups: list[list[str]], ir: str = "i32") -> str:
    """Values in memory, every group at the next multiple of 16 bytes."""
    size = {"i8": 1, "i16": 2, "i32": 4, "i64": 8}[ir]
    place = builder.temporary(max(16 * len(groups), size * sum(len(group) for group in groups)))
    for number, group in enumerate(groups):
        for index, operand in enumerate(group):
            at = builder.value(f"getelementptr i8, ptr {place}, i64 {16 * number + size * index}")
            builder.emit(f"store {ir} {builder.get(operand, ir)}, ptr {at}")
    return place


def _read_back(builder: Builder, targets: list[str], place: str, ir: str) -> None:
    size = int(ir[1:]) // 8
    for index, target in enumerate(targets):
        at = builder.value(f"getelementptr i8, ptr {place}, i64 {size * index}")
        builder.set(target, builder.value(f"load {ir}, ptr {at}"), ir)


@instruction("tex", f"{' '.join(_GEOMETRIES)} base level grad v2 v4", types="f32 s32 u32", style="branch", results=1)
def _tex(builder: Builder, op: Operation) -> None:
    """``tex.geometry.v4.type.coordinates d, [object, {c…}] {, level | gradients}``."""
    if len(op.types) != 2:
        raise op.refuse()
    handle, coordinates = _object(builder, op, op.operands[1])
    fetch = op.choice(*_FETCHES, default="base")
    extra = [vector(operand) for operand in op.operands[2:]]
    if len(extra) != _FETCHES[fetch]:
        raise op.refuse("with an offset or a comparison")
    info = _GEOMETRIES[op.choice(*_GEOMETRIES)] | _FETCHES[fetch] << 4 | (0 if op.types[1].is_float else 1 << 8)
    place = _buffer(builder, [coordinates, *extra])
    result = builder.temporary(16)
    builder.call("simgpu_texture", "%t", handle, str(info), place, result)
    _read_back(builder, vector(op.operands[0]), result, "i32")


@instruction("tld4", f"{' '.join(_COMPONENTS)} 2d a2d cube acube v4", types="f32 s32 u32", style="branch", results=1)
def _tld4(builder: Builder, op: Operation) -> None:
    """One component of the four texels around a place."""
    if len(op.operands) != 2:
        raise op.refuse("with an offset or a comparison")
    handle, coordinates = _object(builder, op, op.operands[1])
    info = _GEOMETRIES[op.choice(*_GEOMETRIES)] | _GATHER << 4 | _COMPONENTS[op.choice(*_COMPONENTS)] << 12
    result = builder.temporary(16)
    builder.call("simgpu_texture", "%t", handle, str(info), _buffer(builder, [coordinates]), result)
    _read_back(builder, vector(op.operands[0]), result, "i32")


@instruction("txq suq", " ".join(_QUERIES), types="b32", style="branch", results=1)
def _query(builder: Builder, op: Operation) -> None:
    handle, _ = _object(builder, op, op.operands[1])
    surface = str(int(op.instruction.opcode == "suq"))
    builder.set(op.operands[0], builder.call("simgpu_texture_query", "%t", handle, str(_QUERIES[op.choice(*_QUERIES)]), surface), "i32")


_SURFACE = f"b {' '.join(_GEOMETRIES)} v2 v4 {' '.join(_OUTSIDE)} ca cg cs cv wb wt"


def _surface_info(op: Operation, count: int) -> str:
    """Geometry, what happens outside, bytes: the fields of the helpers' second argument."""
    if "b" not in op.flags:
        raise op.refuse("formatted accesses")
    outside = _OUTSIDE[op.choice(*_OUTSIDE, default="trap")]
    return str(_GEOMETRIES[op.choice(*_GEOMETRIES)] | outside << 4 | op.type.size * count << 8)


@instruction("suld", _SURFACE, types="b8 b16 b32 b64", style="branch", results=1)
def _suld(builder: Builder, op: Operation) -> None:
    handle, coordinates = _object(builder, op, op.operands[1])
    targets = vector(op.operands[0])
    result = builder.temporary(32)
    builder.call("simgpu_surface_load", "%t", handle, _surface_info(op, len(targets)), _buffer(builder, [coordinates]), result)
    _read_back(builder, targets, result, op.type.ir)


@instruction("sust", _SURFACE, types="b8 b16 b32 b64", style="branch", results=0)
def _sust(builder: Builder, op: Operation) -> None:
    handle, coordinates = _object(builder, op, op.operands[0])
    sources = vector(op.operands[1])
    if not coordinates:
        raise InvalidPtx("a surface store needs coordinates")
    values = _buffer(builder, [sources], op.type.ir)
    builder.call("simgpu_surface_store", "%t", handle, _surface_info(op, len(sources)), _buffer(builder, [coordinates]), values)
