"""Matrix instructions of a warp against plain multiplication; the places of elements are spelled out as the PTX ISA lists them."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from tests.native.ptx import harness
from tests.native.ptx.harness import Gpu

HEADER = ".version 8.6\n.target sm_120\n.address_size 64\n"
Place = Callable[[int, int], tuple[int, int]]  # (lane, element) -> (row, column)


def g(lane: int) -> int:
    """The lane's group."""
    return lane >> 2


def t(lane: int) -> int:
    """The lane's place in its group."""
    return lane & 3


def accumulator_16(lane: int, i: int) -> tuple[int, int]:
    """C and D of all shapes with 16 rows."""
    return g(lane) + (8 if i >= 2 else 0), t(lane) * 2 + (i & 1)


def accumulator_8(lane: int, i: int) -> tuple[int, int]:
    """C and D of all shapes with 8 rows."""
    return g(lane), t(lane) * 2 + (i & 1)


@dataclass(frozen=True)
class Case:
    """A shape with its types, and where elements stand."""

    shape: str
    types: str  # d, a, b, c
    a: Place
    b: Place
    c: Place = accumulator_16

    @property
    def sizes(self) -> tuple[int, int, int]:
        """m, n, k."""
        m, rest = self.shape[1:].split("n")
        n, k = rest.split("k")
        return int(m), int(n), int(k)


HALF_16 = (
    lambda lane, i: (g(lane) + (0 if i < 2 or 4 <= i < 6 else 8), t(lane) * 2 + (i & 1) + (8 if i >= 4 else 0)),
    lambda lane, i: (t(lane) * 2 + (i & 1) + (8 if i >= 2 else 0), g(lane)),
)
HALF_8 = (
    lambda lane, i: (g(lane) + (8 if i >= 2 else 0), t(lane) * 2 + (i & 1)),
    lambda lane, i: (t(lane) * 2 + i, g(lane)),
)
BYTE_32 = (
    lambda lane, i: (g(lane) + (0 if i < 4 or 8 <= i < 12 else 8), t(lane) * 4 + (i & 3) + (16 if i >= 8 else 0)),
    lambda lane, i: (t(lane) * 4 + (i & 3) + (16 if i >= 4 else 0), g(lane)),
)
BYTE_16 = (
    lambda lane, i: (g(lane) + (8 if i >= 4 else 0), t(lane) * 4 + (i & 3)),
    lambda lane, i: (t(lane) * 4 + i, g(lane)),
)
CASES = [
    Case("m16n8k16", "f32.f16.f16.f32", *HALF_16),
    Case("m16n8k16", "f16.f16.f16.f16", *HALF_16),
    Case("m16n8k16", "f32.bf16.bf16.f32", *HALF_16),
    Case("m16n8k8", "f32.f16.f16.f32", *HALF_8),
    Case("m16n8k8", "f32.bf16.bf16.f32", *HALF_8),
    Case(
        "m16n8k8",
        "f32.tf32.tf32.f32",
        lambda lane, i: (g(lane) + (8 if i in (1, 3) else 0), t(lane) + (4 if i >= 2 else 0)),
        lambda lane, i: (t(lane) + 4 * i, g(lane)),
    ),
    Case("m16n8k4", "f32.tf32.tf32.f32", lambda lane, i: (g(lane) + 8 * i, t(lane)), lambda lane, _: (t(lane), g(lane))),
    Case("m8n8k4", "f64.f64.f64.f64", lambda lane, _: (g(lane), t(lane)), lambda lane, _: (t(lane), g(lane)), accumulator_8),
    Case("m16n8k32", "s32.s8.s8.s32", *BYTE_32),
    Case("m16n8k32", "s32.u8.s8.s32", *BYTE_32),
    Case("m16n8k16", "s32.s8.u8.s32", *BYTE_16),
    Case("m8n8k16", "s32.s8.s8.s32", lambda lane, i: (g(lane), t(lane) * 4 + i), lambda lane, i: (t(lane) * 4 + i, g(lane)), accumulator_8),
]
SIZES = {"f16": 2, "bf16": 2, "tf32": 4, "f32": 4, "f64": 8, "s8": 1, "u8": 1, "s32": 4}


