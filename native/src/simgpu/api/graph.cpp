// Graphs: building, looking at, instantiating, launching and updating them.
#include "simgpu/graph.h"

#include <algorithm>
#include <cstring>

#include "simgpu/context.h"
#include "simgpu/copy.h"
#include "simgpu/launch.h"

using namespace simgpu;

namespace {

#define GRAPH(graph, handle)           \
  REQUIRE_INITIALIZED();               \
  Graph* graph = graphs().get(handle); \
  REQUIRE(graph != nullptr, CUDA_ERROR_INVALID_VALUE)

#define NODE(node, handle)                     \
  REQUIRE_INITIALIZED();                       \
  GraphNode* node = graph_nodes().get(handle); \
  REQUIRE(node != nullptr, CUDA_ERROR_INVALID_VALUE)

CUresult nodes_from(Graph* graph, const CUgraphNode* handles, size_t count, std::vector<GraphNode*>* nodes) {
  REQUIRE(count == 0 || handles != nullptr, CUDA_ERROR_INVALID_VALUE);
  for (size_t i = 0; i < count; i++) {
    GraphNode* node = graph_nodes().get(handles[i]);
    REQUIRE(node != nullptr && node->graph == graph, CUDA_ERROR_INVALID_VALUE);
    nodes->push_back(node);
  }
  return CUDA_SUCCESS;
}

CUresult add(CUgraphNode* out, CUgraph graph_handle, const CUgraphNode* before, size_t count, CUgraphNodeType type, Work work) {
  GRAPH(graph, graph_handle);
  REQUIRE(out != nullptr, CUDA_ERROR_INVALID_VALUE);
  std::vector<GraphNode*> after;
  if (const CUresult bad = nodes_from(graph, before, count, &after); bad != CUDA_SUCCESS) return bad;
  GraphNode* node = add_node(graph, type, std::move(work), std::move(after));
  REQUIRE(node != nullptr, CUDA_ERROR_OUT_OF_MEMORY);
  *out = node->handle();
  return CUDA_SUCCESS;
}

// --- Parameters of each kind <-> work ---------------------------------------------------------------------------------------------------

template <typename Params>
CUresult kernel_work(CUfunction function, const Params& params, Context* context, Work* work) {
  const LaunchShape shape{{params.gridDimX, params.gridDimY, params.gridDimZ},
                          {params.blockDimX, params.blockDimY, params.blockDimZ},
                          params.sharedMemBytes,
                          false};
  KernelWork made;
  const CUresult result = make_launch(context, function, shape, params.kernelParams, params.extra, &made);
  *work = std::move(made);
  return result;
}

template <typename Params>
CUfunction function_in(const Params& params) {
  return params.func != nullptr ? params.func : reinterpret_cast<CUfunction>(params.kern);
}

CUresult copy_work(const CUDA_MEMCPY3D* params, Work* work) {
  REQUIRE(params != nullptr, CUDA_ERROR_INVALID_VALUE);
  CopyWork copy;
  const CUresult result = shaped_copy(*params, &copy);
  *work = std::move(copy);
  return result;
}

template <typename Params>
CUresult fill_work(const Params& params, Work* work) {
  FillWork fill;
  const CUresult result = make_fill(params.dst, params.pitch, params.value, params.elementSize, params.width, params.height, &fill);
  *work = fill;
  return result;
}

CUresult host_work(CUhostFn function, void* data, Work* work) {
  REQUIRE(function != nullptr, CUDA_ERROR_INVALID_VALUE);
  *work = HostWork{function, nullptr, nullptr, data};
  return CUDA_SUCCESS;
}

CUresult event_state(CUevent handle, std::shared_ptr<EventState>* state) {
  const Event* event = events().get(handle);
  REQUIRE(event != nullptr, CUDA_ERROR_INVALID_HANDLE);
  *state = event->state;
  return CUDA_SUCCESS;
}

// Pointers into the node's own packed parameters; they live as long as the node does not change.
template <typename Params>
CUresult store_kernel(GraphNode* node, Params* params) {
  auto* kernel = std::get_if<KernelWork>(&node->work);
  REQUIRE(kernel != nullptr && params != nullptr, CUDA_ERROR_INVALID_VALUE);
  KernelWork& work = *kernel;
  std::vector<void*>& pointers = node->param_pointers;
  pointers.clear();
  for (const exec::Param& param : work.kernel->info().params) pointers.push_back(work.params.data() + param.offset);
  memset(params, 0, sizeof *params);
  params->func = work.function;
  params->gridDimX = work.grid[0];
  params->gridDimY = work.grid[1];
  params->gridDimZ = work.grid[2];
  params->blockDimX = work.block[0];
  params->blockDimY = work.block[1];
  params->blockDimZ = work.block[2];
  params->sharedMemBytes = work.dynamic_shared;
  params->kernelParams = pointers.data();
  return CUDA_SUCCESS;
}

CUresult child_of(CUgraph handle, Graph** child) {
  GRAPH(graph, handle);
  *child = clone_graph(*graph);
  REQUIRE(*child != nullptr, CUDA_ERROR_OUT_OF_MEMORY);
  (*child)->is_child = true;
  return CUDA_SUCCESS;
}

// The work of cuGraphAddNode's union, by kind.
CUresult work_of(const CUgraphNodeParams& params, Context* context, Work* work) {
  std::shared_ptr<EventState> event;
  switch (params.type) {
    case CU_GRAPH_NODE_TYPE_KERNEL:
      return kernel_work(function_in(params.kernel), params.kernel, context, work);
    case CU_GRAPH_NODE_TYPE_MEMCPY:
      return copy_work(&params.memcpy.copyParams, work);
    case CU_GRAPH_NODE_TYPE_MEMSET:
      return fill_work(params.memset, work);
    case CU_GRAPH_NODE_TYPE_HOST:
      return host_work(params.host.fn, params.host.userData, work);
    case CU_GRAPH_NODE_TYPE_EMPTY:
      return CUDA_SUCCESS;
    case CU_GRAPH_NODE_TYPE_EVENT_RECORD:
      if (const CUresult bad = event_state(params.eventRecord.event, &event); bad != CUDA_SUCCESS) return bad;
      *work = RecordWork{event, 0};
      return CUDA_SUCCESS;
    case CU_GRAPH_NODE_TYPE_WAIT_EVENT:
      if (const CUresult bad = event_state(params.eventWait.event, &event); bad != CUDA_SUCCESS) return bad;
      *work = EventWaitWork{event};
      return CUDA_SUCCESS;
    default:
      return CUDA_ERROR_NOT_SUPPORTED;
  }
}

// --- Lists ------------------------------------------------------------------------------------------------------------------------------

// The protocol of all list queries: a null list asks for the count; a longer list is filled up with nulls.
CUresult store_nodes(const std::vector<GraphNode*>& found, CUgraphNode* out, size_t* count) {
  REQUIRE(count != nullptr, CUDA_ERROR_INVALID_VALUE);
  if (out != nullptr) {
    for (size_t i = 0; i < *count; i++) out[i] = i < found.size() ? found[i]->handle() : nullptr;
    *count = std::min(*count, found.size());
  } else {
    *count = found.size();
  }
  return CUDA_SUCCESS;
}

CUresult change_edges(CUgraph handle, const CUgraphNode* from, const CUgraphNode* to, size_t count, bool adding) {
  GRAPH(graph, handle);
  std::vector<GraphNode*> sources, targets;
  if (const CUresult bad = nodes_from(graph, from, count, &sources); bad != CUDA_SUCCESS) return bad;
  if (const CUresult bad = nodes_from(graph, to, count, &targets); bad != CUDA_SUCCESS) return bad;
  for (size_t i = 0; i < count; i++) {
    auto& after = targets[i]->after;
    const bool there = std::find(after.begin(), after.end(), sources[i]) != after.end();
    REQUIRE(there != adding, CUDA_ERROR_INVALID_VALUE);
    if (adding) {
      after.push_back(sources[i]);
    } else {
      std::erase(after, sources[i]);
    }
  }
  return CUDA_SUCCESS;
}

std::vector<GraphNode*> dependents(const GraphNode& node) {
  std::vector<GraphNode*> found;
  for (GraphNode* other : node.graph->nodes) {
    if (std::find(other->after.begin(), other->after.end(), &node) != other->after.end()) found.push_back(other);
  }
  return found;
}

// --- Executable graphs ------------------------------------------------------------------------------------------------------------------

CUresult instantiate_graph(CUgraphExec* out, CUgraph handle, unsigned long long flags) {
  GRAPH(graph, handle);
  REQUIRE(out != nullptr, CUDA_ERROR_INVALID_VALUE);
  auto executable = std::make_shared<Executable>();
  REQUIRE(flatten(*graph, &executable->nodes), CUDA_ERROR_INVALID_VALUE);
  executable->flags = flags;
  GraphExec* exec = graph_execs().make(std::move(executable));
  REQUIRE(exec != nullptr, CUDA_ERROR_OUT_OF_MEMORY);
  *out = reinterpret_cast<CUgraphExec>(exec);
  return CUDA_SUCCESS;
}

CUresult exec_from(CUgraphExec handle, std::shared_ptr<Executable>* executable) {
  REQUIRE_INITIALIZED();
  const GraphExec* exec = graph_execs().get(handle);
  REQUIRE(exec != nullptr, CUDA_ERROR_INVALID_VALUE);
  *executable = exec->executable;
  return CUDA_SUCCESS;
}

// Replaces the work of one node in an executable graph; its kind must stay.
CUresult replace(CUgraphExec handle, CUgraphNode node, Work work) {
  std::shared_ptr<Executable> executable;
  if (const CUresult bad = exec_from(handle, &executable); bad != CUDA_SUCCESS) return bad;
  std::lock_guard<std::mutex> guard(executable->lock);
  for (auto& each : executable->nodes) {
    if (each.origin != graph_nodes().get(node) || each.origin == nullptr) continue;
    REQUIRE(each.work.index() == work.index(), CUDA_ERROR_INVALID_VALUE);
    each.work = std::move(work);
    return CUDA_SUCCESS;
  }
  return CUDA_ERROR_INVALID_VALUE;
}

CUresult set_node(CUgraphNode handle, Work work) {
  NODE(node, handle);
  REQUIRE(node->work.index() == work.index(), CUDA_ERROR_INVALID_VALUE);
  node->work = std::move(work);
  return CUDA_SUCCESS;
}

// An update keeps the shape: same kinds of nodes in the same order, and the same dependencies between them.
CUresult update(Executable* executable, const Graph& graph, CUgraphExecUpdateResultInfo* info) {
  std::vector<Executable::Node> fresh;
  REQUIRE(flatten(graph, &fresh), CUDA_ERROR_INVALID_VALUE);
  std::lock_guard<std::mutex> guard(executable->lock);
  bool same = fresh.size() == executable->nodes.size();
  info->result = same ? CU_GRAPH_EXEC_UPDATE_SUCCESS : CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED;
  for (size_t i = 0; same && i < fresh.size(); i++) {
    if (fresh[i].type == executable->nodes[i].type) continue;
    same = false;
    info->result = CU_GRAPH_EXEC_UPDATE_ERROR_NODE_TYPE_CHANGED;
    info->errorNode = const_cast<GraphNode*>(fresh[i].origin)->handle();
  }
  REQUIRE(same, CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE);
  for (size_t i = 0; i < fresh.size(); i++) executable->nodes[i].work = std::move(fresh[i].work);
  return CUDA_SUCCESS;
}

}  // namespace

