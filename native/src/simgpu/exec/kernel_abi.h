// Memory layout shared by compiled kernels and the code that runs them. native/ptx/abi.py states the same offsets; a test compares the two.
//
// A compiled object exports one function, `void simgpu_kernel(ThreadContext*)`:
//   loop mode    called once per block; it loops over the block's threads itself and sets tid[] as it goes;
//   fiber mode   called once per thread, on that thread's own stack, with tid[] filled in.
#pragma once

#include <cstddef>
#include <cstdint>

namespace simgpu::exec {

// Raised whenever compiled code of an older layout must not be run; part of the cache key.
inline constexpr uint32_t kKernelAbiVersion = 4;

// One per grid, read-only while it runs.
struct LaunchContext {
  uint64_t arena_base;
  uint64_t arena_size;
  const uint8_t* granules;
  const uint8_t* params;
  const uint64_t* globals;
  uint32_t grid[3];
  uint32_t block[3];
  uint64_t grid_id;
  uint32_t dynamic_shared_bytes;
  uint32_t total_shared_bytes;
  uint64_t workspace;  // of a cooperative grid: two words, the second its barrier; else 0
  uint32_t multiprocessors;
  uint32_t cluster[3];  // blocks
};

// One per block.
struct BlockContext {
  const LaunchContext* launch;
  uint8_t* shared;
  uint32_t block_index[3];
  uint32_t shared_bytes;
  uint32_t multiprocessor;
  uint32_t reserved;
};

// One per thread (fiber mode) or per running block (loop mode).
struct ThreadContext {
  const BlockContext* block;
  uint32_t tid[3];
  uint32_t linear_tid;
  uint64_t stack_low;  // local memory of this thread: [stack_low, stack_high)
  uint64_t stack_high;
  uint64_t stack_guard;  // a function whose frame would begin below this overflows
  int32_t fuel;          // back edges of spin loops left before the thread yields
  uint32_t reserved;
};

static_assert(offsetof(LaunchContext, arena_base) == 0 && offsetof(LaunchContext, arena_size) == 8);
static_assert(offsetof(LaunchContext, granules) == 16 && offsetof(LaunchContext, params) == 24 && offsetof(LaunchContext, globals) == 32);
static_assert(offsetof(LaunchContext, grid) == 40 && offsetof(LaunchContext, block) == 52 && offsetof(LaunchContext, grid_id) == 64);
static_assert(offsetof(LaunchContext, dynamic_shared_bytes) == 72 && offsetof(LaunchContext, total_shared_bytes) == 76);
static_assert(offsetof(LaunchContext, workspace) == 80 && offsetof(LaunchContext, multiprocessors) == 88);
static_assert(offsetof(LaunchContext, cluster) == 92);
static_assert(offsetof(BlockContext, launch) == 0 && offsetof(BlockContext, shared) == 8 && offsetof(BlockContext, block_index) == 16);
static_assert(offsetof(BlockContext, shared_bytes) == 28 && offsetof(BlockContext, multiprocessor) == 32);
static_assert(offsetof(ThreadContext, block) == 0 && offsetof(ThreadContext, tid) == 8 && offsetof(ThreadContext, linear_tid) == 20);
static_assert(offsetof(ThreadContext, stack_low) == 24 && offsetof(ThreadContext, stack_high) == 32);
static_assert(offsetof(ThreadContext, stack_guard) == 40 && offsetof(ThreadContext, fuel) == 48);

}  // namespace simgpu::exec
