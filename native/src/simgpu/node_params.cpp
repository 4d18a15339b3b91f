#include "simgpu/node_params.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "simgpu/batch.h"
#include "simgpu/context.h"
#include "simgpu/copy.h"
#include "simgpu/graph_memory.h"
#include "simgpu/launch.h"

namespace simgpu {

namespace {

// --- Parameters to work
// -------------------------------------------------------------------------------------------------------------------

CUresult kernel_work(const CUDA_KERNEL_NODE_PARAMS_v3& params, Work* work) {
  Context* context = nullptr;
  if (const Function* function = functions().get(params.func)) {
    context = function->module->context;
  } else if (const CUresult bad = enter_given(params.ctx, &context); bad != CUDA_SUCCESS) {
    return bad;
  }
  const LaunchShape shape{{params.gridDimX, params.gridDimY, params.gridDimZ},
                          {params.blockDimX, params.blockDimY, params.blockDimZ},
                          params.sharedMemBytes,
                          false,
                          {}};
  const CUfunction handle = params.func != nullptr ? params.func : reinterpret_cast<CUfunction>(params.kern);
  KernelWork made;
  const CUresult result = make_launch(context, handle, shape, params.kernelParams, params.extra, &made);
  *work = std::move(made);
  return result;
}

CUresult copy_work(const CUDA_MEMCPY3D& params, Work* work) {
  CopyWork copy;
  const CUresult result = shaped_copy(params, &copy);
  *work = std::move(copy);
  return result;
}

CUresult fill_work(const CUDA_MEMSET_NODE_PARAMS_v2& params, Work* work) {
  FillWork fill;
  const CUresult result = make_fill(params.dst, params.pitch, params.value, params.elementSize, params.width, params.height, &fill);
  *work = fill;
  return result;
}

CUresult host_work(const CUDA_HOST_NODE_PARAMS_v2& params, Work* work) {
  REQUIRE(params.fn != nullptr, CUDA_ERROR_INVALID_VALUE);
  *work = HostWork{params.fn, nullptr, nullptr, params.userData};
  return CUDA_SUCCESS;
}

CUresult event_state(CUevent handle, std::shared_ptr<EventState>* state) {
  const Event* event = events().get(handle);
  REQUIRE(event != nullptr, CUDA_ERROR_INVALID_HANDLE);
  *state = event->state;
  return CUDA_SUCCESS;
}

CUresult record_work(CUevent handle, Work* work) {
  std::shared_ptr<EventState> event;
  if (const CUresult bad = event_state(handle, &event); bad != CUDA_SUCCESS) return bad;
  *work = RecordWork{event, 0, handle};
  return CUDA_SUCCESS;
}

CUresult wait_work(CUevent handle, Work* work) {
  std::shared_ptr<EventState> event;
  if (const CUresult bad = event_state(handle, &event); bad != CUDA_SUCCESS) return bad;
  *work = EventWaitWork{event, handle};
  return CUDA_SUCCESS;
}

CUresult batch_work(const CUDA_BATCH_MEM_OP_NODE_PARAMS_v2& params, Work* work) {
  BatchWork batch;
  const CUresult result = make_batch(params.count, params.paramArray, params.flags, &batch);
  *work = std::move(batch);
  return result;
}

CUresult allocation_work(CUDA_MEM_ALLOC_NODE_PARAMS_v2* params, const Graph* graph, Work* work) {
  const CUmemPoolProps& properties = params->poolProps;
  REQUIRE(properties.allocType == CU_MEM_ALLOCATION_TYPE_PINNED && properties.handleTypes == CU_MEM_HANDLE_TYPE_NONE,
          CUDA_ERROR_INVALID_VALUE);
  REQUIRE(properties.location.type == CU_MEM_LOCATION_TYPE_DEVICE && params->bytesize != 0, CUDA_ERROR_INVALID_VALUE);
  REQUIRE(params->accessDescCount == 0 || params->accessDescs != nullptr, CUDA_ERROR_INVALID_VALUE);
  const Device* device = device_at(properties.location.id);
  REQUIRE(device != nullptr, CUDA_ERROR_INVALID_DEVICE);
  auto memory = make_graph_memory(properties, params->bytesize, device->info->index, graph);
  REQUIRE(memory != nullptr, CUDA_ERROR_OUT_OF_MEMORY);
  memory->access.assign(params->accessDescs, params->accessDescs + params->accessDescCount);
  params->dptr = memory->address;
  *work = AllocWork{std::move(memory)};
  return CUDA_SUCCESS;
}

// An allocation is freed by one graph only, and in that graph once.
CUresult release_work(CUdeviceptr address, const Graph* graph, Work* work) {
  auto memory = find_graph_memory(address);
  REQUIRE(memory != nullptr && memory->freed_by == nullptr, CUDA_ERROR_INVALID_VALUE);
  memory->freed_by = graph;
  *work = FreeWork{std::move(memory)};
  return CUDA_SUCCESS;
}

// --- Work to parameters
// -------------------------------------------------------------------------------------------------------------------

void store_kernel(GraphNode* node, CUDA_KERNEL_NODE_PARAMS_v3* params) {
  auto& work = std::get<KernelWork>(node->work);
  node->param_pointers.clear();
  for (const exec::Param& param : work.kernel->info().params) node->param_pointers.push_back(work.params.data() + param.offset);
  params->func = work.function;
  params->gridDimX = work.grid[0];
  params->gridDimY = work.grid[1];
  params->gridDimZ = work.grid[2];
  params->blockDimX = work.block[0];
  params->blockDimY = work.block[1];
  params->blockDimZ = work.block[2];
  params->sharedMemBytes = work.dynamic_shared;
  params->kernelParams = node->param_pointers.data();
  params->ctx = node->context;
}

void store_batch(GraphNode* node, CUDA_BATCH_MEM_OP_NODE_PARAMS_v2* params) {
  auto& work = std::get<BatchWork>(node->work);
  *params = {node->context, static_cast<unsigned>(work.asked.size()), work.asked.data(), work.flags};
}

void store_allocation(const GraphNode& node, CUDA_MEM_ALLOC_NODE_PARAMS_v2* params) {
  const GraphMemory& memory = *std::get<AllocWork>(node.work).memory;
  params->poolProps = memory.properties;
  params->accessDescs = memory.access.empty() ? nullptr : memory.access.data();
  params->accessDescCount = memory.access.size();
  params->bytesize = memory.size;
  params->dptr = memory.address;
}

void store_conditional(GraphNode* node, CUDA_CONDITIONAL_NODE_PARAMS* params) {
  params->handle = reinterpret_cast<CUgraphConditionalHandle>(node->condition.get());
  params->type = node->condition_type;
  params->size = static_cast<unsigned>(node->children.size());
  params->phGraph_out = node->child_handles.data();
  params->ctx = node->context;
}

// --- Attributes
// ---------------------------------------------------------------------------------------------------------------------------

CUresult set_cluster(const std::array<uint32_t, 3>& cluster, KernelWork* kernel) {
  uint64_t blocks = 1;
  for (size_t i = 0; i < cluster.size(); i++) {
    REQUIRE(cluster[i] != 0 && kernel->grid[i] % cluster[i] == 0, CUDA_ERROR_INVALID_CLUSTER_SIZE);
    blocks *= cluster[i];
  }
  REQUIRE(blocks <= exec::kMaxCluster, CUDA_ERROR_INVALID_CLUSTER_SIZE);
  REQUIRE(blocks == 1 || !kernel->cooperative, CUDA_ERROR_NOT_SUPPORTED);
  std::copy(cluster.begin(), cluster.end(), kernel->cluster);
  return CUDA_SUCCESS;
}

}  // namespace

CUresult work_from(CUgraphNodeParams* params, const Graph* graph, Work* work) {
  switch (params->type) {
    case CU_GRAPH_NODE_TYPE_KERNEL:
      return kernel_work(params->kernel, work);
    case CU_GRAPH_NODE_TYPE_MEMCPY:
      return copy_work(params->memcpy.copyParams, work);
    case CU_GRAPH_NODE_TYPE_MEMSET:
      return fill_work(params->memset, work);
    case CU_GRAPH_NODE_TYPE_HOST:
      return host_work(params->host, work);
    case CU_GRAPH_NODE_TYPE_EMPTY:
      return CUDA_SUCCESS;
    case CU_GRAPH_NODE_TYPE_EVENT_RECORD:
      return record_work(params->eventRecord.event, work);
    case CU_GRAPH_NODE_TYPE_WAIT_EVENT:
      return wait_work(params->eventWait.event, work);
    case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP:
      return batch_work(params->memOp, work);
    case CU_GRAPH_NODE_TYPE_MEM_ALLOC:
      return allocation_work(&params->alloc, graph, work);
    case CU_GRAPH_NODE_TYPE_MEM_FREE:
      return release_work(params->free.dptr, graph, work);
    default:
      return CUDA_ERROR_NOT_SUPPORTED;
  }
}

CUcontext context_in(const CUgraphNodeParams& params) {
  switch (params.type) {
    case CU_GRAPH_NODE_TYPE_KERNEL:
      return params.kernel.ctx;
    case CU_GRAPH_NODE_TYPE_MEMCPY:
      return params.memcpy.copyCtx;
    case CU_GRAPH_NODE_TYPE_MEMSET:
      return params.memset.ctx;
    case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP:
      return params.memOp.ctx;
    case CU_GRAPH_NODE_TYPE_CONDITIONAL:
      return params.conditional.ctx;
    default:
      return nullptr;
  }
}

CUresult params_of(GraphNode* node, CUgraphNodeParams* params) {
  memset(params, 0, sizeof *params);
  params->type = node->type;
  if (std::holds_alternative<KernelWork>(node->work)) store_kernel(node, &params->kernel);
  if (const auto* copy = std::get_if<CopyWork>(&node->work)) params->memcpy = {0, 0, node->context, copy->asked};
  if (const auto* fill = std::get_if<FillWork>(&node->work)) {
    params->memset = {fill->dst, fill->pitch, fill->value, fill->element_size, fill->width, fill->height, node->context};
  }
  if (const auto* host = std::get_if<HostWork>(&node->work)) {
    params->host.fn = host->function;
    params->host.userData = host->data;
  }
  if (const auto* record = std::get_if<RecordWork>(&node->work)) params->eventRecord.event = record->handle;
  if (const auto* wait = std::get_if<EventWaitWork>(&node->work)) params->eventWait.event = wait->handle;
  if (std::holds_alternative<BatchWork>(node->work)) store_batch(node, &params->memOp);
  if (std::holds_alternative<AllocWork>(node->work)) store_allocation(*node, &params->alloc);
  if (const auto* release = std::get_if<FreeWork>(&node->work)) params->free.dptr = release->memory->address;
  if (node->type == CU_GRAPH_NODE_TYPE_CONDITIONAL) store_conditional(node, &params->conditional);
  if (node->type == CU_GRAPH_NODE_TYPE_GRAPH) params->graph = {node->children.front()->handle(), CU_GRAPH_CHILD_GRAPH_OWNERSHIP_INVALID};
  return CUDA_SUCCESS;
}

CUresult apply_attributes(const GraphNode& node, Work* work) {
  auto* kernel = std::get_if<KernelWork>(work);
  if (kernel == nullptr) return CUDA_SUCCESS;
  const auto cooperative = node.attributes.find(CU_LAUNCH_ATTRIBUTE_COOPERATIVE);
  if (cooperative != node.attributes.end()) kernel->cooperative = cooperative->second.cooperative != 0;
  const auto cluster = node.attributes.find(CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION);
  if (cluster == node.attributes.end()) return CUDA_SUCCESS;
  const auto& asked = cluster->second.clusterDim;
  return set_cluster({asked.x, asked.y, asked.z}, kernel);
}

}  // namespace simgpu