def encode(name: str, value: float) -> bytes:
    """An element in memory."""
    if name == "bf16":
        return struct.pack("<f", value)[2:]
    code = {"f16": "e", "tf32": "f", "f32": "f", "f64": "d", "s8": "b", "u8": "B", "s32": "i"}[name]
    return struct.pack("<" + code, int(value) if code in "bBi" else value)


def decode(name: str, data: bytes) -> list[float]:
    """Elements of an accumulator."""
    return list(struct.unpack(f"<{len(data) // SIZES[name]}" + {"f16": "e", "f32": "f", "f64": "d", "s32": "i"}[name], data))


def kernel(case: Case, words: Sequence[int]) -> str:
    """Every lane loads its registers, multiplies, and stores its result."""
    wide = case.types.startswith("f64")
    kind, step = ("b64", 8) if wide else ("b32", 4)
    counts = [count // 2 if wide else count for count in words]
    lists = ["{" + ", ".join(f"%{name}{i}" for i in range(count)) + "}" for name, count in zip("abcd", counts, strict=True)]
    text = ".visible .entry k(.param .u64 pa, .param .u64 pb, .param .u64 pc, .param .u64 pd) {\n.reg .b32 %r<4>; .reg .b64 %rd<8>;\n"
    text += "".join(f".reg .{kind} %{name}<{count}>;\n" for name, count in zip("abcd", counts, strict=True)) + "mov.u32 %r1, %tid.x;\n"
    for index, (name, count) in enumerate(zip("abc", counts, strict=False)):
        text += f"ld.param.u64 %rd{index}, [p{name}]; mad.wide.u32 %rd{index}, %r1, {count * step}, %rd{index};\n"
        text += "".join(f"ld.global.{kind} %{name}{i}, [%rd{index}+{step * i}];\n" for i in range(count))
    text += f"mma.sync.aligned.{case.shape}.row.col.{case.types} {lists[3]}, {lists[0]}, {lists[1]}, {lists[2]};\n"
    text += f"ld.param.u64 %rd3, [pd]; mad.wide.u32 %rd3, %r1, {counts[3] * step}, %rd3;\n"
    text += "".join(f"st.global.{kind} [%rd3+{step * i}], %d{i};\n" for i in range(counts[3]))
    return HEADER + text + "ret; }\n"


def spread(matrix: list[list[float]], name: str, place: Place, count: int) -> bytes:
    """The fragments of all lanes, one after the other."""
    return b"".join(encode(name, matrix[row][column]) for lane in range(32) for row, column in (place(lane, i) for i in range(count)))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.shape}-{case.types}")
