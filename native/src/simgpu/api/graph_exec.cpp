// Executable graphs: instantiating, launching, updating.
#include "simgpu/graph_handles.h"

using namespace simgpu;

namespace {

constexpr unsigned long long kKnownFlags = CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH | CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD |
                                           CUDA_GRAPH_INSTANTIATE_FLAG_DEVICE_LAUNCH | CUDA_GRAPH_INSTANTIATE_FLAG_USE_NODE_PRIORITY;

bool already_instantiated(const Executable& fresh) {
  if (fresh.memory.allocated.empty() && fresh.conditions.empty()) return false;
  for (const GraphExec* exec : graph_execs().all()) {
    const Executable& other = *exec->executable;
    if (!fresh.memory.allocated.empty() && fresh.memory.allocated == other.memory.allocated) return true;
    if (!fresh.conditions.empty() && fresh.conditions == other.conditions) return true;
  }
  return false;
}

CUresult instantiate(CUgraphExec* out, CUgraph handle, unsigned long long flags, InstantiateFailure* failure) {
  GRAPH(graph, handle);
  failure->result = CUDA_GRAPH_INSTANTIATE_ERROR;
  REQUIRE(out != nullptr && (flags & ~kKnownFlags) == 0 && !graph->owned, CUDA_ERROR_INVALID_VALUE);
  REQUIRE((flags & CUDA_GRAPH_INSTANTIATE_FLAG_DEVICE_LAUNCH) == 0, CUDA_ERROR_NOT_SUPPORTED);
  auto executable = make_executable(*graph, flags, failure);
  REQUIRE(executable != nullptr, failure->result == CUDA_GRAPH_INSTANTIATE_ERROR ? CUDA_ERROR_NOT_SUPPORTED : CUDA_ERROR_INVALID_VALUE);
  REQUIRE(!already_instantiated(*executable), CUDA_ERROR_NOT_SUPPORTED);
  GraphExec* exec = graph_execs().make(std::move(executable));
  REQUIRE(exec != nullptr, CUDA_ERROR_OUT_OF_MEMORY);
  failure->result = CUDA_GRAPH_INSTANTIATE_SUCCESS;
  *out = reinterpret_cast<CUgraphExec>(exec);
  return CUDA_SUCCESS;
}

CUresult place_in(CUgraphExec exec_handle, CUgraphNode handle, Executable::Node** place) {
  GRAPH_EXEC(exec, exec_handle);
  NODE(node, handle);
  *place = find_node(writable(exec), *node);
  return *place != nullptr ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

// Nodes that can be switched off.
bool optional(CUgraphNodeType type) {
  return type == CU_GRAPH_NODE_TYPE_KERNEL || type == CU_GRAPH_NODE_TYPE_MEMSET || type == CU_GRAPH_NODE_TYPE_MEMCPY;
}

}  // namespace

extern "C" {

CUresult cuGraphInstantiateWithFlags(CUgraphExec* out, CUgraph graph, unsigned long long flags) {
  InstantiateFailure failure;
  return instantiate(out, graph, flags, &failure);
}

CUresult cuGraphInstantiateWithParams(CUgraphExec* out, CUgraph graph, CUDA_GRAPH_INSTANTIATE_PARAMS* params) {
  REQUIRE(params != nullptr, CUDA_ERROR_INVALID_VALUE);
  InstantiateFailure failure;
  const CUresult result = instantiate(out, graph, params->flags, &failure);
  params->hErrNode_out = failure.node;
  params->result_out = failure.result;
  if (result != CUDA_SUCCESS || (params->flags & CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD) == 0) return result;
  return cuGraphUpload(*out, params->hUploadStream);
}

CUresult cuGraphInstantiate_v2(CUgraphExec* out, CUgraph graph, CUgraphNode* bad_node, char* log, size_t log_size) {
  InstantiateFailure failure;
  const CUresult result = instantiate(out, graph, 0, &failure);
  if (bad_node != nullptr) *bad_node = failure.node;
  if (log != nullptr && log_size != 0) *log = '\0';
  return result;
}

CUresult cuGraphInstantiate(CUgraphExec* out, CUgraph graph, CUgraphNode* bad_node, char* log, size_t log_size) {
  return cuGraphInstantiate_v2(out, graph, bad_node, log, log_size);
}

CUresult cuGraphExecDestroy(CUgraphExec handle) {
  GRAPH_EXEC(exec, handle);
  graph_execs().destroy(exec);  // launches under way hold what they need
  return CUDA_SUCCESS;
}

CUresult cuGraphExecGetFlags(CUgraphExec handle, cuuint64_t* flags) {
  GRAPH_EXEC(exec, handle);
  REQUIRE(flags != nullptr, CUDA_ERROR_INVALID_VALUE);
  *flags = exec->executable->flags;
  return CUDA_SUCCESS;
}

CUresult cuGraphExecGetId(CUgraphExec handle, unsigned int* id) {
  GRAPH_EXEC(exec, handle);
  REQUIRE(id != nullptr, CUDA_ERROR_INVALID_VALUE);
  *id = exec->executable->id;
  return CUDA_SUCCESS;
}

CUresult cuGraphUpload(CUgraphExec handle, CUstream stream) {
  ENTER(context);
  REQUIRE(graph_execs().get(handle) != nullptr, CUDA_ERROR_INVALID_VALUE);
  return enqueue(context, stream, Work{}, Urgency::kHere);
}

CUresult cuGraphLaunch(CUgraphExec handle, CUstream stream) {
  ENTER(context);
  GRAPH_EXEC(exec, handle);
  StreamCore* core = nullptr;
  if (const CUresult bad = resolve_stream(context, stream, &core); bad != CUDA_SUCCESS) return bad;
  Executable& executable = *exec->executable;
  if (!core->capturing.load(std::memory_order_acquire)) {
    const bool auto_free = (executable.flags & CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH) != 0;
    if (const CUresult bad = begin_launch(executable.memory, auto_free); bad != CUDA_SUCCESS) return bad;
  }
  return enqueue(context, stream, GraphWork{exec->executable, 0}, Urgency::kQueue);
}

CUresult cuGraphExecUpdate_v2(CUgraphExec handle, CUgraph graph_handle, CUgraphExecUpdateResultInfo* info) {
  GRAPH_EXEC(exec, handle);
  GRAPH(graph, graph_handle);
  REQUIRE(info != nullptr, CUDA_ERROR_INVALID_VALUE);
  *info = {CU_GRAPH_EXEC_UPDATE_ERROR, nullptr, nullptr};
  REQUIRE(!graph->owned, CUDA_ERROR_INVALID_VALUE);
  return update_executable(writable(exec), *graph, info);
}

CUresult cuGraphExecUpdate(CUgraphExec exec, CUgraph graph, CUgraphNode* bad_node, CUgraphExecUpdateResult* result) {
  CUgraphExecUpdateResultInfo info{};
  const CUresult outcome = cuGraphExecUpdate_v2(exec, graph, &info);
  if (bad_node != nullptr) *bad_node = info.errorNode;
  if (result != nullptr) *result = info.result;
  return outcome;
}

CUresult cuGraphNodeSetEnabled(CUgraphExec exec, CUgraphNode node, unsigned int enabled) {
  Executable::Node* place = nullptr;
  if (const CUresult bad = place_in(exec, node, &place); bad != CUDA_SUCCESS) return bad;
  REQUIRE(optional(place->type), CUDA_ERROR_INVALID_VALUE);
  place->enabled = enabled != 0;
  return CUDA_SUCCESS;
}

CUresult cuGraphNodeGetEnabled(CUgraphExec exec, CUgraphNode node, unsigned int* enabled) {
  Executable::Node* place = nullptr;
  if (const CUresult bad = place_in(exec, node, &place); bad != CUDA_SUCCESS) return bad;
  REQUIRE(enabled != nullptr && optional(place->type), CUDA_ERROR_INVALID_VALUE);
  *enabled = place->enabled;
  return CUDA_SUCCESS;
}

}  // extern "C"
