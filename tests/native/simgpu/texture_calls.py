"""What tests of textures share: descriptors, kernels that fetch, and the arithmetic of filtering."""

from __future__ import annotations

import ctypes
import math
import struct
from collections.abc import Sequence
from ctypes import byref, c_char_p, c_uint64, c_void_p

from tests.native.simgpu.driver import Driver
from tests.native.simgpu.graph_calls import MemcpyParams

WRAP, CLAMP, MIRROR, BORDER = range(4)
LAYERED, SURFACE, CUBEMAP = 1, 2, 4
UINT8, FLOAT = 0x01, 0x20
HEADER = ".version 8.0\n.target sm_75\n.address_size 64\n"
ARRAY_KIND, MIPMAP_KIND, LINEAR_KIND, PITCHED_KIND = range(4)

Bytes = ctypes.Array[ctypes.c_char]


def array_descriptor(width: int, height: int, depth: int = 0, flags: int = 0, form: int = FLOAT, channels: int = 1) -> Bytes:
    """CUDA_ARRAY3D_DESCRIPTOR."""
    return ctypes.create_string_buffer(struct.pack("<QQQIII4x", width, height, depth, form, channels, flags), 40)


def texture_description(
    mode: int,
    *,
    linear: bool = False,
    normalized: bool = False,
    flags: int = 0,
    border: Sequence[float] = (0, 0, 0, 0),
    linear_levels: bool = False,
    levels: tuple[float, float] = (0, 0),
) -> Bytes:
    """CUDA_TEXTURE_DESC."""
    flags |= 2 if normalized else 0
    text = struct.pack("<3iiIIi3f4f", mode, mode, mode, int(linear), flags, 0, int(linear_levels), 0, *levels, *border)
    return ctypes.create_string_buffer(text, 104)


def resource(kind: int, payload: bytes) -> Bytes:
    """CUDA_RESOURCE_DESC."""
    return ctypes.create_string_buffer(struct.pack("<i4x", kind) + payload.ljust(128, b"\0"), 144)


def fetch_kernel(instruction: str, coordinates: int, extra: int) -> bytes:
    """A kernel in which every thread reads its coordinates and writes the four channels of one fetch."""
    loads = "".join(f"ld.global.b32 %c{i}, [%rd4+{4 * i}]; " for i in range(coordinates + extra))
    names = [f"%c{i}" for i in range(coordinates)]
    padded = names + names[-1:] if coordinates == 3 else names
    level = f", %c{coordinates}" if extra else ""
    return (
        HEADER
        + f""".visible .entry fetch(.param .u64 texture, .param .u64 places, .param .u64 out) {{
        .reg .b32 %r<8>; .reg .b32 %c<8>; .reg .b64 %rd<8>;
        ld.param.u64 %rd1, [texture]; ld.param.u64 %rd2, [places]; ld.param.u64 %rd3, [out]; mov.u32 %r1, %tid.x;
        mad.wide.u32 %rd4, %r1, 32, %rd2; mad.wide.u32 %rd5, %r1, 16, %rd3; {loads}
        {instruction} {{%r2, %r3, %r4, %r5}}, [%rd1, {{{", ".join(padded)}}}]{level};
        st.global.v4.b32 [%rd5], {{%r2, %r3, %r4, %r5}}; ret; }}"""
    ).encode() + b"\0"


SURFACE_KERNEL = (
    HEADER
    + """.visible .entry touch(.param .u64 surface) {
    .reg .b32 %r<8>; .reg .b64 %rd<2>; ld.param.u64 %rd1, [surface];
    mov.u32 %r1, 4; mov.u32 %r2, 0; mov.u32 %r3, 5; sust.b.2d.b32.trap [%rd1, {%r1, %r2}], {%r3};
    mov.u32 %r1, 400; sust.b.2d.b32.zero [%rd1, {%r1, %r2}], {%r3};
    mov.u32 %r1, 4; suld.b.2d.b32.trap {%r4}, [%rd1, {%r1, %r2}]; add.u32 %r4, %r4, 1;
    mov.u32 %r1, 12; mov.u32 %r2, 99; sust.b.2d.b32.clamp [%rd1, {%r1, %r2}], {%r4}; ret; }\0"""
).encode()

QUERY_KERNEL = (
    HEADER
    + """.visible .entry ask(.param .u64 texture, .param .u64 out) {
    .reg .b32 %r<4>; .reg .b64 %rd<4>; ld.param.u64 %rd1, [texture]; ld.param.u64 %rd2, [out];
    txq.width.b32 %r1, [%rd1]; txq.height.b32 %r2, [%rd1]; st.global.v2.b32 [%rd2], {%r1, %r2}; ret; }\0"""
).encode()