extern "C" {

CUresult cuGraphCreate(CUgraph* out, unsigned int flags) {
  REQUIRE_INITIALIZED();
  REQUIRE(out != nullptr && flags == 0, CUDA_ERROR_INVALID_VALUE);
  Graph* graph = graphs().make();
  REQUIRE(graph != nullptr, CUDA_ERROR_OUT_OF_MEMORY);
  *out = graph->handle();
  return CUDA_SUCCESS;
}

CUresult cuGraphDestroy(CUgraph handle) {
  GRAPH(graph, handle);
  REQUIRE(!graph->is_child, CUDA_ERROR_INVALID_VALUE);
  destroy_graph(graph);
  return CUDA_SUCCESS;
}

CUresult cuGraphClone(CUgraph* out, CUgraph handle) {
  GRAPH(graph, handle);
  REQUIRE(out != nullptr, CUDA_ERROR_INVALID_VALUE);
  Graph* copy = clone_graph(*graph);
  REQUIRE(copy != nullptr, CUDA_ERROR_OUT_OF_MEMORY);
  *out = copy->handle();
  return CUDA_SUCCESS;
}

CUresult cuGraphNodeFindInClone(CUgraphNode* out, CUgraphNode original, CUgraph clone) {
  GRAPH(graph, clone);
  NODE(node, original);
  for (GraphNode* each : graph->nodes) {
    if (each->original != node) continue;
    *out = each->handle();
    return CUDA_SUCCESS;
  }
  return CUDA_ERROR_INVALID_VALUE;
}

// --- Adding nodes -----------------------------------------------------------------------------------------------------------------------

CUresult cuGraphAddKernelNode_v2(CUgraphNode* out, CUgraph graph, const CUgraphNode* before, size_t count,
                                 const CUDA_KERNEL_NODE_PARAMS* params) {
  ENTER(context);
  REQUIRE(params != nullptr, CUDA_ERROR_INVALID_VALUE);
  Work work;
  if (const CUresult bad = kernel_work(function_in(*params), *params, context, &work); bad != CUDA_SUCCESS) return bad;
  return add(out, graph, before, count, CU_GRAPH_NODE_TYPE_KERNEL, std::move(work));
}

CUresult cuGraphAddKernelNode(CUgraphNode* out, CUgraph graph, const CUgraphNode* before, size_t count,
                              const CUDA_KERNEL_NODE_PARAMS_v1* params) {
  ENTER(context);
  REQUIRE(params != nullptr, CUDA_ERROR_INVALID_VALUE);
  Work work;
  if (const CUresult bad = kernel_work(params->func, *params, context, &work); bad != CUDA_SUCCESS) return bad;
  return add(out, graph, before, count, CU_GRAPH_NODE_TYPE_KERNEL, std::move(work));
}

CUresult cuGraphAddMemcpyNode(CUgraphNode* out, CUgraph graph, const CUgraphNode* before, size_t count, const CUDA_MEMCPY3D* params,
                              CUcontext) {
  Work work;
  if (const CUresult bad = copy_work(params, &work); bad != CUDA_SUCCESS) return bad;
  return add(out, graph, before, count, CU_GRAPH_NODE_TYPE_MEMCPY, std::move(work));
}

CUresult cuGraphAddMemsetNode(CUgraphNode* out, CUgraph graph, const CUgraphNode* before, size_t count,
                              const CUDA_MEMSET_NODE_PARAMS* params, CUcontext) {
  REQUIRE(params != nullptr, CUDA_ERROR_INVALID_VALUE);
  Work work;
  if (const CUresult bad = fill_work(*params, &work); bad != CUDA_SUCCESS) return bad;
  return add(out, graph, before, count, CU_GRAPH_NODE_TYPE_MEMSET, std::move(work));
}

CUresult cuGraphAddHostNode(CUgraphNode* out, CUgraph graph, const CUgraphNode* before, size_t count, const CUDA_HOST_NODE_PARAMS* params) {
  REQUIRE(params != nullptr, CUDA_ERROR_INVALID_VALUE);
  Work work;
  if (const CUresult bad = host_work(params->fn, params->userData, &work); bad != CUDA_SUCCESS) return bad;
  return add(out, graph, before, count, CU_GRAPH_NODE_TYPE_HOST, std::move(work));
}

CUresult cuGraphAddEmptyNode(CUgraphNode* out, CUgraph graph, const CUgraphNode* before, size_t count) {
  return add(out, graph, before, count, CU_GRAPH_NODE_TYPE_EMPTY, Work{});
}

CUresult cuGraphAddEventRecordNode(CUgraphNode* out, CUgraph graph, const CUgraphNode* before, size_t count, CUevent event) {
  std::shared_ptr<EventState> state;
  if (const CUresult bad = event_state(event, &state); bad != CUDA_SUCCESS) return bad;
  return add(out, graph, before, count, CU_GRAPH_NODE_TYPE_EVENT_RECORD, RecordWork{state, 0});
}

CUresult cuGraphAddEventWaitNode(CUgraphNode* out, CUgraph graph, const CUgraphNode* before, size_t count, CUevent event) {
  std::shared_ptr<EventState> state;
  if (const CUresult bad = event_state(event, &state); bad != CUDA_SUCCESS) return bad;
  return add(out, graph, before, count, CU_GRAPH_NODE_TYPE_WAIT_EVENT, EventWaitWork{state});
}

CUresult cuGraphAddChildGraphNode(CUgraphNode* out, CUgraph graph, const CUgraphNode* before, size_t count, CUgraph child_handle) {
  Graph* child = nullptr;
  if (const CUresult bad = child_of(child_handle, &child); bad != CUDA_SUCCESS) return bad;
  const CUresult result = add(out, graph, before, count, CU_GRAPH_NODE_TYPE_GRAPH, Work{});
  if (result == CUDA_SUCCESS) {
    graph_nodes().get(*out)->child = child;
  } else {
    destroy_graph(child);
  }
  return result;
}

CUresult cuGraphAddNode_v2(CUgraphNode* out, CUgraph graph, const CUgraphNode* before, const CUgraphEdgeData*, size_t count,
                           CUgraphNodeParams* params) {
  ENTER(context);
  REQUIRE(params != nullptr, CUDA_ERROR_INVALID_VALUE);
  if (params->type == CU_GRAPH_NODE_TYPE_GRAPH) return cuGraphAddChildGraphNode(out, graph, before, count, params->graph.graph);
  Work work;
  if (const CUresult bad = work_of(*params, context, &work); bad != CUDA_SUCCESS) return bad;
  return add(out, graph, before, count, params->type, std::move(work));
}

CUresult cuGraphAddNode(CUgraphNode* out, CUgraph graph, const CUgraphNode* before, size_t count, CUgraphNodeParams* params) {
  return cuGraphAddNode_v2(out, graph, before, nullptr, count, params);
}

CUresult cuGraphDestroyNode(CUgraphNode handle) {
  NODE(node, handle);
  destroy_node(node);
  return CUDA_SUCCESS;
}

// --- Looking at nodes -------------------------------------------------------------------------------------------------------------------

CUresult cuGraphNodeGetType(CUgraphNode handle, CUgraphNodeType* type) {
  NODE(node, handle);
  REQUIRE(type != nullptr, CUDA_ERROR_INVALID_VALUE);
  *type = node->type;
  return CUDA_SUCCESS;
}

CUresult cuGraphKernelNodeGetParams_v2(CUgraphNode handle, CUDA_KERNEL_NODE_PARAMS* params) {
  NODE(node, handle);
  return store_kernel(node, params);
}

CUresult cuGraphKernelNodeGetParams(CUgraphNode handle, CUDA_KERNEL_NODE_PARAMS_v1* params) {
  NODE(node, handle);
  return store_kernel(node, params);
}

CUresult cuGraphMemcpyNodeGetParams(CUgraphNode handle, CUDA_MEMCPY3D* params) {
  NODE(node, handle);
  const auto* work = std::get_if<CopyWork>(&node->work);
  REQUIRE(work != nullptr && params != nullptr, CUDA_ERROR_INVALID_VALUE);
  *params = work->asked;
  return CUDA_SUCCESS;
}

CUresult cuGraphMemsetNodeGetParams(CUgraphNode handle, CUDA_MEMSET_NODE_PARAMS* params) {
  NODE(node, handle);
  const auto* work = std::get_if<FillWork>(&node->work);
  REQUIRE(work != nullptr && params != nullptr, CUDA_ERROR_INVALID_VALUE);
  *params = {work->dst, work->pitch, work->value, work->element_size, work->width, work->height};
  return CUDA_SUCCESS;
}

CUresult cuGraphHostNodeGetParams(CUgraphNode handle, CUDA_HOST_NODE_PARAMS* params) {
  NODE(node, handle);
  const auto* work = std::get_if<HostWork>(&node->work);
  REQUIRE(work != nullptr && params != nullptr, CUDA_ERROR_INVALID_VALUE);
  *params = {work->function, work->data};
  return CUDA_SUCCESS;
}

CUresult cuGraphChildGraphNodeGetGraph(CUgraphNode handle, CUgraph* graph) {
  NODE(node, handle);
  REQUIRE(node->child != nullptr && graph != nullptr, CUDA_ERROR_INVALID_VALUE);
  *graph = node->child->handle();
  return CUDA_SUCCESS;
}

CUresult cuGraphNodeGetContainingGraph(CUgraphNode handle, CUgraph* graph) {
  NODE(node, handle);
  REQUIRE(graph != nullptr, CUDA_ERROR_INVALID_VALUE);
  *graph = node->graph->handle();
  return CUDA_SUCCESS;
}

CUresult cuGraphGetNodes(CUgraph handle, CUgraphNode* out, size_t* count) {
  GRAPH(graph, handle);
  return store_nodes(graph->nodes, out, count);
}

CUresult cuGraphGetRootNodes(CUgraph handle, CUgraphNode* out, size_t* count) {
  GRAPH(graph, handle);
  std::vector<GraphNode*> roots;
  std::copy_if(graph->nodes.begin(), graph->nodes.end(), std::back_inserter(roots),
               [](const GraphNode* node) { return node->after.empty(); });
  return store_nodes(roots, out, count);
}

CUresult cuGraphGetEdges_v2(CUgraph handle, CUgraphNode* from, CUgraphNode* to, CUgraphEdgeData* data, size_t* count) {
  GRAPH(graph, handle);
  REQUIRE(count != nullptr && (from == nullptr) == (to == nullptr), CUDA_ERROR_INVALID_VALUE);
  std::vector<GraphNode*> sources, targets;
  for (GraphNode* node : graph->nodes) {
    for (GraphNode* before : node->after) {
      sources.push_back(before);
      targets.push_back(node);
    }
  }
  if (data != nullptr) memset(data, 0, *count * sizeof *data);
  size_t copied = *count;
  if (from != nullptr) store_nodes(sources, from, &copied);
  return store_nodes(targets, to, count);
}

CUresult cuGraphGetEdges(CUgraph graph, CUgraphNode* from, CUgraphNode* to, size_t* count) {
  return cuGraphGetEdges_v2(graph, from, to, nullptr, count);
}

CUresult cuGraphNodeGetDependencies_v2(CUgraphNode handle, CUgraphNode* out, CUgraphEdgeData* data, size_t* count) {
  NODE(node, handle);
  if (data != nullptr && count != nullptr) memset(data, 0, *count * sizeof *data);
  return store_nodes(node->after, out, count);
}

CUresult cuGraphNodeGetDependencies(CUgraphNode node, CUgraphNode* out, size_t* count) {
  return cuGraphNodeGetDependencies_v2(node, out, nullptr, count);
}

CUresult cuGraphNodeGetDependentNodes_v2(CUgraphNode handle, CUgraphNode* out, CUgraphEdgeData* data, size_t* count) {
  NODE(node, handle);
  if (data != nullptr && count != nullptr) memset(data, 0, *count * sizeof *data);
  return store_nodes(dependents(*node), out, count);
}

CUresult cuGraphNodeGetDependentNodes(CUgraphNode node, CUgraphNode* out, size_t* count) {
  return cuGraphNodeGetDependentNodes_v2(node, out, nullptr, count);
}

CUresult cuGraphAddDependencies_v2(CUgraph graph, const CUgraphNode* from, const CUgraphNode* to, const CUgraphEdgeData*, size_t count) {
  return change_edges(graph, from, to, count, true);
}

CUresult cuGraphAddDependencies(CUgraph graph, const CUgraphNode* from, const CUgraphNode* to, size_t count) {
  return change_edges(graph, from, to, count, true);
}

CUresult cuGraphRemoveDependencies_v2(CUgraph graph, const CUgraphNode* from, const CUgraphNode* to, const CUgraphEdgeData*, size_t count) {
  return change_edges(graph, from, to, count, false);
}

CUresult cuGraphRemoveDependencies(CUgraph graph, const CUgraphNode* from, const CUgraphNode* to, size_t count) {
  return change_edges(graph, from, to, count, false);
}

// --- Changing nodes, in a graph and in an executable one ---------------------------------------------------------------------------------

CUresult cuGraphKernelNodeSetParams_v2(CUgraphNode node, const CUDA_KERNEL_NODE_PARAMS* params) {
  ENTER(context);
  REQUIRE(params != nullptr, CUDA_ERROR_INVALID_VALUE);
  Work work;
  if (const CUresult bad = kernel_work(function_in(*params), *params, context, &work); bad != CUDA_SUCCESS) return bad;
  return set_node(node, std::move(work));
}

CUresult cuGraphMemcpyNodeSetParams(CUgraphNode node, const CUDA_MEMCPY3D* params) {
  Work work;
  if (const CUresult bad = copy_work(params, &work); bad != CUDA_SUCCESS) return bad;
  return set_node(node, std::move(work));
}

CUresult cuGraphMemsetNodeSetParams(CUgraphNode node, const CUDA_MEMSET_NODE_PARAMS* params) {
  REQUIRE(params != nullptr, CUDA_ERROR_INVALID_VALUE);
  Work work;
  if (const CUresult bad = fill_work(*params, &work); bad != CUDA_SUCCESS) return bad;
  return set_node(node, std::move(work));
}

CUresult cuGraphHostNodeSetParams(CUgraphNode node, const CUDA_HOST_NODE_PARAMS* params) {
  REQUIRE(params != nullptr, CUDA_ERROR_INVALID_VALUE);
  Work work;
  if (const CUresult bad = host_work(params->fn, params->userData, &work); bad != CUDA_SUCCESS) return bad;
  return set_node(node, std::move(work));
}

CUresult cuGraphExecKernelNodeSetParams_v2(CUgraphExec exec, CUgraphNode node, const CUDA_KERNEL_NODE_PARAMS* params) {
  ENTER(context);
  REQUIRE(params != nullptr, CUDA_ERROR_INVALID_VALUE);
  Work work;
  if (const CUresult bad = kernel_work(function_in(*params), *params, context, &work); bad != CUDA_SUCCESS) return bad;
  return replace(exec, node, std::move(work));
}

CUresult cuGraphExecMemcpyNodeSetParams(CUgraphExec exec, CUgraphNode node, const CUDA_MEMCPY3D* params, CUcontext) {
  Work work;
  if (const CUresult bad = copy_work(params, &work); bad != CUDA_SUCCESS) return bad;
  return replace(exec, node, std::move(work));
}

CUresult cuGraphExecMemsetNodeSetParams(CUgraphExec exec, CUgraphNode node, const CUDA_MEMSET_NODE_PARAMS* params, CUcontext) {
  REQUIRE(params != nullptr, CUDA_ERROR_INVALID_VALUE);
  Work work;
  if (const CUresult bad = fill_work(*params, &work); bad != CUDA_SUCCESS) return bad;
  return replace(exec, node, std::move(work));
}

CUresult cuGraphExecHostNodeSetParams(CUgraphExec exec, CUgraphNode node, const CUDA_HOST_NODE_PARAMS* params) {
  REQUIRE(params != nullptr, CUDA_ERROR_INVALID_VALUE);
  Work work;
  if (const CUresult bad = host_work(params->fn, params->userData, &work); bad != CUDA_SUCCESS) return bad;
  return replace(exec, node, std::move(work));
}

CUresult cuGraphNodeSetParams(CUgraphNode node, CUgraphNodeParams* params) {
  ENTER(context);
  REQUIRE(params != nullptr, CUDA_ERROR_INVALID_VALUE);
  Work work;
  if (const CUresult bad = work_of(*params, context, &work); bad != CUDA_SUCCESS) return bad;
  return set_node(node, std::move(work));
}

CUresult cuGraphExecNodeSetParams(CUgraphExec exec, CUgraphNode node, CUgraphNodeParams* params) {
  ENTER(context);
  REQUIRE(params != nullptr, CUDA_ERROR_INVALID_VALUE);
  Work work;
  if (const CUresult bad = work_of(*params, context, &work); bad != CUDA_SUCCESS) return bad;
  return replace(exec, node, std::move(work));
}

CUresult cuGraphNodeSetEnabled(CUgraphExec handle, CUgraphNode node, unsigned int enabled) {
  std::shared_ptr<Executable> executable;
  if (const CUresult bad = exec_from(handle, &executable); bad != CUDA_SUCCESS) return bad;
  std::lock_guard<std::mutex> guard(executable->lock);
  for (auto& each : executable->nodes) {
    if (each.origin != graph_nodes().get(node)) continue;
    each.enabled = enabled != 0;
    return CUDA_SUCCESS;
  }
  return CUDA_ERROR_INVALID_VALUE;
}

CUresult cuGraphNodeGetEnabled(CUgraphExec handle, CUgraphNode node, unsigned int* enabled) {
  std::shared_ptr<Executable> executable;
  if (const CUresult bad = exec_from(handle, &executable); bad != CUDA_SUCCESS) return bad;
  REQUIRE(enabled != nullptr, CUDA_ERROR_INVALID_VALUE);
  std::lock_guard<std::mutex> guard(executable->lock);
  for (const auto& each : executable->nodes) {
    if (each.origin != graph_nodes().get(node)) continue;
    *enabled = each.enabled;
    return CUDA_SUCCESS;
  }
  return CUDA_ERROR_INVALID_VALUE;
}

// --- Executable graphs ------------------------------------------------------------------------------------------------------------------

CUresult cuGraphInstantiateWithFlags(CUgraphExec* out, CUgraph graph, unsigned long long flags) {
  REQUIRE((flags & CUDA_GRAPH_INSTANTIATE_FLAG_DEVICE_LAUNCH) == 0, CUDA_ERROR_NOT_SUPPORTED);
  return instantiate_graph(out, graph, flags);
}

CUresult cuGraphInstantiateWithParams(CUgraphExec* out, CUgraph graph, CUDA_GRAPH_INSTANTIATE_PARAMS* params) {
  REQUIRE(params != nullptr, CUDA_ERROR_INVALID_VALUE);
  params->hErrNode_out = nullptr;
  const CUresult result = cuGraphInstantiateWithFlags(out, graph, params->flags);
  params->result_out = result == CUDA_SUCCESS ? CUDA_GRAPH_INSTANTIATE_SUCCESS : CUDA_GRAPH_INSTANTIATE_ERROR;
  return result;
}

CUresult cuGraphInstantiate_v2(CUgraphExec* out, CUgraph graph, CUgraphNode* bad_node, char* log, size_t log_size) {
  if (bad_node != nullptr) *bad_node = nullptr;
  if (log != nullptr && log_size != 0) *log = '\0';
  return instantiate_graph(out, graph, 0);
}

CUresult cuGraphInstantiate(CUgraphExec* out, CUgraph graph, CUgraphNode* bad_node, char* log, size_t log_size) {
  return cuGraphInstantiate_v2(out, graph, bad_node, log, log_size);
}

CUresult cuGraphExecDestroy(CUgraphExec handle) {
  REQUIRE_INITIALIZED();
  GraphExec* exec = graph_execs().get(handle);
  REQUIRE(exec != nullptr, CUDA_ERROR_INVALID_VALUE);
  graph_execs().destroy(exec);  // launches under way hold what they need
  return CUDA_SUCCESS;
}

CUresult cuGraphExecGetFlags(CUgraphExec handle, cuuint64_t* flags) {
  std::shared_ptr<Executable> executable;
  if (const CUresult bad = exec_from(handle, &executable); bad != CUDA_SUCCESS) return bad;
  REQUIRE(flags != nullptr, CUDA_ERROR_INVALID_VALUE);
  *flags = executable->flags;
  return CUDA_SUCCESS;
}

CUresult cuGraphUpload(CUgraphExec handle, CUstream stream) {
  ENTER(context);
  REQUIRE(graph_execs().get(handle) != nullptr, CUDA_ERROR_INVALID_VALUE);
  return enqueue(context, stream, Work{}, Urgency::kHere);
}

CUresult cuGraphLaunch(CUgraphExec handle, CUstream stream) {
  ENTER(context);
  const GraphExec* exec = graph_execs().get(handle);
  REQUIRE(exec != nullptr, CUDA_ERROR_INVALID_VALUE);
  return enqueue(context, stream, GraphWork{exec->executable, 0}, Urgency::kQueue);
}

CUresult cuGraphExecUpdate_v2(CUgraphExec handle, CUgraph graph_handle, CUgraphExecUpdateResultInfo* info) {
  GRAPH(graph, graph_handle);
  REQUIRE(info != nullptr, CUDA_ERROR_INVALID_VALUE);
  *info = {};
  std::shared_ptr<Executable> executable;
  if (const CUresult bad = exec_from(handle, &executable); bad != CUDA_SUCCESS) return bad;
  return update(executable.get(), *graph, info);
}

CUresult cuGraphExecUpdate(CUgraphExec exec, CUgraph graph, CUgraphNode* bad_node, CUgraphExecUpdateResult* result) {
  CUgraphExecUpdateResultInfo info{};
  const CUresult outcome = cuGraphExecUpdate_v2(exec, graph, &info);
  if (bad_node != nullptr) *bad_node = info.errorNode;
  if (result != nullptr) *result = info.result;
  return outcome;
}

}  // extern "C"
