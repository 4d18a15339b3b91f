#include "simgpu/launch.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "bitfusion/env.h"

namespace simgpu {

namespace {

constexpr uint64_t kLargestGrid[3] = {2147483647, 65535, 65535};
constexpr uint32_t kLargestBlock[3] = {1024, 1024, 64};
constexpr int kThreadsPerMultiprocessor = 1536;
constexpr int kBlocksPerMultiprocessor = 24;
constexpr int kSharedPerMultiprocessor = 100 << 10;
constexpr int kRegistersPerMultiprocessor = 65536;

CUresult check_shape(const LaunchShape& shape) {
  uint64_t threads = 1;
  for (int i = 0; i < 3; i++) {
    REQUIRE(shape.grid[i] != 0 && shape.grid[i] <= kLargestGrid[i], CUDA_ERROR_INVALID_VALUE);
    REQUIRE(shape.block[i] != 0 && shape.block[i] <= kLargestBlock[i], CUDA_ERROR_INVALID_VALUE);
    threads *= shape.block[i];
  }
  REQUIRE(threads <= exec::kMaxThreads, CUDA_ERROR_INVALID_VALUE);
  return CUDA_SUCCESS;
}

CUresult check_against_kernel(const LaunchShape& shape, const Function& function) {
  const exec::KernelInfo& info = function.kernel->info();
  const uint64_t threads = static_cast<uint64_t>(shape.block[0]) * shape.block[1] * shape.block[2];
  REQUIRE(threads <= info.max_threads, CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES);
  if (info.required_block[0] != 0) {
    REQUIRE(std::equal(shape.block, shape.block + 3, info.required_block), CUDA_ERROR_INVALID_VALUE);
  }
  REQUIRE(shape.dynamic_shared <= static_cast<uint32_t>(function.attributes.max_dynamic_shared), CUDA_ERROR_INVALID_VALUE);
  return CUDA_SUCCESS;
}

// What the launch asks for, else what was set on the function, else what the kernel was compiled for, else single blocks.
void choose_cluster(const LaunchShape& shape, const Function& function, uint32_t cluster[3]) {
  constexpr CUfunction_attribute kAttributes[3] = {CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_WIDTH, CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_HEIGHT,
                                                   CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_DEPTH};
  for (int i = 0; i < 3; i++) {
    const auto set = function.attributes.others.find(kAttributes[i]);
    const uint32_t asked = set != function.attributes.others.end() ? static_cast<uint32_t>(set->second) : 0;
    const uint32_t compiled = function.kernel->info().required_cluster[i];
    cluster[i] = shape.cluster[0] != 0 ? shape.cluster[i] : asked != 0 ? asked : std::max(compiled, 1u);
  }
}

CUresult check_cluster(const LaunchShape& shape, const Function& function, const uint32_t cluster[3]) {
  const exec::KernelInfo& info = function.kernel->info();
  uint64_t blocks = 1;
  for (int i = 0; i < 3; i++) {
    const bool matches = info.required_cluster[i] == 0 || info.required_cluster[i] == cluster[i];
    REQUIRE(cluster[i] != 0 && matches && shape.grid[i] % cluster[i] == 0, CUDA_ERROR_INVALID_CLUSTER_SIZE);
    blocks *= cluster[i];
  }
  REQUIRE(blocks <= largest_cluster(function), CUDA_ERROR_INVALID_CLUSTER_SIZE);
  REQUIRE(blocks == 1 || !shape.cooperative, CUDA_ERROR_NOT_SUPPORTED);
  return CUDA_SUCCESS;
}

CUresult check_cooperative(const LaunchShape& shape, Function* function) {
  int blocks = 0;
  const int threads = static_cast<int>(shape.block[0] * shape.block[1] * shape.block[2]);
  if (const CUresult bad = resident_blocks(function, threads, shape.dynamic_shared, &blocks); bad != CUDA_SUCCESS) return bad;
  const uint64_t grid = static_cast<uint64_t>(shape.grid[0]) * shape.grid[1] * shape.grid[2];
  const uint64_t most = static_cast<uint64_t>(blocks) * static_cast<uint64_t>(multiprocessor_count());
  REQUIRE(grid <= most, CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE);
  return CUDA_SUCCESS;
}

CUresult pack_extra(const exec::KernelInfo& info, void** extra, std::vector<uint8_t>* packed) {
  const void* buffer = nullptr;
  size_t size = 0;
  for (void** item = extra; *item != CU_LAUNCH_PARAM_END; item += 2) {
    if (*item == CU_LAUNCH_PARAM_BUFFER_POINTER) {
      buffer = item[1];
    } else if (*item == CU_LAUNCH_PARAM_BUFFER_SIZE) {
      size = *static_cast<const size_t*>(item[1]);
    } else {
      return CUDA_ERROR_INVALID_VALUE;
    }
  }
  REQUIRE(buffer != nullptr || info.param_bytes == 0, CUDA_ERROR_INVALID_VALUE);
  packed->assign(info.param_bytes, 0);
  memcpy(packed->data(), buffer, std::min<size_t>(size, info.param_bytes));
  return CUDA_SUCCESS;
}

CUresult pack(const exec::KernelInfo& info, void** params, void** extra, std::vector<uint8_t>* packed) {
  if (params == nullptr && extra != nullptr) return pack_extra(info, extra, packed);
  REQUIRE(params != nullptr || info.params.empty(), CUDA_ERROR_INVALID_VALUE);
  packed->assign(info.param_bytes, 0);
  for (size_t i = 0; i < info.params.size(); i++) memcpy(packed->data() + info.params[i].offset, params[i], info.params[i].size);
  return CUDA_SUCCESS;
}

}  // namespace

bool null_kernels() {
  static const bool null = bitfusion::env::simgpu_null_kernels();
  return null;
}

uint32_t largest_cluster(const Function& function) {
  const auto allowed = function.attributes.others.find(CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED);
  const bool wide = allowed != function.attributes.others.end() && allowed->second != 0;
  return wide ? exec::kMaxCluster : exec::kPortableCluster;
}

CUresult resident_blocks(Function* function, int block_size, size_t dynamic_shared, int* blocks) {
  REQUIRE(block_size > 0 && block_size <= static_cast<int>(exec::kMaxThreads), CUDA_ERROR_INVALID_VALUE);
  if (const CUresult bad = prepare(function->kernel.get()); bad != CUDA_SUCCESS) return bad;
  const exec::CodeInfo& code = function->kernel->code();
  const int rounded = (block_size + 31) / 32 * 32;
  int most = std::min(kBlocksPerMultiprocessor, kThreadsPerMultiprocessor / rounded);
  const size_t shared = code.static_shared_bytes + dynamic_shared + kReservedShared;
  most = std::min(most, static_cast<int>(kSharedPerMultiprocessor / shared));
  if (code.registers != 0) most = std::min(most, kRegistersPerMultiprocessor / (static_cast<int>(code.registers) * rounded));
  *blocks = block_size > static_cast<int>(function->kernel->info().max_threads) ? 0 : most;
  return CUDA_SUCCESS;
}

CUresult make_launch(Context* context, CUfunction handle, const LaunchShape& shape, void** params, void** extra, KernelWork* work) {
  Function* function = nullptr;
  if (const CUresult bad = function_from_handle(context, handle, &function); bad != CUDA_SUCCESS) return bad;
  if (const CUresult bad = check_shape(shape); bad != CUDA_SUCCESS) return bad;
  if (const CUresult bad = check_against_kernel(shape, *function); bad != CUDA_SUCCESS) return bad;
  choose_cluster(shape, *function, work->cluster);
  if (const CUresult bad = check_cluster(shape, *function, work->cluster); bad != CUDA_SUCCESS) return bad;
  if (const CUresult bad = pack(function->kernel->info(), params, extra, &work->params); bad != CUDA_SUCCESS) return bad;
  if (!null_kernels()) {
    if (const CUresult bad = prepare(function->kernel.get()); bad != CUDA_SUCCESS) return bad;
    if (shape.cooperative) {
      if (const CUresult bad = check_cooperative(shape, function); bad != CUDA_SUCCESS) return bad;
    }
  }
  work->kernel = function->kernel;
  work->globals = function->globals;
  work->function = handle;
  work->owner = function->module->context;
  std::copy(shape.grid, shape.grid + 3, work->grid);
  std::copy(shape.block, shape.block + 3, work->block);
  work->dynamic_shared = shape.dynamic_shared;
  work->cooperative = shape.cooperative;
  return CUDA_SUCCESS;
}

}  // namespace simgpu
