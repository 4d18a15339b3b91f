// From the many ways to ask for a launch to one KernelWork, with the driver's checks.
#pragma once

#include "simgpu/context.h"
#include "simgpu/module.h"
#include "simgpu/work.h"

namespace simgpu {

struct LaunchShape {
  uint32_t grid[3] = {1, 1, 1};
  uint32_t block[3] = {1, 1, 1};
  uint32_t dynamic_shared = 0;
  bool cooperative = false;
  uint32_t cluster[3] = {0, 0, 0};  // blocks; zeros: as the kernel says
};

// Checks shape and parameters and, unless kernels are not run at all (SIMGPU_NULL_KERNELS), compiles the kernel.
CUresult make_launch(Context* context, CUfunction handle, const LaunchShape& shape, void** params, void** extra, KernelWork* work);

// SIMGPU_NULL_KERNELS=1: launches are accepted and dropped.
bool null_kernels();

// Blocks of a kernel that one multiprocessor holds at once.
CUresult resident_blocks(Function* function, int block_size, size_t dynamic_shared, int* blocks);

// Blocks of the largest cluster that the kernel may be launched with.
uint32_t largest_cluster(const Function& function);

}  // namespace simgpu
