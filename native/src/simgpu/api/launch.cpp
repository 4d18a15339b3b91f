// Launches and occupancy.
#include "simgpu/launch.h"

#include <algorithm>

using namespace simgpu;

namespace {

CUresult submit_launch(CUfunction function, const LaunchShape& shape, CUstream stream, void** params, void** extra) {
  ENTER(context);
  StreamCore* core = nullptr;
  if (const CUresult bad = resolve_stream(context, stream, &core); bad != CUDA_SUCCESS) return bad;
  KernelWork work;
  if (const CUresult bad = make_launch(core->context, function, shape, params, extra, &work); bad != CUDA_SUCCESS) return bad;
  if (null_kernels() && !core->capturing.load(std::memory_order_acquire)) return CUDA_SUCCESS;
  return enqueue(context, stream, std::move(work), Urgency::kQueue);
}

// Attributes that change results or carry handles; the rest are hints about scheduling and caches.
CUresult read_attribute(const CUlaunchAttribute& attribute, LaunchShape* shape, CUevent* completion) {
  switch (attribute.id) {
    case CU_LAUNCH_ATTRIBUTE_COOPERATIVE:
      shape->cooperative = attribute.value.cooperative != 0;
      return CUDA_SUCCESS;
    case CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION:
      shape->cluster[0] = attribute.value.clusterDim.x;
      shape->cluster[1] = attribute.value.clusterDim.y;
      shape->cluster[2] = attribute.value.clusterDim.z;
      return CUDA_SUCCESS;
    case CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_EVENT:
      *completion = attribute.value.programmaticEvent.event;
      return CUDA_SUCCESS;
    case CU_LAUNCH_ATTRIBUTE_LAUNCH_COMPLETION_EVENT:
      *completion = attribute.value.launchCompletionEvent.event;
      return CUDA_SUCCESS;
    case CU_LAUNCH_ATTRIBUTE_DEVICE_UPDATABLE_KERNEL_NODE:
      return attribute.value.deviceUpdatableKernelNode.deviceUpdatable != 0 ? CUDA_ERROR_NOT_SUPPORTED : CUDA_SUCCESS;
    default:
      return CUDA_SUCCESS;
  }
}

CUresult enter_function(CUfunction handle, Function** function) {
  ENTER(context);
  return function_from_handle(context, handle, function);
}

CUresult best_block_size(Function* function, CUoccupancyB2DSize shared_for, size_t dynamic_shared, int limit, int* grid, int* block) {
  int best = 0;
  const int most =
      std::min(limit > 0 ? limit : static_cast<int>(exec::kMaxThreads), static_cast<int>(function->kernel->info().max_threads));
  for (int size = (most + 31) / 32 * 32; size > 0; size -= 32) {
    const int threads = std::min(size, most);
    int blocks = 0;
    const size_t shared = shared_for != nullptr ? shared_for(threads) : dynamic_shared;
    if (const CUresult bad = resident_blocks(function, threads, shared, &blocks); bad != CUDA_SUCCESS) return bad;
    if (blocks * threads <= best) continue;
    best = blocks * threads;
    *block = threads;
    *grid = blocks * multiprocessor_count();
  }
  return CUDA_SUCCESS;
}

}  // namespace

extern "C" {

CUresult cuLaunchKernel(CUfunction function, unsigned int grid_x, unsigned int grid_y, unsigned int grid_z, unsigned int block_x,
                        unsigned int block_y, unsigned int block_z, unsigned int shared, CUstream stream, void** params, void** extra) {
  return submit_launch(function, {{grid_x, grid_y, grid_z}, {block_x, block_y, block_z}, shared, false, {}}, stream, params, extra);
}

CUresult cuLaunchCooperativeKernel(CUfunction function, unsigned int grid_x, unsigned int grid_y, unsigned int grid_z, unsigned int block_x,
                                   unsigned int block_y, unsigned int block_z, unsigned int shared, CUstream stream, void** params) {
  return submit_launch(function, {{grid_x, grid_y, grid_z}, {block_x, block_y, block_z}, shared, true, {}}, stream, params, nullptr);
}

CUresult cuLaunchKernelEx(const CUlaunchConfig* config, CUfunction function, void** params, void** extra) {
  REQUIRE(config != nullptr, CUDA_ERROR_INVALID_VALUE);
  LaunchShape shape{{config->gridDimX, config->gridDimY, config->gridDimZ},
                    {config->blockDimX, config->blockDimY, config->blockDimZ},
                    config->sharedMemBytes,
                    false,
                    {}};
  CUevent completion = nullptr;
  for (unsigned i = 0; i < config->numAttrs; i++) {
    if (const CUresult bad = read_attribute(config->attrs[i], &shape, &completion); bad != CUDA_SUCCESS) return bad;
  }
  const CUresult launched = submit_launch(function, shape, config->hStream, params, extra);
  if (launched != CUDA_SUCCESS || completion == nullptr) return launched;
  return cuEventRecord(completion, config->hStream);
}

CUresult cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks, CUfunction handle, int block_size, size_t shared, unsigned int) {
  Function* function = nullptr;
  if (const CUresult bad = enter_function(handle, &function); bad != CUDA_SUCCESS) return bad;
  REQUIRE(blocks != nullptr, CUDA_ERROR_INVALID_VALUE);
  return resident_blocks(function, block_size, shared, blocks);
}

CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, CUfunction handle, int block_size, size_t shared) {
  return cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(blocks, handle, block_size, shared, 0);
}

CUresult cuOccupancyMaxPotentialBlockSizeWithFlags(int* grid, int* block, CUfunction handle, CUoccupancyB2DSize shared_for, size_t shared,
                                                   int limit, unsigned int) {
  Function* function = nullptr;
  if (const CUresult bad = enter_function(handle, &function); bad != CUDA_SUCCESS) return bad;
  REQUIRE(grid != nullptr && block != nullptr, CUDA_ERROR_INVALID_VALUE);
  return best_block_size(function, shared_for, shared, limit, grid, block);
}

CUresult cuOccupancyMaxPotentialBlockSize(int* grid, int* block, CUfunction handle, CUoccupancyB2DSize shared_for, size_t shared,
                                          int limit) {
  return cuOccupancyMaxPotentialBlockSizeWithFlags(grid, block, handle, shared_for, shared, limit, 0);
}

CUresult cuOccupancyAvailableDynamicSMemPerBlock(size_t* shared, CUfunction handle, int blocks, int block_size) {
  Function* function = nullptr;
  if (const CUresult bad = enter_function(handle, &function); bad != CUDA_SUCCESS) return bad;
  REQUIRE(shared != nullptr && blocks > 0 && block_size > 0, CUDA_ERROR_INVALID_VALUE);
  if (const CUresult bad = prepare(function->kernel.get()); bad != CUDA_SUCCESS) return bad;
  const size_t per_block = (100u << 10) / static_cast<size_t>(blocks);
  const size_t taken = function->kernel->code().static_shared_bytes + kReservedShared;
  *shared = std::min<size_t>(per_block > taken ? per_block - taken : 0, 99u << 10);
  return CUDA_SUCCESS;
}

CUresult cuOccupancyMaxPotentialClusterSize(int* size, CUfunction handle, const CUlaunchConfig*) {
  Function* function = nullptr;
  if (const CUresult bad = enter_function(handle, &function); bad != CUDA_SUCCESS) return bad;
  REQUIRE(size != nullptr, CUDA_ERROR_INVALID_VALUE);
  *size = static_cast<int>(largest_cluster(*function));
  return CUDA_SUCCESS;
}

// The blocks of a cluster run together, each counted as any block is.
CUresult cuOccupancyMaxActiveClusters(int* clusters, CUfunction handle, const CUlaunchConfig* config) {
  Function* function = nullptr;
  if (const CUresult bad = enter_function(handle, &function); bad != CUDA_SUCCESS) return bad;
  REQUIRE(clusters != nullptr && config != nullptr, CUDA_ERROR_INVALID_VALUE);
  const uint64_t threads = static_cast<uint64_t>(config->blockDimX) * config->blockDimY * config->blockDimZ;
  REQUIRE(threads <= exec::kMaxThreads, CUDA_ERROR_INVALID_VALUE);
  LaunchShape shape;
  CUevent completion = nullptr;
  for (unsigned i = 0; i < config->numAttrs; i++) {
    if (const CUresult bad = read_attribute(config->attrs[i], &shape, &completion); bad != CUDA_SUCCESS) return bad;
  }
  int blocks = 0;
  const CUresult result = resident_blocks(function, static_cast<int>(threads), config->sharedMemBytes, &blocks);
  const uint32_t size = std::max(shape.cluster[0] * shape.cluster[1] * shape.cluster[2], 1u);
  *clusters = blocks * multiprocessor_count() / static_cast<int>(size);
  return result;
}

}  // extern "C"
