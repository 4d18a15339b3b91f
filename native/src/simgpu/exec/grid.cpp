#include "simgpu/exec/grid.h"

#include <sched.h>

#include <utility>

namespace simgpu::exec {
namespace {

constexpr size_t kFiberStack = 256 * 1024;
constexpr size_t kLoopStack = 1024 * 1024;
constexpr size_t kSharedAlign = 256;

size_t align_up(size_t value, size_t align) { return (value + align - 1) / align * align; }

// Dynamic shared memory begins at the next multiple of 16 after the static part.
uint32_t shared_bytes(const CodeInfo& code, const Launch& launch) {
  return static_cast<uint32_t>(align_up(align_up(code.static_shared_bytes, 16) + launch.dynamic_shared_bytes, 32));
}

}  // namespace

Grid::Grid(const Launch& launch, KernelEntry entry, const KernelInfo& info, const CodeInfo& code)
    : launch_(launch), entry_(entry), code_(code), param_bytes_(info.param_bytes) {
  context_.arena_base = launch.memory->base;
  context_.arena_size = launch.memory->size;
  context_.granules = launch.memory->granules;
  context_.params = static_cast<const uint8_t*>(launch.params);
  context_.globals = launch.globals;
  for (int i = 0; i < 3; ++i) {
    context_.grid[i] = launch.grid[i];
    context_.block[i] = launch.block[i];
  }
  context_.grid_id = launch.grid_id;
  context_.dynamic_shared_bytes = launch.dynamic_shared_bytes;
  context_.total_shared_bytes = shared_bytes(code, launch);
  context_.multiprocessors = launch.multiprocessors ? launch.multiprocessors : 1;
  context_.workspace = launch.cooperative ? reinterpret_cast<uint64_t>(workspace_) : 0;
  threads_ = launch.block[0] * launch.block[1] * launch.block[2];
  block_count_ = uint64_t{launch.grid[0]} * launch.grid[1] * launch.grid[2];
  stack_bytes_ = align_up((code.fibers ? kFiberStack : kLoopStack) + 2 * size_t{code.local_bytes}, 4096);
  shared_stride_ = align_up(context_.total_shared_bytes, kSharedAlign) + kSharedAlign;
}

bool Grid::claim(uint64_t* index) {
  if (stopped() || exhausted()) return false;
  *index = next_block_.fetch_add(1, std::memory_order_relaxed);
  return *index < block_count_;
}

bool Grid::begin_block(Runner* runner, size_t slot, uint64_t index) {
  const size_t stacks = code_.fibers ? threads_ : 1;
  BlockContext block{};
  block.launch = &context_;
  const auto base = reinterpret_cast<uintptr_t>(runner->shared.data());
  block.shared = reinterpret_cast<uint8_t*>(align_up(base, kSharedAlign) + slot * shared_stride_);
  block.block_index[0] = static_cast<uint32_t>(index % launch_.grid[0]);
  block.block_index[1] = static_cast<uint32_t>(index / launch_.grid[0] % launch_.grid[1]);
  block.block_index[2] = static_cast<uint32_t>(index / (uint64_t{launch_.grid[0]} * launch_.grid[1]));
  block.shared_bytes = context_.total_shared_bytes;
  block.multiprocessor = static_cast<uint32_t>(index % context_.multiprocessors);
  runner->blocks[slot].begin(this, block, &runner->stacks, slot * stacks);
  return true;
}

void Grid::out_of_resources() {
  Fault fault;
  fault.kind = Fault::Kind::kOutOfResources;
  fault.message = "no memory for the stacks of the kernel's threads";
  report(fault);
}

void Grid::work(Runner* runner) {
  const size_t slots = launch_.cooperative ? block_count_ : 1;
  const size_t stacks = code_.fibers ? threads_ : 1;
  if (!runner->stacks.reserve(slots * stacks, stack_bytes_)) return out_of_resources();
  if (runner->shared.size() < slots * shared_stride_ + kSharedAlign) runner->shared.resize(slots * shared_stride_ + kSharedAlign);
  if (runner->blocks.size() < slots) runner->blocks.resize(slots);
  if (launch_.cooperative) {
    run_resident(runner);
  } else {
    run_alone(runner);
  }
}

// One block after the other. Blocks start in order, so a block may wait for an earlier one, which another thread is running.
void Grid::run_alone(Runner* runner) {
  uint64_t index;
  while (claim(&index)) {
    begin_block(runner, 0, index);
    Block& block = runner->blocks[0];
    while (block.sweep(&runner->scheduler)) {
      if (block.idle()) sched_yield();
    }
  }
}

// All blocks at once: each round takes one more block if there is one, and lets every block go on a little.
void Grid::run_resident(Runner* runner) {
  std::vector<size_t> alive;
  size_t begun = 0;
  uint64_t index;
  for (;;) {
    if (claim(&index)) {
      begin_block(runner, begun, index);
      alive.push_back(begun++);
    } else if (alive.empty()) {
      return;
    }
    bool idle = true;
    std::erase_if(alive, [&](size_t slot) {
      const bool goes_on = runner->blocks[slot].sweep(&runner->scheduler);
      idle &= runner->blocks[slot].idle();
      return !goes_on;
    });
    if (stopped()) return;
    if (idle && exhausted()) sched_yield();
  }
}

void Grid::report(Fault fault) {
  const std::lock_guard lock(mutex_);
  if (!fault_) fault_ = std::move(fault);
  stop_.store(true, std::memory_order_relaxed);
}

Fault Grid::take_fault() {
  const std::lock_guard lock(mutex_);
  if (!fault_ && launch_.abort && launch_.abort->load()) {
    fault_.kind = Fault::Kind::kAborted;
    fault_.message = "the launch was aborted";
  }
  return fault_;
}

}  // namespace simgpu::exec
