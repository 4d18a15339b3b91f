"""Clusters, mbarrier objects, asynchronous copies, video instructions and memory of the stack, as nvcc's headers use them."""

from __future__ import annotations

import struct

import pytest

from tests.native.ptx import harness
from tests.native.ptx.harness import Gpu

SOURCE = r"""
#include <cooperative_groups.h>
#include <cooperative_groups/memcpy_async.h>
#include <cuda/barrier>
#include <cuda/pipeline>
#include <cuda/ptx>
#include <cuda_pipeline.h>
namespace cg = cooperative_groups;

extern "C" __global__ void barriers(int* out, const int* in) {
  __shared__ cuda::barrier<cuda::thread_scope_block> bar;
  __shared__ int buf[128];
  if (threadIdx.x == 0) init(&bar, blockDim.x);
  __syncthreads();
  cuda::memcpy_async(cg::this_thread_block(), buf, in, sizeof(buf), bar);
  bar.arrive_and_wait();
  int sum = buf[127 - threadIdx.x];
  for (int round = 0; round < 5; round++) {
    auto token = bar.arrive();
    bar.wait(std::move(token));
    buf[threadIdx.x] += round;
    bar.arrive_and_wait();
    sum += buf[(threadIdx.x + 1) % 128];
    bar.arrive_and_wait();
  }
  if (threadIdx.x < 64) { bar.arrive_and_drop(); } else { bar.arrive_and_wait(); bar.arrive_and_wait(); }
  out[threadIdx.x] = sum;
}

extern "C" __global__ void bulk(int* out, const int* in) {
  __shared__ alignas(128) int buf[128];
  __shared__ cuda::barrier<cuda::thread_scope_block> bar;
  if (threadIdx.x == 0) { init(&bar, blockDim.x); cuda::ptx::fence_proxy_async(); }
  __syncthreads();
  cuda::barrier<cuda::thread_scope_block>::arrival_token token;
  if (threadIdx.x == 0) {
    cuda::device::memcpy_async_tx(buf, in, cuda::aligned_size_t<16>(sizeof(buf)), bar);
    token = cuda::device::barrier_arrive_tx(bar, 1, sizeof(buf));
  } else {
    token = bar.arrive();
  }
  bar.wait(std::move(token));
  buf[threadIdx.x] *= 2;
  cuda::ptx::fence_proxy_async(cuda::ptx::space_shared);
  __syncthreads();
  if (threadIdx.x == 0) {
    cuda::ptx::cp_async_bulk(cuda::ptx::space_global, cuda::ptx::space_shared, out, buf, sizeof(buf));
    cuda::ptx::cp_async_bulk_commit_group();
    cuda::ptx::cp_async_bulk_wait_group_read(cuda::ptx::n32_t<0>());
  }
}

extern "C" __global__ void pipelined(int* out, const int* in) {
  __shared__ cuda::pipeline_shared_state<cuda::thread_scope_block, 2> state;
  __shared__ int buf[2][128];
  auto block = cg::this_thread_block();
  auto pipe = cuda::make_pipeline(block, &state);
  for (int i = 0; i < 4; i++) {
    pipe.producer_acquire();
    cuda::memcpy_async(block, buf[i & 1], in + i * 128, 512, pipe);
    pipe.producer_commit();
    pipe.consumer_wait();
    out[i * 128 + threadIdx.x] = buf[i & 1][threadIdx.x ^ 1];
    pipe.consumer_release();
  }
}

extern "C" __global__ void __cluster_dims__(4, 1, 1) clustered(int* out) {
  __shared__ int mine;
  auto cluster = cg::this_cluster();
  unsigned rank = cluster.block_rank();
  if (threadIdx.x == 0) mine = blockIdx.x * 10;
  cluster.sync();
  int* next = cluster.map_shared_rank(&mine, (rank + 1) % 4);
  int value = *next;
  cluster.sync();
  atomicAdd(cluster.map_shared_rank(&mine, 0), 1);
  cluster.sync();
  if (threadIdx.x == 0) {
    int* line = out + blockIdx.x * 4;
    line[0] = value, line[1] = mine, line[2] = cluster.num_blocks() * 100 + rank, line[3] = cg::cluster_group::query_shared_rank(next);
  }
}

extern "C" __global__ void video(unsigned* out, unsigned a, unsigned b) {
  out[0] = __vabsdiffu4(a, b); out[1] = __vsadu4(a, b); out[2] = __vadd4(a, b); out[3] = __vmaxs2(a, b);
  unsigned d;
  asm("vadd4.s32.s32.s32.sat %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(0)); out[4] = d;
  asm("vset4.u32.u32.gt.add %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(10)); out[5] = d;
  asm("vmin2.s32.s32.s32 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(0)); out[6] = d;
  asm("vsub.s32.u32.u32.add %0, %1.b1, %2.h1, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(7)); out[7] = d;
}

extern "C" __global__ void stacked(int* out, int n) {
  int* p = (int*)alloca(n * sizeof(int));
  for (int i = 0; i < n; i++) p[i] = i * (threadIdx.x + 1);
  int sum = 0;
  for (int i = 0; i < n; i++) sum += p[i * 7 % n];
  out[threadIdx.x] = sum;
}
"""


@pytest.fixture(scope="module")
def cuda(compiler: None, tmp_path_factory: pytest.TempPathFactory) -> Gpu:
    """The source above."""
    gpu = Gpu()
    text = harness.nvcc(SOURCE, tmp_path_factory.mktemp("asynchronous"), 90, "-std=c++17")
    assert gpu.load(text) == 0, gpu.message
    return gpu


def ints(count: int) -> bytes:
    """The numbers from zero."""
    return struct.pack(f"<{count}i", *range(count))


