// One running grid: hands its blocks to the threads of the pool and collects the first fault.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <vector>

#include "simgpu/exec/block.h"
#include "simgpu/exec/cluster.h"
#include "simgpu/exec/exec.h"

namespace simgpu::exec {

// What an operating-system thread needs to run blocks; kept and reused.
struct Runner {
  StackSlab stacks;
  std::vector<uint8_t> shared;
  std::vector<Block> blocks;
  std::vector<Cluster> clusters;
  void* scheduler = nullptr;  // stack pointer of the loop that resumes fibers
};

class Grid {
 public:
  Grid(const Launch& launch, KernelEntry entry, const KernelInfo& info, const CodeInfo& code);

  const Launch& launch() const { return launch_; }
  const LaunchContext& context() const { return context_; }
  KernelEntry entry() const { return entry_; }
  bool fibers() const { return code_.fibers; }
  uint32_t threads() const { return threads_; }
  bool in_workspace(uint64_t address, size_t bytes) const {
    return context_.workspace && address >= context_.workspace && address + bytes <= context_.workspace + sizeof(workspace_);
  }
  uint64_t block_count() const { return block_count_; }
  uint32_t param_bytes() const { return param_bytes_; }

  // Runs blocks until none is left. Several threads may do so at once, each with its own runner.
  void work(Runner* runner);

  bool exhausted() const { return next_cluster_.load(std::memory_order_relaxed) >= cluster_count_; }
  bool stopped() const {
    return stop_.load(std::memory_order_relaxed) || (launch_.abort && launch_.abort->load(std::memory_order_relaxed));
  }
  // Keeps the first fault and makes all threads of the grid stop soon.
  void report(Fault fault);
  Fault take_fault();

 private:
  bool claim(uint64_t* index);
  void run_one_by_one(Runner* runner);
  void run_together(Runner* runner, size_t clusters);
  void begin_cluster(Runner* runner, size_t slot, uint64_t index);
  void begin_block(Runner* runner, size_t slot, size_t rank, uint64_t index);
  void out_of_resources();

  const Launch& launch_;
  KernelEntry entry_;
  CodeInfo code_;
  LaunchContext context_{};
  alignas(64) uint32_t workspace_[16] = {};  // cooperative groups keep their grid barrier in the second word
  uint32_t threads_;
  uint32_t param_bytes_;
  uint64_t block_count_;
  uint32_t cluster_size_;
  uint64_t cluster_count_;
  size_t stack_bytes_;
  size_t shared_stride_;
  std::atomic<uint64_t> next_cluster_{0};
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  Fault fault_;
};

}  // namespace simgpu::exec
