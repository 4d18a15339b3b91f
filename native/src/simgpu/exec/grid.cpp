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
    context_.cluster[i] = launch.cluster[i];
  }
  context_.grid_id = launch.grid_id;
  context_.dynamic_shared_bytes = launch.dynamic_shared_bytes;
  context_.total_shared_bytes = shared_bytes(code, launch);
  context_.multiprocessors = launch.multiprocessors ? launch.multiprocessors : 1;
  context_.workspace = launch.cooperative ? reinterpret_cast<uint64_t>(workspace_) : 0;
  threads_ = launch.block[0] * launch.block[1] * launch.block[2];
  block_count_ = uint64_t{launch.grid[0]} * launch.grid[1] * launch.grid[2];
  cluster_size_ = launch.cluster[0] * launch.cluster[1] * launch.cluster[2];
  cluster_count_ = block_count_ / cluster_size_;
  stack_bytes_ = align_up((code.fibers ? kFiberStack : kLoopStack) + 2 * size_t{code.local_bytes}, 4096);
  shared_stride_ = align_up(context_.total_shared_bytes, kSharedAlign) + kSharedAlign;
}

bool Grid::claim(uint64_t* index) {
  if (stopped() || exhausted()) return false;
  *index = next_cluster_.fetch_add(1, std::memory_order_relaxed);
  return *index < cluster_count_;
}

void Grid::begin_cluster(Runner* runner, size_t slot, uint64_t index) {
  runner->clusters[slot].begin(&runner->blocks[slot * cluster_size_], cluster_size_, fibers() ? threads_ : 1);
  for (size_t rank = 0; rank < cluster_size_; ++rank) begin_block(runner, slot, rank, index);
}

// Clusters are numbered as blocks are, x first; so are the blocks within one.
void Grid::begin_block(Runner* runner, size_t slot, size_t rank, uint64_t index) {
  const size_t stacks = code_.fibers ? threads_ : 1, place = slot * cluster_size_ + rank;
  BlockContext block{};
  block.launch = &context_;
  const auto base = reinterpret_cast<uintptr_t>(runner->shared.data());
  block.shared = reinterpret_cast<uint8_t*>(align_up(base, kSharedAlign) + place * shared_stride_);
  uint64_t cluster = index, within = rank;
  for (int axis = 0; axis < 3; ++axis) {
    const uint32_t extent = launch_.cluster[axis], clusters = launch_.grid[axis] / extent;
    block.block_index[axis] = static_cast<uint32_t>(cluster % clusters * extent + within % extent);
    cluster /= clusters;
    within /= extent;
  }
  block.shared_bytes = context_.total_shared_bytes;
  block.multiprocessor = static_cast<uint32_t>(index % context_.multiprocessors);
  runner->blocks[place].begin(this, &runner->clusters[slot], block, &runner->stacks, place * stacks);
}

void Grid::out_of_resources() {
  Fault fault;
  fault.kind = Fault::Kind::kOutOfResources;
  fault.message = "no memory for the stacks of the kernel's threads";
  report(fault);
}

void Grid::work(Runner* runner) {
  const size_t clusters = launch_.cooperative ? cluster_count_ : 1, blocks = clusters * cluster_size_;
  const size_t stacks = code_.fibers ? threads_ : 1;
  if (!runner->stacks.reserve(blocks * stacks, stack_bytes_)) return out_of_resources();
  if (runner->shared.size() < blocks * shared_stride_ + kSharedAlign) runner->shared.resize(blocks * shared_stride_ + kSharedAlign);
  if (runner->blocks.size() < blocks) runner->blocks.resize(blocks);
  if (runner->clusters.size() < clusters) runner->clusters.resize(clusters);
  if (blocks == 1) {
    run_one_by_one(runner);
  } else {
    run_together(runner, clusters);
  }
}

// One block after the other. Blocks start in order, so a block may wait for an earlier one, which another thread is running.
void Grid::run_one_by_one(Runner* runner) {
  uint64_t index;
  while (claim(&index)) {
    begin_cluster(runner, 0, index);
    Block& block = runner->blocks[0];
    while (block.sweep(&runner->scheduler)) {
      if (block.idle()) sched_yield();
    }
  }
}

// Several blocks at once, `clusters` of them: each round takes one more cluster if there is one and room for it, and lets every block go on
// a little. Without cooperation there is room for one, whose blocks must all end before the next begins.
void Grid::run_together(Runner* runner, size_t clusters) {
  std::vector<size_t> alive;
  size_t begun = 0;
  uint64_t index;
  for (;;) {
    if (begun == clusters && alive.empty() && !launch_.cooperative) begun = 0;
    if (begun < clusters && claim(&index)) {
      begin_cluster(runner, begun, index);
      for (size_t rank = 0; rank < cluster_size_; ++rank) alive.push_back(begun * cluster_size_ + rank);
      ++begun;
    } else if (alive.empty()) {
      return;
    }
    bool idle = true;
    std::erase_if(alive, [&](size_t place) {
      const bool goes_on = runner->blocks[place].sweep(&runner->scheduler);
      idle &= runner->blocks[place].idle();
      return !goes_on;
    });
    if (stopped()) return;
    if (idle && (exhausted() || begun == clusters)) sched_yield();
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