class Textures(Driver):
    """Calls in the form the tests need."""

    def array(self, descriptor: Bytes, data: bytes) -> c_void_p:
        """An array with content."""
        made = self.handle("cuArray3DCreate_v2", descriptor)
        width, height, depth, form, channels = struct.unpack_from("<QQQII", descriptor)
        element = channels * {UINT8: 1}.get(form, 4)
        self.fill_array(made, width, max(height, 1), data, max(depth, 1), element)
        return made

    def fill_array(self, array: c_void_p, width: int, height: int, data: bytes, depth: int = 1, element: int = 4) -> None:
        """Copies host memory into the whole array."""
        source = ctypes.create_string_buffer(data, len(data))
        line = width * element
        copy = MemcpyParams(src_type=1, src_host=ctypes.addressof(source), src_pitch=line, src_height=height)
        copy.dst_type, copy.dst_array, copy.width, copy.height, copy.depth = 3, array, line, height, depth
        self.call("cuMemcpy3D_v2", byref(copy))

    def read_array(self, array: c_void_p, width: int, height: int) -> bytes:
        """All of a two-dimensional array of 32-bit elements."""
        target = ctypes.create_string_buffer(4 * width * height)
        copy = MemcpyParams(src_type=3, src_array=array, dst_type=1, dst_host=ctypes.addressof(target), dst_pitch=4 * width)
        copy.dst_height, copy.width, copy.height, copy.depth = height, 4 * width, height, 1
        self.call("cuMemcpy3D_v2", byref(copy))
        return target.raw

    def copy_error(self, array: c_void_p, width: int, height: int) -> int:
        """The result of reading so many bytes and rows."""
        target = ctypes.create_string_buffer(1024)
        copy = MemcpyParams(src_type=3, src_array=array, dst_type=1, dst_host=ctypes.addressof(target), dst_pitch=64)
        copy.width, copy.height, copy.depth = width, height, 1
        return self.error("cuMemcpy3D_v2", byref(copy))

    def _texture(self, asked: Bytes, description: Bytes) -> c_uint64:
        out = c_uint64()
        self.call("cuTexObjectCreate", byref(out), asked, description, None)
        return out

    def texture(self, array: c_void_p, description: Bytes, kind: int = ARRAY_KIND) -> c_uint64:
        """A texture object of an array or mipmapped array."""
        return self._texture(resource(kind, struct.pack("<Q", array.value)), description)

    def texture_error(self, array: c_void_p, description: Bytes) -> int:
        """The result of making a texture."""
        return self.error("cuTexObjectCreate", byref(c_uint64()), resource(0, struct.pack("<Q", array.value)), description, None)

    def linear_texture(self, address: int, size: int) -> c_uint64:
        """A texture of plain memory of floats."""
        return self._texture(resource(LINEAR_KIND, struct.pack("<QIIQ", address, FLOAT, 1, size)), texture_description(CLAMP))

    def pitched_texture(self, address: int, width: int, height: int, pitch: int) -> c_uint64:
        """A texture of pitched memory of floats."""
        payload = struct.pack("<QIIQQQ", address, FLOAT, 1, width, height, pitch)
        return self._texture(resource(PITCHED_KIND, payload), texture_description(CLAMP))

    def surface(self, array: c_void_p) -> c_uint64:
        """A surface object."""
        out = c_uint64()
        self.call("cuSurfObjectCreate", byref(out), resource(ARRAY_KIND, struct.pack("<Q", array.value)))
        return out

    def surface_error(self, array: c_void_p) -> int:
        """The result of making a surface."""
        return self.error("cuSurfObjectCreate", byref(c_uint64()), resource(ARRAY_KIND, struct.pack("<Q", array.value)))

    def _function(self, image: bytes, name: bytes) -> c_void_p:
        return self.handle("cuModuleGetFunction", self.handle("cuModuleLoadData", image), c_char_p(name))

    def fetch(
        self,
        texture: c_uint64,
        instruction: str,
        places: Sequence[Sequence[float]],
        *,
        integers: bool = False,
        layered: bool = False,
        extra: Sequence[tuple[float]] = (),
        code: str = "f",
    ) -> list[tuple[float, ...]]:
        """The four channels at every place; with ``extra``, at the one place with each of these operands."""
        rows = [[*places[0], *more] for more in extra] or [list(place) for place in places]
        data = b""
        for row in rows:
            kinds = ["i" if integers or (layered and index == 0) else "f" for index in range(len(row))]
            data += struct.pack("<" + "".join(kinds), *row).ljust(32, b"\0")
        source, out = self.allocate(len(data)), self.allocate(16 * len(rows))
        self.upload(source, data)
        kernel = self._function(fetch_kernel(instruction, len(places[0]), 1 if extra else 0), b"fetch")
        assert self.launch(kernel, [texture, c_uint64(source), c_uint64(out)], threads=len(rows)) == 0
        result = self.download(out, 16 * len(rows))
        return [struct.unpack_from(f"<4{code}", result, 16 * index) for index in range(len(rows))]

    def run_surface_kernel(self, surface: c_uint64) -> None:
        """Writes, reads back, writes outside in two ways."""
        assert self.launch(self._function(SURFACE_KERNEL, b"touch"), [surface]) == 0
        self.call("cuCtxSynchronize")

    def query(self, texture: c_uint64) -> tuple[int, ...]:
        """Width and height as a kernel sees them."""
        out = self.allocate(8)
        assert self.launch(self._function(QUERY_KERNEL, b"ask"), [texture, c_uint64(out)]) == 0
        return struct.unpack("<2I", self.download(out, 8))


def _index(i: int, n: int, mode: int) -> int | None:
    if 0 <= i < n:
        return i
    if mode == WRAP:
        return i % n
    if mode == MIRROR:
        turn = i % (2 * n)
        return turn if turn < n else 2 * n - 1 - turn
    return min(max(i, 0), n - 1) if mode == CLAMP else None


def blend_2d(texels: Sequence[Sequence[float]], place: tuple[float, float], mode: int, linear: bool, border: float) -> float:
    """The programming guide's formulas for a two-dimensional texture, at a place in texels."""

    def texel(x: int, y: int) -> float:
        column, row = _index(x, len(texels[0]), mode), _index(y, len(texels), mode)
        return border if column is None or row is None else texels[row][column]

    if not linear:
        return texel(math.floor(place[0]), math.floor(place[1]))
    x, y = place[0] - 0.5, place[1] - 0.5
    i, j = math.floor(x), math.floor(y)
    a, b = x - i, y - j
    upper = (1 - a) * texel(i, j) + a * texel(i + 1, j)
    return (1 - b) * upper + b * ((1 - a) * texel(i, j + 1) + a * texel(i + 1, j + 1))
