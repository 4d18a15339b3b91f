"""Threads, memory spaces, calls and faults: what happens around the arithmetic."""

from __future__ import annotations

import math
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from tests.native.ptx import harness
from tests.native.ptx.harness import Gpu

HEADER = ".version 8.6\n.target sm_90\n.address_size 64\n"
START = """.reg .pred %p<8>; .reg .b32 %r<32>; .reg .b64 %rd<16>; .reg .f32 %f<8>;
ld.param.u64 %rd1, [out]; mov.u32 %r1, %tid.x; mov.u32 %r2, %ctaid.x; mov.u32 %r3, %ntid.x; mad.lo.u32 %r4, %r2, %r3, %r1;
mul.wide.u32 %rd2, %r4, 4; add.u64 %rd2, %rd1, %rd2;
"""


def entry(body: str, declarations: str = "", directives: str = "") -> str:
    """A module with one entry ``k(out)``; %rd2 is the address of this thread's word, %r1 its number in the block, %r4 in the grid."""
    return f"{HEADER}{declarations}\n.visible .entry k(.param .u64 out) {directives}\n{{\n{START}{body}\nret;\n}}\n"


def outcome(gpu: Gpu, text: str, threads: int, blocks: int = 1, **options: object) -> tuple[int, ...]:
    """The output words of a kernel that must not fault."""
    assert gpu.load(text) == 0, gpu.message
    out = gpu.buffer(4 * threads * blocks)
    assert gpu.run("k", [blocks], [threads], out, **options) == harness.NONE, gpu.message  # type: ignore[arg-type]
    return out.unpack("I")


def fault(gpu: Gpu, text: str, threads: int = 1, blocks: int = 1) -> int:
    """How a kernel ends."""
    assert gpu.load(text) == 0, gpu.message
    return gpu.run("k", [blocks], [threads], gpu.buffer(4096))