def test_barriers_end_when_all_have_arrived(cuda: Gpu) -> None:
    """Phases of a barrier, copies that arrive at it, and threads that leave it for good."""
    source, out = cuda.buffer(ints(128)), cuda.buffer(4 * 128)

    assert cuda.run("barriers", [1], [128], out, source) == harness.NONE, cuda.message
    added = [0, 1, 3, 6, 10]
    assert out.unpack("i") == tuple(127 - i + sum((i + 1) % 128 + more for more in added) for i in range(128))


def test_bulk_copies_report_their_bytes(cuda: Gpu) -> None:
    """A bulk copy into shared memory completes a barrier's bytes; one back is done when its group has been waited for."""
    source, out = cuda.buffer(ints(128)), cuda.buffer(4 * 128)

    assert cuda.run("bulk", [1], [128], out, source) == harness.NONE, cuda.message
    assert out.unpack("i") == tuple(2 * i for i in range(128))


def test_pipelines(cuda: Gpu) -> None:
    """Two stages of a pipeline between copies and their use."""
    source, out = cuda.buffer(ints(512)), cuda.buffer(4 * 512)

    assert cuda.run("pipelined", [1], [128], out, source) == harness.NONE, cuda.message
    assert out.unpack("i") == tuple(i ^ 1 for i in range(512))


def test_clusters_share_their_memory(cuda: Gpu) -> None:
    """Blocks read and change each other's shared memory between barriers of the cluster."""
    out = cuda.buffer(4 * 4 * 12)

    assert cuda.run("clustered", [12], [32], out, cluster=(4, 1, 1)) == harness.NONE, cuda.message
    words = out.unpack("i")
    for block in range(12):
        first, rank = block // 4 * 4, block % 4
        expected = ((first + (rank + 1) % 4) * 10, block * 10 + (128 if rank == 0 else 0), 400 + rank, (rank + 1) % 4)
        assert words[4 * block : 4 * block + 4] == expected


def test_video_instructions(cuda: Gpu) -> None:
    """Four or two lanes at once, saturated, compared and summed."""
    a, b = 0x7F10FF02, 0x01F00103
    out = cuda.buffer(4 * 8)
    assert cuda.run("video", [1], [1], out, ("I", a), ("I", b)) == harness.NONE, cuda.message
    lanes = list(zip(a.to_bytes(4, "little"), b.to_bytes(4, "little"), strict=True))
    halves = list(zip(struct.unpack("<2h", struct.pack("<I", a)), struct.unpack("<2h", struct.pack("<I", b)), strict=True))
    signed = list(zip(struct.unpack("<4b", struct.pack("<I", a)), struct.unpack("<4b", struct.pack("<I", b)), strict=True))
    packed = [
        int.from_bytes(bytes(abs(x - y) for x, y in lanes), "little"),
        sum(abs(x - y) for x, y in lanes),
        int.from_bytes(bytes((x + y) & 255 for x, y in lanes), "little"),
        struct.unpack("<I", struct.pack("<2h", *(max(pair) for pair in halves)))[0],
        struct.unpack("<I", struct.pack("<4b", *(min(max(x + y, -128), 127) for x, y in signed)))[0],
        10 + sum(x > y for x, y in lanes),
        struct.unpack("<I", struct.pack("<2h", *(min(pair) for pair in halves)))[0],
        (0xFF - 0x01F0 + 7) & 0xFFFFFFFF,
    ]
    assert list(out.unpack("I")) == packed


def test_memory_of_the_stack(cuda: Gpu) -> None:
    """alloca gives every thread its own; too much is a stack overflow, not a crash."""
    out = cuda.buffer(4 * 32)
    assert cuda.run("stacked", [1], [32], out, ("i", 100)) == harness.NONE, cuda.message
    assert out.unpack("i") == tuple(4950 * (i + 1) for i in range(32))
    assert cuda.run("stacked", [1], [32], out, ("i", 1 << 24)) == harness.STACK_OVERFLOW


STORES = """.version 8.6
.target sm_90
.address_size 64
.visible .entry k(.param .u64 out) {
    .reg .pred %p; .reg .b32 %r<12>; .reg .b64 %rd<4>; .shared .align 8 .b64 bar; .shared .align 8 .b32 place[2];
    ld.param.u64 %rd1, [out]; mov.u32 %r1, bar; mov.u32 %r2, place; mov.u32 %r3, 0;
    mbarrier.init.shared.b64 [%r1], 1;
    mbarrier.arrive.expect_tx.shared.b64 %rd2, [%r1], 8;
    mbarrier.test_wait.shared.b64 %p, [%r1], %rd2; selp.u32 %r4, 1, 0, %p; st.global.u32 [%rd1], %r4;
    mapa.shared::cluster.u32 %r5, %r1, %r3; mapa.shared::cluster.u32 %r6, %r2, %r3;
    st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.v2.b32 [%r6], {7, 8}, [%r5];
WAIT: mbarrier.try_wait.parity.shared.b64 %p, [%r1], 0; @!%p bra WAIT;
    ld.shared.v2.b32 {%r7, %r8}, [%r2]; st.global.v2.b32 [%rd1+8], {%r7, %r8};
    mbarrier.pending_count.b64 %r9, %rd2; st.global.u32 [%rd1+4], %r9; ret; }
"""


def test_asynchronous_stores(gpu: Gpu) -> None:
    """st.async completes as many bytes of a barrier as it stores; before, the phase is not over."""
    assert gpu.load(STORES) == 0, gpu.message
    out = gpu.buffer(16)

    assert gpu.run("k", [1], [1], out) == harness.NONE, gpu.message
    assert out.unpack("I") == (0, 1, 7, 8)