def test_products(gpu: Gpu, case: Case) -> None:
    """D = A B + C with small numbers, exact in every type."""
    m, n, k = case.sizes
    d_type, a_type, b_type, c_type = case.types.split(".")
    rng = random.Random(case.shape + case.types)
    low = {"u8": 0}
    a = [[float(rng.randint(low.get(a_type, -4), 4)) for _ in range(k)] for _ in range(m)]
    b = [[float(rng.randint(low.get(b_type, -4), 4)) for _ in range(n)] for _ in range(k)]
    c = [[float(rng.randint(-9, 9)) for _ in range(n)] for _ in range(m)]
    counts = [m * k // 32, k * n // 32, m * n // 32]
    words = tuple(count * SIZES[name] // 4 for count, name in zip([*counts, counts[2]], (a_type, b_type, c_type, d_type), strict=True))
    assert gpu.load(kernel(case, words)) == 0, gpu.message
    buffers = [
        gpu.buffer(spread(matrix, name, place, count))
        for matrix, name, place, count in zip((a, b, c), (a_type, b_type, c_type), (case.a, case.b, case.c), counts, strict=True)
    ]
    out = gpu.buffer(32 * counts[2] * SIZES[d_type])

    assert gpu.run("k", [1], [32], *buffers, out) == harness.NONE, gpu.message
    expected = [[sum(a[i][x] * b[x][j] for x in range(k)) + c[i][j] for j in range(n)] for i in range(m)]
    got = decode(d_type, out.read())
    for lane in range(32):
        for i in range(counts[2]):
            row, column = case.c(lane, i)
            assert got[lane * counts[2] + i] == expected[row][column], (lane, i)


def test_old_layouts_are_refused(gpu: Gpu) -> None:
    """m8n8k4 of halves has a layout of its own."""
    case = Case("m8n8k4", "f32.f16.f16.f32", accumulator_8, accumulator_8, accumulator_8)
    assert gpu.load(kernel(case, (2, 2, 8, 8))) == 0
    assert gpu.prepare("k") == harness.UNSUPPORTED
    assert "mma.sync.aligned.m8n8k4" in gpu.message


MOVES = (
    HEADER
    + """.visible .entry k(.param .u64 in, .param .u64 out) {
    .reg .b32 %r<16>; .reg .b64 %rd<8>; .shared .align 16 .b8 buf[512]; .shared .align 16 .b8 back[128];
    ld.param.u64 %rd1, [in]; ld.param.u64 %rd2, [out]; mov.u32 %r1, %tid.x;
    mov.u32 %r2, buf; mad.lo.u32 %r3, %r1, 16, %r2;
    mad.wide.u32 %rd3, %r1, 16, %rd1; ld.global.v4.b32 {%r4, %r5, %r6, %r7}, [%rd3]; st.shared.v4.b32 [%r3], {%r4, %r5, %r6, %r7};
    bar.warp.sync -1;
    ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r4, %r5, %r6, %r7}, [%r3];
    ldmatrix.sync.aligned.m8n8.x1.trans.shared.b16 {%r8}, [%r3];
    movmatrix.sync.aligned.m8n8.trans.b16 %r9, %r4;
    and.b32 %r10, %r1, 7; mov.u32 %r11, back; mad.lo.u32 %r11, %r10, 16, %r11;
    stmatrix.sync.aligned.m8n8.x1.trans.shared.b16 [%r11], {%r4};
    bar.warp.sync -1;
    mov.u32 %r12, back; mad.lo.u32 %r12, %r1, 4, %r12; ld.shared.b32 %r13, [%r12];
    mad.wide.u32 %rd4, %r1, 28, %rd2;
    st.global.b32 [%rd4], %r4; st.global.b32 [%rd4+4], %r5; st.global.b32 [%rd4+8], %r6; st.global.b32 [%rd4+12], %r7;
    st.global.b32 [%rd4+16], %r8; st.global.b32 [%rd4+20], %r9; st.global.b32 [%rd4+24], %r13; ret; }
    """
)


def test_matrices_move_between_memory_and_lanes(gpu: Gpu) -> None:
    """ldmatrix, stmatrix and movmatrix, straight and transposed; element r, c of matrix m is 64 m + 8 r + c."""
    assert gpu.load(MOVES) == 0, gpu.message
    source, out = gpu.buffer(struct.pack("<256H", *range(256))), gpu.buffer(32 * 28)

    assert gpu.run("k", [1], [32], source, out) == harness.NONE, gpu.message
    words = struct.unpack("<448H", out.read())
    for lane in range(32):
        row, column = lane // 4, lane % 4 * 2
        mine = words[lane * 14 : lane * 14 + 14]
        straight = [64 * m + 8 * row + column + i for m in range(4) for i in range(2)]
        turned = [8 * (column + i) + row for i in range(2)]
        assert list(mine[:8]) == straight
        assert list(mine[8:10]) == turned
        assert list(mine[10:12]) == turned
        assert list(mine[12:14]) == turned


WMMA = r"""
#include <mma.h>
#include <cuda_bf16.h>
using namespace nvcuda;
template <class A, class C, int M, int N, int K, class LA, class LB, class T>
__device__ void multiply(const T* a, const T* b, C* c, wmma::layout_t layout) {
  wmma::fragment<wmma::matrix_a, M, N, K, A, LA> fa; wmma::fragment<wmma::matrix_b, M, N, K, A, LB> fb;
  wmma::fragment<wmma::accumulator, M, N, K, C> fc;
  constexpr bool ra = std::is_same<LA, wmma::row_major>::value, rb = std::is_same<LB, wmma::row_major>::value;
  wmma::load_matrix_sync(fa, a, ra ? K : M); wmma::load_matrix_sync(fb, b, rb ? N : K);
  wmma::load_matrix_sync(fc, c, layout == wmma::mem_row_major ? N : M, layout);
  wmma::mma_sync(fc, fa, fb, fc);
  for (int i = 0; i < fc.num_elements; i++) fc.x[i] = fc.x[i] + fc.x[i];
  wmma::store_matrix_sync(c, fc, layout == wmma::mem_row_major ? N : M, layout);
}
typedef wmma::row_major R; typedef wmma::col_major L;
#define K(name, A, C, M, N, KK, LA, LB, layout, T) \
  extern "C" __global__ void name(const T* a, const T* b, C* c) { multiply<A, C, M, N, KK, LA, LB>(a, b, c, wmma::layout); }
K(half_float, half, float, 16, 16, 16, R, L, mem_row_major, half)
K(half_wide, half, float, 32, 8, 16, L, R, mem_col_major, half)
K(half_tall, half, float, 8, 32, 16, R, R, mem_row_major, half)
K(bfloat, __nv_bfloat16, float, 16, 16, 16, L, L, mem_row_major, __nv_bfloat16)
K(bytes, signed char, int, 16, 16, 16, R, L, mem_row_major, signed char)
K(tensor_float, wmma::precision::tf32, float, 16, 16, 8, R, L, mem_row_major, float)
K(doubles, double, double, 8, 8, 4, R, L, mem_col_major, double)
"""
WMMA_CASES = [
    ("half_float", "f16", "f32", (16, 16, 16), "RLR"),
    ("half_wide", "f16", "f32", (32, 8, 16), "LRL"),
    ("half_tall", "f16", "f32", (8, 32, 16), "RRR"),
    ("bfloat", "bf16", "f32", (16, 16, 16), "LLR"),
    ("bytes", "s8", "s32", (16, 16, 16), "RLR"),
    ("tensor_float", "tf32", "f32", (16, 16, 8), "RLR"),
    ("doubles", "f64", "f64", (8, 8, 4), "RLL"),
]


@pytest.fixture(scope="module")
def wmma(compiler: None, tmp_path_factory: pytest.TempPathFactory) -> Gpu:
    """The source above."""
    gpu = Gpu()
    assert gpu.load(harness.nvcc(WMMA, tmp_path_factory.mktemp("wmma"), 90)) == 0, gpu.message
    return gpu


def flat(matrix: list[list[float]], layout: str) -> list[float]:
    """The elements in memory: R by rows, L by columns."""
    return [value for row in (matrix if layout == "R" else [list(column) for column in zip(*matrix, strict=True)]) for value in row]


@pytest.mark.parametrize("case", WMMA_CASES, ids=lambda case: case[0])
def test_wmma(wmma: Gpu, case: tuple[str, str, str, tuple[int, int, int], str]) -> None:
    """nvcuda::wmma as nvcc compiles it: load, multiply, double every element, store; all layouts."""
    name, kind, result, (m, n, k), layouts = case
    rng = random.Random(name)
    a = [[float(rng.randint(-3, 3)) for _ in range(k)] for _ in range(m)]
    b = [[float(rng.randint(-3, 3)) for _ in range(n)] for _ in range(k)]
    c = [[float(rng.randint(-3, 3)) for _ in range(n)] for _ in range(m)]
    packed = [
        b"".join(encode(t_, v) for v in flat(x, layout)) for x, t_, layout in zip((a, b, c), (kind, kind, result), layouts, strict=True)
    ]
    buffers = [wmma.buffer(data) for data in packed]

    assert wmma.run(name, [1], [32], *buffers) == harness.NONE, wmma.message
    expected = [[2 * (sum(a[i][x] * b[x][j] for x in range(k)) + c[i][j]) for j in range(n)] for i in range(m)]
    assert decode(result, buffers[2].read()) == flat(expected, layouts[2])