def test_special_registers_number_the_threads(gpu: Gpu) -> None:
    """tid, ctaid, laneid and warpid of every thread in a three-dimensional block."""
    text = entry("mov.u32 %r5, %laneid; mov.u32 %r6, %warpid; shl.b32 %r6, %r6, 8; or.b32 %r5, %r5, %r6; st.global.u32 [%rd2], %r5;")

    words = outcome(gpu, text, threads=80, blocks=2)

    assert words == tuple(i % 32 | i // 32 << 8 for i in range(80)) * 2


def test_sine_and_cosine_of_one_angle(gpu: Gpu) -> None:
    """A compiler may fold both into one call; the object must still link."""
    text = entry(
        "cvt.rn.f32.u32 %f1, %r1; sin.approx.f32 %f2, %f1; cos.approx.f32 %f3, %f1; add.f32 %f2, %f2, %f3; st.global.f32 [%rd2], %f2;"
    )

    words = outcome(gpu, text, threads=4)

    for angle, word in enumerate(words):
        assert struct.unpack("f", struct.pack("I", word))[0] == pytest.approx(math.sin(angle) + math.cos(angle), abs=1e-5)


def test_barrier_makes_shared_memory_visible(gpu: Gpu) -> None:
    """Each thread reads what another wrote before the barrier."""
    text = entry(
        """mov.u32 %r5, buf; shl.b32 %r6, %r1, 2; add.u32 %r7, %r5, %r6; st.shared.u32 [%r7], %r1;
        bar.sync 0;
        xor.b32 %r6, %r6, 252; add.u32 %r7, %r5, %r6; ld.shared.u32 %r8, [%r7]; st.global.u32 [%rd2], %r8;""",
        ".shared .align 4 .b8 buf[256];",
    )

    assert outcome(gpu, text, threads=64) == tuple(63 - i for i in range(64))


def test_threads_that_exit_do_not_hold_a_barrier(gpu: Gpu) -> None:
    """Half of the block leaves before the barrier."""
    text = entry("setp.gt.u32 %p1, %r1, 15; @%p1 exit; bar.sync 0; st.global.u32 [%rd2], 1;")

    assert sum(outcome(gpu, text, threads=32)) == 16


def test_barrier_reductions(gpu: Gpu) -> None:
    """bar.red counts, and tells all from any."""
    text = entry(
        """setp.lt.u32 %p1, %r1, 10; bar.red.popc.u32 %r5, 0, %p1; bar.red.and.pred %p2, 0, %p1; bar.red.or.pred %p3, 0, %p1;
        selp.u32 %r6, 100, 0, %p2; selp.u32 %r7, 1000, 0, %p3; add.u32 %r5, %r5, %r6; add.u32 %r5, %r5, %r7; st.global.u32 [%rd2], %r5;"""
    )

    assert set(outcome(gpu, text, threads=64)) == {1010}


def test_dynamic_shared_memory_follows_the_static_part(gpu: Gpu) -> None:
    """The unsized array begins behind the sized one and has the size of the launch."""
    text = entry(
        "mov.u32 %r5, more; mov.u32 %r6, fixed; st.shared.u32 [%r6], 5; sub.u32 %r5, %r5, %r6; mov.u32 %r7, %dynamic_smem_size; mad.lo.u32 %r5, %r7, 1000, %r5;"
        "st.global.u32 [%rd2], %r5;",
        ".shared .align 4 .b8 fixed[20]; .extern .shared .align 16 .b8 more[];",
    )

    assert outcome(gpu, text, threads=1, shared=64) == (64032,)


@pytest.mark.parametrize(
    "instruction, expected",
    [
        ("shfl.sync.down.b32 %r5|%p1, %r1, 1, 31, -1;", [min(i + 1, 31) for i in range(32)]),
        ("shfl.sync.up.b32 %r5|%p1, %r1, 2, 0, -1;", [i - 2 if i >= 2 else i for i in range(32)]),
        ("shfl.sync.bfly.b32 %r5|%p1, %r1, 5, 31, -1;", [i ^ 5 for i in range(32)]),
        ("shfl.sync.idx.b32 %r5|%p1, %r1, 3, 0x181f, -1;", [i // 8 * 8 + 3 for i in range(32)]),
        ("and.b32 %r6, %r1, 1; setp.eq.u32 %p2, %r6, 1; vote.sync.ballot.b32 %r5, %p2, -1;", [0xAAAAAAAA] * 32),
        ("and.b32 %r6, %r1, 3; match.any.sync.b32 %r5, %r6, -1;", [0x11111111 << i % 4 for i in range(32)]),
        ("redux.sync.add.s32 %r5, %r1, -1;", [496] * 32),
        ("redux.sync.max.u32 %r5, %r1, -1;", [31] * 32),
        ("elect.sync %r5|%p1, -1; selp.u32 %r5, 7, %r5, %p1;", [7] + [0] * 31),
        ("activemask.b32 %r5;", [0xFFFFFFFF] * 32),
    ],
)
def test_warp_exchange(gpu: Gpu, instruction: str, expected: list[int]) -> None:
    """Every lane gets what the exchange gives it."""
    assert list(outcome(gpu, entry(f"{instruction} st.global.u32 [%rd2], %r5;"), threads=32)) == expected


def test_divergent_lanes_exchange_among_themselves(gpu: Gpu) -> None:
    """Two halves of a warp take different branches, each with its own mask; activemask tells them apart."""
    text = entry(
        """setp.lt.u32 %p1, %r1, 16; @%p1 bra LOW;
        activemask.b32 %r5; redux.sync.add.u32 %r6, %r1, %r5; bra DONE;
        LOW: activemask.b32 %r5; redux.sync.add.u32 %r6, %r1, %r5;
        DONE: bar.warp.sync -1; st.global.u32 [%rd2], %r6;"""
    )

    assert outcome(gpu, text, threads=32) == (120,) * 16 + (376,) * 16


def test_spin_lock_between_threads_of_a_warp(gpu: Gpu) -> None:
    """A lane that holds a lock gets its turn while the others spin."""
    text = entry(
        """AGAIN: atom.global.cas.b32 %r5, [lock], 0, 1; setp.ne.u32 %p1, %r5, 0; @%p1 bra AGAIN;
        ld.volatile.global.u32 %r6, [count]; nanosleep.u32 20; add.u32 %r6, %r6, 1; st.volatile.global.u32 [count], %r6;
        membar.gl; atom.global.exch.b32 %r5, [lock], 0; st.global.u32 [%rd2], %r6;""",
        ".global .u32 lock; .global .u32 count;",
    )

    words = outcome(gpu, text, threads=64, blocks=4)

    assert sorted(words) == list(range(1, 257))


def test_cooperative_blocks_wait_for_each_other(gpu: Gpu) -> None:
    """Blocks that wait until all have arrived finish only if all are resident."""
    text = entry(
        """atom.global.add.u32 %r5, [arrived], 1; mov.u32 %r6, %nctaid.x;
        WAIT: ld.acquire.gpu.u32 %r7, [arrived]; setp.lt.u32 %p1, %r7, %r6; @%p1 bra WAIT; st.global.u32 [%rd2], %r7;""",
        ".global .u32 arrived;",
    )

    assert outcome(gpu, text, threads=1, blocks=64, cooperative=True) == (64,) * 64


def test_atomics_of_all_blocks_add_up(gpu: Gpu) -> None:
    """Integer and float atomics lose nothing; inc wraps."""
    text = entry(
        """red.global.add.u32 [total], 3; mov.f32 %f1, 0f3F000000; atom.global.add.f32 %f2, [sum], %f1; atom.global.inc.u32 %r5, [wrap], 9;
        atom.global.max.u32 %r5, [highest], %r4; atom.shared.add.u32 %r6, [mine], 1; bar.sync 0; ld.shared.u32 %r7, [mine]; st.global.u32 [%rd2], %r7;""",
        ".global .u32 total; .global .f32 sum; .global .u32 wrap; .global .u32 highest; .shared .u32 mine;",
    )
    assert gpu.load(text) == 0, gpu.message
    clear = gpu.buffer(4 * 64 * 100)
    assert gpu.run("k", [100], [64], clear) == harness.NONE, gpu.message

    values = [
        struct.unpack("<f" if name == "sum" else "<I", gpu.global_buffer(name, 4).read())[0] for name in ("total", "sum", "wrap", "highest")
    ]

    assert values == [19200, 3200.0, 0, 6399]


def test_recursion_and_indirect_calls(gpu: Gpu) -> None:
    """A recursive function called through a pointer kept in global memory."""
    text = entry(
        """ld.global.u64 %rd3, [table];
        { .param .b32 a; .param .b32 r; st.param.b32 [a], %r1; proto: .callprototype (.param .b32 _) _ (.param .b32 _);
          call (r), %rd3, (a), proto; ld.param.b32 %r5, [r]; }
        st.global.u32 [%rd2], %r5;""",
        """.func (.param .b32 result) sum(.param .b32 n);
        .global .align 8 .u64 table[1] = {sum};
        .func (.param .b32 result) sum(.param .b32 n) { .reg .pred %p<2>; .reg .b32 %r<4>;
          ld.param.u32 %r1, [n]; mov.u32 %r3, 0; setp.eq.u32 %p1, %r1, 0; @%p1 bra END; sub.u32 %r2, %r1, 1;
          { .param .b32 a; .param .b32 r; st.param.b32 [a], %r2; call.uni (r), sum, (a); ld.param.b32 %r3, [r]; }
          add.u32 %r3, %r3, %r1;
        END: st.param.b32 [result], %r3; ret; }""",
    )

    assert outcome(gpu, text, threads=32) == tuple(i * (i + 1) // 2 for i in range(32))


def test_local_memory_is_private_and_generic(gpu: Gpu) -> None:
    """A local array indexed at run time, read back through its generic address."""
    text = entry(
        """.local .align 4 .b8 mine[64]; mov.u64 %rd3, mine; and.b32 %r5, %r1, 15; mul.wide.u32 %rd4, %r5, 4; add.u64 %rd5, %rd3, %rd4;
        st.local.u32 [%rd5], %r1; cvta.local.u64 %rd6, %rd5; isspacep.local %p1, %rd6; ld.u32 %r6, [%rd6]; @!%p1 mov.u32 %r6, 99999;
        st.global.u32 [%rd2], %r6;"""
    )

    assert outcome(gpu, text, threads=40) == tuple(range(40))


def test_constant_and_initialised_globals(gpu: Gpu) -> None:
    """Initial values, and the address of one variable in another."""
    text = entry(
        "and.b32 %r5, %r1, 3; mul.wide.u32 %rd3, %r5, 4; ld.global.u64 %rd4, [place]; add.u64 %rd3, %rd3, %rd4; ld.u32 %r6, [%rd3];"
        "ld.const.f32 %f1, [half]; cvt.rn.f32.u32 %f2, %r6; mul.f32 %f2, %f2, %f1; cvt.rzi.u32.f32 %r6, %f2; st.global.u32 [%rd2], %r6;",
        ".const .f32 half = 0f3F000000; .global .align 4 .u32 numbers[4] = {10, 20, 0x1E, 40}; .global .align 8 .u64 place = generic(numbers);",
    )

    assert outcome(gpu, text, threads=4) == (5, 10, 15, 20)


def test_vector_accesses_and_branch_tables(gpu: Gpu) -> None:
    """v4 loads and stores, brx.idx."""
    text = entry(
        """mov.u32 %r5, 7; mov.u32 %r6, 8; st.shared.v2.u32 [pair], {%r5, %r6}; ld.shared.v2.u32 {%r7, %r8}, [pair];
        rem.u32 %r9, %r1, 3; targets: .branchtargets A, B, C; brx.idx %r9, targets;
        A: mov.u32 %r10, %r7; bra END; B: mov.u32 %r10, %r8; bra END; C: mov.u32 %r10, 9;
        END: st.global.u32 [%rd2], %r10;""",
        ".shared .align 8 .b8 pair[8];",
    )

    assert outcome(gpu, text, threads=6) == (7, 8, 9, 7, 8, 9)


def test_modules_are_linked(gpu: Gpu) -> None:
    """One module calls a function and reads a variable of another; private names may repeat."""
    first = entry(
        """{ .param .b32 r; call.uni (r), answer, (); ld.param.b32 %r5, [r]; } ld.global.u32 %r6, [theirs]; ld.global.u32 %r7, [same];
        add.u32 %r5, %r5, %r6; add.u32 %r5, %r5, %r7; st.global.u32 [%rd2], %r5;""",
        ".extern .func (.param .b32 r) answer(); .extern .global .u32 theirs; .global .u32 same = 1000;",
    )
    second = f"""{HEADER}.global .u32 same = 2; .visible .global .u32 theirs = 100;
    .visible .func (.param .b32 r) answer() {{ .reg .b32 %r<2>; ld.global.u32 %r1, [same]; st.param.b32 [r], %r1; ret; }}"""
    assert gpu.load(first, second) == 0, gpu.message
    out = gpu.buffer(4)

    assert gpu.run("k", [1], [1], out) == harness.NONE, gpu.message
    assert out.unpack("I") == (1102,)


@pytest.mark.parametrize(
    "body, expected",
    [
        ("mov.u64 %rd3, 64; ld.global.u32 %r5, [%rd3]; st.global.u32 [%rd2], %r5;", harness.ILLEGAL_ADDRESS),
        ("st.global.u32 [%rd2+4096], %r1;", harness.ILLEGAL_ADDRESS),
        ("st.global.u32 [%rd2+2], %r1;", harness.MISALIGNED),
        ("mov.u32 %r5, 8000; st.shared.u32 [%r5], %r1;", harness.ILLEGAL_ADDRESS),
        ("trap;", harness.TRAP),
        ("mov.u64 %rd3, 5; { call %rd3, (), proto; proto: .callprototype _ (); }", harness.INVALID_PC),
        ("setp.eq.u32 %p1, %r1, 0; @%p1 bra WAIT; bar.sync 1; bra DONE; WAIT: bar.sync 2; DONE: mov.u32 %r5, 0;", harness.DEADLOCK),
        ("{ .param .b32 n; st.param.b32 [n], 0; call.uni forever, (n); }", harness.STACK_OVERFLOW),
    ],
)
def test_faults_end_the_grid(gpu: Gpu, body: str, expected: int) -> None:
    """A bad access, a trap or endless recursion is a fault of the grid; the process and the next grid go on."""
    recursive = ".func forever(.param .b32 n) { .reg .b32 %r<3>; ld.param.b32 %r1, [n]; add.u32 %r2, %r1, 1;\n"
    recursive += "{ .param .b32 m; st.param.b32 [m], %r2; call.uni forever, (m); } ret; }"

    assert fault(gpu, entry(body, recursive), threads=2, blocks=3) == expected, gpu.message
    assert outcome(gpu, entry("st.global.u32 [%rd2], 1;"), threads=4) == (1, 1, 1, 1)


@pytest.mark.parametrize(
    "text, error, names",
    [
        ("this is no PTX", harness.INVALID_PTX, "not PTX"),
        (entry("frobnicate.u32 %r5, %r6;"), harness.INVALID_PTX, "frobnicate.u32"),
        (entry("add.sideways.u32 %r5, %r6, %r7;"), harness.UNSUPPORTED, ".sideways"),
        (entry("add.u32 %r5, %r6;"), harness.INVALID_PTX, "add.u32 %r5, %r6"),
        (entry("call.uni nobody, ();"), harness.INVALID_PTX, "nobody"),
        (entry("ld.global.u32 %r5, [gone];", ".extern .global .u32 gone;"), harness.UNRESOLVED, "gone"),
        (entry("tex.2d.v4.f32.f32 {%f1,%f2,%f3,%f4}, [%rd1, %rd2, {%f1,%f2}];"), harness.UNSUPPORTED, "tex.2d"),
        (entry("wgmma.fence.sync.aligned;"), harness.UNSUPPORTED, "wgmma"),
    ],
)
def test_what_cannot_run_is_named(gpu: Gpu, text: str, error: int, names: str) -> None:
    """Broken or unknown PTX fails to load, with a message that names it and its line."""
    result = gpu.load(text) or gpu.prepare("k")

    assert result == error
    assert names in gpu.message


def test_damaged_cache_entries_are_ignored(gpu: Gpu, kernel_cache: Path) -> None:
    """A truncated file in the cache is compiled anew."""
    text = entry("st.global.u32 [%rd2], 3;")
    assert outcome(gpu, text, threads=1) == (3,)
    for file in kernel_cache.iterdir():
        file.write_bytes(file.read_bytes()[:-5])

    assert outcome(Gpu(), text, threads=1) == (3,)


def test_cached_kernels_need_no_compiler(gpu: Gpu, kernel_cache: Path) -> None:
    """A second process runs a known program without a compiler, and says what is missing for an unknown one."""
    text = entry("st.global.u32 [%rd2], 4;")
    assert outcome(gpu, text, threads=1) == (4,)
    program = f"""
from tests.native.ptx.harness import Gpu
gpu = Gpu()
print(gpu.load({text!r}), gpu.prepare("k"), gpu.load({text!r} + " "), gpu.message)
"""
    environment = {
        "PATH": os.defpath,
        "SIMGPU_CACHE": str(kernel_cache),
        "SIMGPU_COMPILER": "/nonexistent/compiler",
        "BITFUSION_BUILD": str(harness.BUILD),
    }

    result = subprocess.run(
        [sys.executable, "-c", program], check=False, cwd=harness.ROOT, env=environment, capture_output=True, text=True, timeout=60
    )

    assert result.stdout.startswith(f"0 0 {harness.COMPILER_UNAVAILABLE} the PTX compiler '/nonexistent/compiler' cannot be started"), (
        result
    )
