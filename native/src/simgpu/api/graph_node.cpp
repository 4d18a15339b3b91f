// Nodes of every kind: adding them, and asking for and changing their parameters in a graph and in an executable graph.
//
// All functions of one kind only bring their parameters into the form of cuGraphAddNode, cuGraphNodeGetParams and cuGraphNodeSetParams.
#include <cstring>

#include "simgpu/graph_handles.h"
#include "simgpu/node_params.h"

using namespace simgpu;

namespace {

// The parameters of the kinds' own functions are the beginning of those in the union (older versions lack fields at the end).
template <typename Params>
CUgraphNodeParams wrap(CUgraphNodeType type, const Params& params) {
  static_assert(sizeof params <= sizeof(CUgraphNodeParams::reserved1));
  CUgraphNodeParams all{};
  all.type = type;
  memcpy(all.reserved1, &params, sizeof params);
  return all;
}

CUgraphNodeParams wrap_copy(const CUDA_MEMCPY3D& params, CUcontext context) {
  return wrap(CU_GRAPH_NODE_TYPE_MEMCPY, CUDA_MEMCPY_NODE_PARAMS{0, 0, context, params});
}

CUgraphNodeParams wrap_fill(const CUDA_MEMSET_NODE_PARAMS& params, CUcontext context) {
  CUgraphNodeParams all = wrap(CU_GRAPH_NODE_TYPE_MEMSET, params);
  all.memset.ctx = context;
  return all;
}

CUgraphNodeParams wrap_record(CUevent event) {
  CUgraphNodeParams all{};
  all.type = CU_GRAPH_NODE_TYPE_EVENT_RECORD;
  all.eventRecord.event = event;
  return all;
}

CUgraphNodeParams wrap_wait(CUevent event) { return wrap(CU_GRAPH_NODE_TYPE_WAIT_EVENT, CUDA_EVENT_WAIT_NODE_PARAMS{event}); }

CUgraphNodeParams wrap_child(CUgraph child) {
  return wrap(CU_GRAPH_NODE_TYPE_GRAPH, CUDA_CHILD_GRAPH_NODE_PARAMS{child, CU_GRAPH_CHILD_GRAPH_OWNERSHIP_CLONE});
}

// --- Adding -----------------------------------------------------------------------------------------------------------------------------

CUresult child_of(const CUDA_CHILD_GRAPH_NODE_PARAMS& params, const Graph* parent, Graph** child) {
  Graph* given = graphs().get(params.graph);
  REQUIRE(given != nullptr && given != parent && !given->owned, CUDA_ERROR_INVALID_VALUE);
  const bool moved = params.ownership == CU_GRAPH_CHILD_GRAPH_OWNERSHIP_MOVE;
  REQUIRE(moved || params.ownership == CU_GRAPH_CHILD_GRAPH_OWNERSHIP_CLONE, CUDA_ERROR_INVALID_VALUE);
  REQUIRE(moved || !has_unique_nodes(*given), CUDA_ERROR_NOT_SUPPORTED);
  REQUIRE(given->conditions.empty(), CUDA_ERROR_NOT_SUPPORTED);
  *child = moved ? given : clone_graph(*given);
  REQUIRE(*child != nullptr, CUDA_ERROR_OUT_OF_MEMORY);
  (*child)->owned = true;
  return CUDA_SUCCESS;
}

CUresult add_child(Graph* graph, const CUDA_CHILD_GRAPH_NODE_PARAMS& params, GraphNode** node) {
  Graph* child = nullptr;
  if (const CUresult bad = child_of(params, graph, &child); bad != CUDA_SUCCESS) return bad;
  *node = add_node(graph, CU_GRAPH_NODE_TYPE_GRAPH, Work{}, {});
  REQUIRE(*node != nullptr, CUDA_ERROR_OUT_OF_MEMORY);
  (*node)->children.push_back(child);
  return CUDA_SUCCESS;
}

CUresult check_conditional(const Graph* graph, const CUDA_CONDITIONAL_NODE_PARAMS& params, std::shared_ptr<Condition>* condition) {
  for (const auto& each : graph->conditions) {
    if (each.get() == conditions().get(reinterpret_cast<const void*>(params.handle))) *condition = each;
  }
  REQUIRE(*condition != nullptr && !(*condition)->used, CUDA_ERROR_INVALID_VALUE);
  const unsigned most = params.type == CU_GRAPH_COND_TYPE_IF ? 2 : params.type == CU_GRAPH_COND_TYPE_WHILE ? 1 : 1u << 16;
  REQUIRE(params.type >= CU_GRAPH_COND_TYPE_IF && params.type <= CU_GRAPH_COND_TYPE_SWITCH, CUDA_ERROR_INVALID_VALUE);
  REQUIRE(params.size >= 1 && params.size <= most, CUDA_ERROR_INVALID_VALUE);
  return CUDA_SUCCESS;
}

CUresult add_conditional(Graph* graph, CUDA_CONDITIONAL_NODE_PARAMS* params, GraphNode** out) {
  std::shared_ptr<Condition> condition;
  if (const CUresult bad = check_conditional(graph, *params, &condition); bad != CUDA_SUCCESS) return bad;
  GraphNode* node = *out = add_node(graph, CU_GRAPH_NODE_TYPE_CONDITIONAL, Work{}, {});
  REQUIRE(node != nullptr, CUDA_ERROR_OUT_OF_MEMORY);
  condition->used = true;
  node->condition = std::move(condition);
  node->condition_type = params->type;
  for (unsigned i = 0; i < params->size; i++) {
    Graph* body = make_graph();
    REQUIRE(body != nullptr, CUDA_ERROR_OUT_OF_MEMORY);
    body->owned = true;
    node->children.push_back(body);
    node->child_handles.push_back(body->handle());
  }
  params->phGraph_out = node->child_handles.data();
  return CUDA_SUCCESS;
}

CUresult add_plain(Graph* graph, CUgraphNodeParams* params, GraphNode** node) {
  const bool memory = params->type == CU_GRAPH_NODE_TYPE_MEM_ALLOC || params->type == CU_GRAPH_NODE_TYPE_MEM_FREE;
  REQUIRE(!memory || !graph->owned, CUDA_ERROR_NOT_SUPPORTED);
  Work work;
  if (const CUresult bad = work_from(params, graph, &work); bad != CUDA_SUCCESS) return bad;
  *node = add_node(graph, params->type, std::move(work), {});
  return *node != nullptr ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult add(CUgraphNode* out, CUgraph handle, const CUgraphNode* before, const CUgraphEdgeData* data, size_t count,
             CUgraphNodeParams* params) {
  GRAPH(graph, handle);
  REQUIRE(out != nullptr && params != nullptr, CUDA_ERROR_INVALID_VALUE);
  std::vector<GraphNode*> after;
  if (const CUresult bad = nodes_from(graph, before, count, &after); bad != CUDA_SUCCESS) return bad;
  GraphNode* node = nullptr;
  CUresult result = CUDA_SUCCESS;
  if (params->type == CU_GRAPH_NODE_TYPE_GRAPH) {
    result = add_child(graph, params->graph, &node);
  } else if (params->type == CU_GRAPH_NODE_TYPE_CONDITIONAL) {
    result = add_conditional(graph, &params->conditional, &node);
  } else {
    result = add_plain(graph, params, &node);
  }
  for (size_t i = 0; i < count && result == CUDA_SUCCESS; i++) result = add_edge(after[i], node, data != nullptr ? &data[i] : nullptr);
  if (result == CUDA_SUCCESS) {
    node->context = context_in(*params);
    *out = node->handle();
  } else if (node != nullptr) {
    destroy_node(node);
  }
  return result;
}

CUresult add(CUgraphNode* out, CUgraph graph, const CUgraphNode* before, size_t count, CUgraphNodeParams params) {
  return add(out, graph, before, nullptr, count, &params);
}

// --- Asking and changing
// ------------------------------------------------------------------------------------------------------------------

template <typename Params>
CUresult get(CUgraphNode handle, CUgraphNodeType type, Params* params) {
  NODE(node, handle);
  REQUIRE(params != nullptr && node->type == type, CUDA_ERROR_INVALID_VALUE);
  CUgraphNodeParams all;
  const CUresult result = params_of(node, &all);
  memcpy(params, all.reserved1, sizeof *params);
  return result;
}

// Kinds whose parameters are fixed when the node is made.
bool changeable(CUgraphNodeType type) {
  return type != CU_GRAPH_NODE_TYPE_MEM_ALLOC && type != CU_GRAPH_NODE_TYPE_MEM_FREE && type != CU_GRAPH_NODE_TYPE_CONDITIONAL &&
         type != CU_GRAPH_NODE_TYPE_GRAPH;
}

CUresult new_work(const GraphNode& node, CUgraphNodeParams* params, Work* work) {
  REQUIRE(params != nullptr && params->type == node.type, CUDA_ERROR_INVALID_VALUE);
  REQUIRE(changeable(node.type), CUDA_ERROR_NOT_SUPPORTED);
  const CUresult result = work_from(params, node.graph, work);
  return result == CUDA_SUCCESS ? apply_attributes(node, work) : result;
}

CUresult set(CUgraphNode handle, CUgraphNodeParams* params) {
  NODE(node, handle);
  Work work;
  if (const CUresult bad = new_work(*node, params, &work); bad != CUDA_SUCCESS) return bad;
  node->work = std::move(work);
  node->context = context_in(*params);
  return CUDA_SUCCESS;
}

CUresult set(CUgraphNode handle, CUgraphNodeParams params) { return set(handle, &params); }

CUresult set_child(Executable::Node* place, const CUDA_CHILD_GRAPH_NODE_PARAMS& params) {
  const Graph* graph = graphs().get(params.graph);
  auto* child = std::get_if<GraphWork>(&place->work);
  REQUIRE(graph != nullptr && child != nullptr, CUDA_ERROR_INVALID_VALUE);
  CUgraphExecUpdateResultInfo info{};
  return update_executable(child->graph.get(), *graph, &info) == CUDA_SUCCESS ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult set_in_exec(CUgraphExec exec_handle, CUgraphNode handle, CUgraphNodeParams* params) {
  GRAPH_EXEC(exec, exec_handle);
  NODE(node, handle);
  Executable::Node* place = find_node(writable(exec), *node);
  REQUIRE(place != nullptr && params != nullptr, CUDA_ERROR_INVALID_VALUE);
  if (params->type == CU_GRAPH_NODE_TYPE_GRAPH) return set_child(place, params->graph);
  Work work;
  if (const CUresult bad = new_work(*node, params, &work); bad != CUDA_SUCCESS) return bad;
  return replace_work(place, std::move(work));
}

CUresult set_in_exec(CUgraphExec exec, CUgraphNode node, CUgraphNodeParams params) { return set_in_exec(exec, node, &params); }

CUresult kernel_node(CUgraphNode handle, GraphNode** node) {
  REQUIRE_INITIALIZED();
  *node = graph_nodes().get(handle);
  return *node != nullptr && (*node)->type == CU_GRAPH_NODE_TYPE_KERNEL ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

// Attributes that do not fit the node's work leave it as it was.
CUresult set_attributes(GraphNode* node, std::map<int, CUlaunchAttributeValue> attributes) {
  node->attributes.swap(attributes);
  const CUresult result = apply_attributes(*node, &node->work);
  if (result != CUDA_SUCCESS) node->attributes.swap(attributes);
  return result;
}

}  // namespace

extern "C" {

CUresult cuGraphAddNode_v2(CUgraphNode* out, CUgraph graph, const CUgraphNode* before, const CUgraphEdgeData* data, size_t count,
                           CUgraphNodeParams* params) {
  return add(out, graph, before, data, count, params);
}

CUresult cuGraphAddNode_v3(CUgraphNode* out, CUgraph graph, const CUgraphNode* before, const CUgraphEdgeData* data, size_t count,
                           CUgraphNodeParams* params) {
  return add(out, graph, before, data, count, params);
}

CUresult cuGraphAddNode(CUgraphNode* out, CUgraph graph, const CUgraphNode* before, size_t count, CUgraphNodeParams* params) {
  return add(out, graph, before, nullptr, count, params);
}

CUresult cuGraphNodeGetParams(CUgraphNode handle, CUgraphNodeParams* params) {
  NODE(node, handle);
  REQUIRE(params != nullptr, CUDA_ERROR_INVALID_VALUE);
  return params_of(node, params);
}

CUresult cuGraphNodeSetParams(CUgraphNode node, CUgraphNodeParams* params) { return set(node, params); }

CUresult cuGraphNodeSetParams_v2(CUgraphNode node, CUgraphNodeParams* params) { return set(node, params); }

CUresult cuGraphExecNodeSetParams(CUgraphExec exec, CUgraphNode node, CUgraphNodeParams* params) { return set_in_exec(exec, node, params); }

// --- Kernels
// ------------------------------------------------------------------------------------------------------------------------------

CUresult cuGraphAddKernelNode_v2(CUgraphNode* out, CUgraph graph, const CUgraphNode* before, size_t count,
                                 const CUDA_KERNEL_NODE_PARAMS* params) {
  REQUIRE(params != nullptr, CUDA_ERROR_INVALID_VALUE);
  return add(out, graph, before, count, wrap(CU_GRAPH_NODE_TYPE_KERNEL, *params));
}

CUresult cuGraphAddKernelNode(CUgraphNode* out, CUgraph graph, const CUgraphNode* before, size_t count,
                              const CUDA_KERNEL_NODE_PARAMS_v1* params) {
  REQUIRE(params != nullptr, CUDA_ERROR_INVALID_VALUE);
  return add(out, graph, before, count, wrap(CU_GRAPH_NODE_TYPE_KERNEL, *params));
}

CUresult cuGraphKernelNodeGetParams_v2(CUgraphNode node, CUDA_KERNEL_NODE_PARAMS* params) {
  return get(node, CU_GRAPH_NODE_TYPE_KERNEL, params);
}

CUresult cuGraphKernelNodeGetParams(CUgraphNode node, CUDA_KERNEL_NODE_PARAMS_v1* params) {
  return get(node, CU_GRAPH_NODE_TYPE_KERNEL, params);
}

CUresult cuGraphKernelNodeSetParams_v2(CUgraphNode node, const CUDA_KERNEL_NODE_PARAMS* params) {
  REQUIRE(params != nullptr, CUDA_ERROR_INVALID_VALUE);
  return set(node, wrap(CU_GRAPH_NODE_TYPE_KERNEL, *params));
}

CUresult cuGraphKernelNodeSetParams(CUgraphNode node, const CUDA_KERNEL_NODE_PARAMS_v1* params) {
  REQUIRE(params != nullptr, CUDA_ERROR_INVALID_VALUE);
  return set(node, wrap(CU_GRAPH_NODE_TYPE_KERNEL, *params));
}

CUresult cuGraphExecKernelNodeSetParams_v2(CUgraphExec exec, CUgraphNode node, const CUDA_KERNEL_NODE_PARAMS* params) {
  REQUIRE(params != nullptr, CUDA_ERROR_INVALID_VALUE);
  return set_in_exec(exec, node, wrap(CU_GRAPH_NODE_TYPE_KERNEL, *params));
}

CUresult cuGraphExecKernelNodeSetParams(CUgraphExec exec, CUgraphNode node, const CUDA_KERNEL_NODE_PARAMS_v1* params) {
  REQUIRE(params != nullptr, CUDA_ERROR_INVALID_VALUE);
  return set_in_exec(exec, node, wrap(CU_GRAPH_NODE_TYPE_KERNEL, *params));
}

CUresult cuGraphKernelNodeSetAttribute(CUgraphNode handle, CUkernelNodeAttrID attribute, const CUkernelNodeAttrValue* value) {
  GraphNode* node = nullptr;
  if (const CUresult bad = kernel_node(handle, &node); bad != CUDA_SUCCESS) return bad;
  REQUIRE(value != nullptr, CUDA_ERROR_INVALID_VALUE);
  auto attributes = node->attributes;
  attributes[attribute] = *value;
  return set_attributes(node, std::move(attributes));
}

CUresult cuGraphKernelNodeGetAttribute(CUgraphNode handle, CUkernelNodeAttrID attribute, CUkernelNodeAttrValue* value) {
  GraphNode* node = nullptr;
  if (const CUresult bad = kernel_node(handle, &node); bad != CUDA_SUCCESS) return bad;
  REQUIRE(value != nullptr, CUDA_ERROR_INVALID_VALUE);
  const auto found = node->attributes.find(attribute);
  *value = found != node->attributes.end() ? found->second : CUkernelNodeAttrValue{};
  return CUDA_SUCCESS;
}

CUresult cuGraphKernelNodeCopyAttributes(CUgraphNode target, CUgraphNode source) {
  GraphNode* to = nullptr;
  GraphNode* from = nullptr;
  if (const CUresult bad = kernel_node(target, &to); bad != CUDA_SUCCESS) return bad;
  if (const CUresult bad = kernel_node(source, &from); bad != CUDA_SUCCESS) return bad;
  return set_attributes(to, from->attributes);
}

// --- Copies and fills
// -----------------------------------------------------------------------------------------------------------------------

CUresult cuGraphAddMemcpyNode(CUgraphNode* out, CUgraph graph, const CUgraphNode* before, size_t count, const CUDA_MEMCPY3D* params,
                              CUcontext context) {
  REQUIRE(params != nullptr, CUDA_ERROR_INVALID_VALUE);
  return add(out, graph, before, count, wrap_copy(*params, context));
}

CUresult cuGraphMemcpyNodeGetParams(CUgraphNode node, CUDA_MEMCPY3D* params) {
  CUDA_MEMCPY_NODE_PARAMS all;
  REQUIRE(params != nullptr, CUDA_ERROR_INVALID_VALUE);
  const CUresult result = get(node, CU_GRAPH_NODE_TYPE_MEMCPY, &all);
  if (result == CUDA_SUCCESS) *params = all.copyParams;
  return result;
}

CUresult cuGraphMemcpyNodeSetParams(CUgraphNode node, const CUDA_MEMCPY3D* params) {
  REQUIRE(params != nullptr, CUDA_ERROR_INVALID_VALUE);
  return set(node, wrap_copy(*params, nullptr));
}

CUresult cuGraphExecMemcpyNodeSetParams(CUgraphExec exec, CUgraphNode node, const CUDA_MEMCPY3D* params, CUcontext context) {
  REQUIRE(params != nullptr, CUDA_ERROR_INVALID_VALUE);
  return set_in_exec(exec, node, wrap_copy(*params, context));
}

CUresult cuGraphAddMemsetNode(CUgraphNode* out, CUgraph graph, const CUgraphNode* before, size_t count,
                              const CUDA_MEMSET_NODE_PARAMS* params, CUcontext context) {
  REQUIRE(params != nullptr, CUDA_ERROR_INVALID_VALUE);
  return add(out, graph, before, count, wrap_fill(*params, context));
}

CUresult cuGraphMemsetNodeGetParams(CUgraphNode node, CUDA_MEMSET_NODE_PARAMS* params) {
  return get(node, CU_GRAPH_NODE_TYPE_MEMSET, params);
}

CUresult cuGraphMemsetNodeSetParams(CUgraphNode node, const CUDA_MEMSET_NODE_PARAMS* params) {
  REQUIRE(params != nullptr, CUDA_ERROR_INVALID_VALUE);
  return set(node, wrap_fill(*params, nullptr));
}

CUresult cuGraphExecMemsetNodeSetParams(CUgraphExec exec, CUgraphNode node, const CUDA_MEMSET_NODE_PARAMS* params, CUcontext context) {
  REQUIRE(params != nullptr, CUDA_ERROR_INVALID_VALUE);
  return set_in_exec(exec, node, wrap_fill(*params, context));
}

// --- Host functions, nothing, events
// ----------------------------------------------------------------------------------------------------------

CUresult cuGraphAddHostNode(CUgraphNode* out, CUgraph graph, const CUgraphNode* before, size_t count, const CUDA_HOST_NODE_PARAMS* params) {
  REQUIRE(params != nullptr, CUDA_ERROR_INVALID_VALUE);
  return add(out, graph, before, count, wrap(CU_GRAPH_NODE_TYPE_HOST, *params));
}

CUresult cuGraphHostNodeGetParams(CUgraphNode node, CUDA_HOST_NODE_PARAMS* params) { return get(node, CU_GRAPH_NODE_TYPE_HOST, params); }

CUresult cuGraphHostNodeSetParams(CUgraphNode node, const CUDA_HOST_NODE_PARAMS* params) {
  REQUIRE(params != nullptr, CUDA_ERROR_INVALID_VALUE);
  return set(node, wrap(CU_GRAPH_NODE_TYPE_HOST, *params));
}

CUresult cuGraphExecHostNodeSetParams(CUgraphExec exec, CUgraphNode node, const CUDA_HOST_NODE_PARAMS* params) {
  REQUIRE(params != nullptr, CUDA_ERROR_INVALID_VALUE);
  return set_in_exec(exec, node, wrap(CU_GRAPH_NODE_TYPE_HOST, *params));
}

CUresult cuGraphAddEmptyNode(CUgraphNode* out, CUgraph graph, const CUgraphNode* before, size_t count) {
  CUgraphNodeParams params{};
  params.type = CU_GRAPH_NODE_TYPE_EMPTY;
  return add(out, graph, before, count, params);
}

CUresult cuGraphAddEventRecordNode(CUgraphNode* out, CUgraph graph, const CUgraphNode* before, size_t count, CUevent event) {
  return add(out, graph, before, count, wrap_record(event));
}

CUresult cuGraphEventRecordNodeGetEvent(CUgraphNode node, CUevent* event) { return get(node, CU_GRAPH_NODE_TYPE_EVENT_RECORD, event); }

CUresult cuGraphEventRecordNodeSetEvent(CUgraphNode node, CUevent event) { return set(node, wrap_record(event)); }

CUresult cuGraphExecEventRecordNodeSetEvent(CUgraphExec exec, CUgraphNode node, CUevent event) {
  return set_in_exec(exec, node, wrap_record(event));
}

CUresult cuGraphAddEventWaitNode(CUgraphNode* out, CUgraph graph, const CUgraphNode* before, size_t count, CUevent event) {
  return add(out, graph, before, count, wrap_wait(event));
}

CUresult cuGraphEventWaitNodeGetEvent(CUgraphNode node, CUevent* event) { return get(node, CU_GRAPH_NODE_TYPE_WAIT_EVENT, event); }

CUresult cuGraphEventWaitNodeSetEvent(CUgraphNode node, CUevent event) { return set(node, wrap_wait(event)); }

CUresult cuGraphExecEventWaitNodeSetEvent(CUgraphExec exec, CUgraphNode node, CUevent event) {
  return set_in_exec(exec, node, wrap_wait(event));
}

// --- Child graphs
// ---------------------------------------------------------------------------------------------------------------------------

CUresult cuGraphAddChildGraphNode(CUgraphNode* out, CUgraph graph, const CUgraphNode* before, size_t count, CUgraph child) {
  return add(out, graph, before, count, wrap_child(child));
}

CUresult cuGraphChildGraphNodeGetGraph(CUgraphNode node, CUgraph* graph) { return get(node, CU_GRAPH_NODE_TYPE_GRAPH, graph); }

CUresult cuGraphExecChildGraphNodeSetParams(CUgraphExec exec, CUgraphNode node, CUgraph child) {
  return set_in_exec(exec, node, wrap_child(child));
}

// --- Values in memory
// -----------------------------------------------------------------------------------------------------------------------

CUresult cuGraphAddBatchMemOpNode(CUgraphNode* out, CUgraph graph, const CUgraphNode* before, size_t count,
                                  const CUDA_BATCH_MEM_OP_NODE_PARAMS* params) {
  REQUIRE(params != nullptr, CUDA_ERROR_INVALID_VALUE);
  return add(out, graph, before, count, wrap(CU_GRAPH_NODE_TYPE_BATCH_MEM_OP, *params));
}

CUresult cuGraphBatchMemOpNodeGetParams(CUgraphNode node, CUDA_BATCH_MEM_OP_NODE_PARAMS* params) {
  return get(node, CU_GRAPH_NODE_TYPE_BATCH_MEM_OP, params);
}

CUresult cuGraphBatchMemOpNodeSetParams(CUgraphNode node, const CUDA_BATCH_MEM_OP_NODE_PARAMS* params) {
  REQUIRE(params != nullptr, CUDA_ERROR_INVALID_VALUE);
  return set(node, wrap(CU_GRAPH_NODE_TYPE_BATCH_MEM_OP, *params));
}

CUresult cuGraphExecBatchMemOpNodeSetParams(CUgraphExec exec, CUgraphNode node, const CUDA_BATCH_MEM_OP_NODE_PARAMS* params) {
  REQUIRE(params != nullptr, CUDA_ERROR_INVALID_VALUE);
  return set_in_exec(exec, node, wrap(CU_GRAPH_NODE_TYPE_BATCH_MEM_OP, *params));
}

// --- Memory
// ---------------------------------------------------------------------------------------------------------------------------------

CUresult cuGraphAddMemAllocNode(CUgraphNode* out, CUgraph graph, const CUgraphNode* before, size_t count,
                                CUDA_MEM_ALLOC_NODE_PARAMS* params) {
  REQUIRE(params != nullptr, CUDA_ERROR_INVALID_VALUE);
  CUgraphNodeParams all = wrap(CU_GRAPH_NODE_TYPE_MEM_ALLOC, *params);
  const CUresult result = add(out, graph, before, nullptr, count, &all);
  if (result == CUDA_SUCCESS) params->dptr = all.alloc.dptr;
  return result;
}

CUresult cuGraphMemAllocNodeGetParams(CUgraphNode node, CUDA_MEM_ALLOC_NODE_PARAMS* params) {
  return get(node, CU_GRAPH_NODE_TYPE_MEM_ALLOC, params);
}

CUresult cuGraphAddMemFreeNode(CUgraphNode* out, CUgraph graph, const CUgraphNode* before, size_t count, CUdeviceptr address) {
  return add(out, graph, before, count, wrap(CU_GRAPH_NODE_TYPE_MEM_FREE, CUDA_MEM_FREE_NODE_PARAMS{address}));
}

CUresult cuGraphMemFreeNodeGetParams(CUgraphNode node, CUdeviceptr* address) { return get(node, CU_GRAPH_NODE_TYPE_MEM_FREE, address); }

}  // extern "C"
