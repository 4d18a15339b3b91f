// Adding graph nodes and changing them.
#include "interposer/graph_node.h"

#include "calls/api.h"
#include "calls/remote.h"
#include "interposer/check.h"
#include "interposer/ranges.h"

namespace bitfusion::interposer::api {
namespace {

struct Place {
  CUgraphNode* out;
  CUgraph graph;
  const CUgraphNode* dependencies;
  size_t count;
  const CUgraphEdgeData* edges = nullptr;
};

CUresult start(const Place& place, Caller* at) {
  if (CUresult error = enter(Scope::kInit, true, at)) return error;
  const bool ok = place.out && handles().valid(to_name(place.graph), Handle::kGraph) &&
                  valid_array(place.dependencies, place.count, Handle::kGraphNode);
  return ok ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

// `offered` names bodies of a conditional node, `read` takes what the server answers.
template <typename Read>
CUresult add(const Caller& at, const Place& place, uint64_t node, const Description& description, wire::Bytes offered, Read read) {
  transport::Reply reply;
  const CUresult status = remote::GraphNodeAdd(at, node, to_name(place.graph), place.dependencies, place.edges, place.count,
                                               description.view(), offered, reply);
  if (status == CUDA_SUCCESS) read(reply.in());
  keep_or_drop(status, node, place.out);
  return status;
}

CUresult add(const Caller& at, const Place& place, const Description& description) {
  return add(at, place, handles().mint(Handle::kGraphNode, to_name(place.graph)), description, {}, [](wire::Reader) {});
}

// Begins a call that adds a node of one kind: `describe(at, &description)` writes its parameters.
template <typename Describe>
CUresult add_kind(const Place& place, CUgraphNodeType kind, const void* params, Describe describe) {
  Caller at;
  if (CUresult error = start(place, &at)) return error;
  if (!params) return CUDA_ERROR_INVALID_VALUE;
  Description description(kind);
  if (CUresult error = describe(at, &description)) return error;
  return add(at, place, description);
}

// The memory of a graph is in the books as long as the graph may bring it back.
void keep_memory(uint64_t address, uint64_t size, int device) {
  if (!ranges().reserve(address, size)) log(Level::kWarn, "memory of a graph lies at an address that this process uses");
  Range range;
  range.base = address;
  range.size = size;
  range.context = to_name(primary_handle(device));
  range.device = device;
  range.memory = Memory::kGraph;
  ranges().add(range);
}

template <typename Params>
CUresult add_alloc(const Caller& at, const Place& place, Params* params) {
  Description description(CU_GRAPH_NODE_TYPE_MEM_ALLOC);
  if (CUresult error = describe_alloc(*params, &description)) return error;
  return add(at, place, handles().mint(Handle::kGraphNode, to_name(place.graph)), description, {}, [&](wire::Reader in) {
    params->dptr = in.get<uint64_t>();
    keep_memory(params->dptr, params->bytesize, params->poolProps.location.id);
  });
}

CUresult add_conditional(const Caller& at, const Place& place, CUDA_CONDITIONAL_NODE_PARAMS* params) {
  Description description(CU_GRAPH_NODE_TYPE_CONDITIONAL);
  if (CUresult error = describe_conditional(*params, &description)) return error;
  const uint64_t node = handles().mint(Handle::kGraphNode, to_name(place.graph));
  Offered bodies(Handle::kGraph, node, params->size);
  return add(at, place, node, description, bodies.view(), [&](wire::Reader in) {
    auto& kept = memory_of_node(node).bodies;
    for (unsigned i = 0; i < params->size; ++i) {
      const auto name = in.get<uint64_t>();
      bodies.keep(name);
      kept.push_back((CUgraph)name);
    }
    params->phGraph_out = kept.data();
  });
}

CUresult add_any(const Place& place, CUgraphNodeParams* params) {
  Caller at;
  if (CUresult error = start(place, &at)) return error;
  if (!params) return CUDA_ERROR_INVALID_VALUE;
  if (params->type == CU_GRAPH_NODE_TYPE_MEM_ALLOC) return add_alloc(at, place, &params->alloc);
  if (params->type == CU_GRAPH_NODE_TYPE_CONDITIONAL) return add_conditional(at, place, &params->conditional);
  std::unique_ptr<Description> description;
  if (CUresult error = describe_any(at, *params, &description)) return error;
  return add(at, place, *description);
}

// Begins a call that changes a node, in an executable graph if `in_executable`.
template <typename Describe>
CUresult set(CUgraphExec exec, bool in_executable, CUgraphNode node, const void* params, Describe describe) {
  Caller at;
  if (CUresult error = enter(Scope::kInit, true, &at)) return error;
  if (in_executable && !handles().valid(to_name(exec), Handle::kGraphExec)) return CUDA_ERROR_INVALID_VALUE;
  if (!params || !handles().valid(to_name(node), Handle::kGraphNode)) return CUDA_ERROR_INVALID_VALUE;
  std::unique_ptr<Description> description;
  if (CUresult error = describe(at, &description)) return error;
  return remote::GraphNodeSet(at, to_name(exec), to_name(node), description->view());
}

template <typename Describe>
CUresult set_kind(CUgraphExec exec, bool in_executable, CUgraphNode node, CUgraphNodeType kind, const void* params, Describe describe) {
  return set(exec, in_executable, node, params, [&](const Caller& at, std::unique_ptr<Description>* made) {
    *made = std::make_unique<Description>(kind);
    return describe(at, made->get());
  });
}

CUresult set_any(CUgraphExec exec, bool in_executable, CUgraphNode node, const CUgraphNodeParams* params) {
  return set(exec, in_executable, node, params,
             [&](const Caller& at, std::unique_ptr<Description>* made) { return describe_any(at, *params, made); });
}

// How each structure is described.
template <typename Params>
auto kernel(const Params* params) {
  return [params](const Caller&, Description* out) { return describe_kernel(*params, out); };
}
auto copy(const CUDA_MEMCPY3D* params, CUcontext context) {
  return [=](const Caller& at, Description* out) { return describe_copy(at, *params, context, out); };
}
auto fill(const CUDA_MEMSET_NODE_PARAMS* params, CUcontext context) {
  return [=](const Caller&, Description* out) { return describe_fill(*params, context, out); };
}
auto host(const CUDA_HOST_NODE_PARAMS* params) {
  return [=](const Caller& at, Description* out) { return describe_host(at, params->fn, params->userData, out); };
}
auto operations(const CUDA_BATCH_MEM_OP_NODE_PARAMS* params) {
  return [=](const Caller&, Description* out) { return describe_operations(*params, out); };
}
auto event(CUevent handle) {
  return [=](const Caller&, Description* out) { return describe_event(handle, out); };
}
auto graph(CUgraph handle) {
  return [=](const Caller&, Description* out) { return describe_graph(handle, out); };
}
constexpr auto kHandle = "";  // stands for parameters where there is no structure

constexpr auto KERNEL = CU_GRAPH_NODE_TYPE_KERNEL;
constexpr auto MEMCPY = CU_GRAPH_NODE_TYPE_MEMCPY;
constexpr auto MEMSET = CU_GRAPH_NODE_TYPE_MEMSET;
constexpr auto HOST = CU_GRAPH_NODE_TYPE_HOST;
constexpr auto GRAPH = CU_GRAPH_NODE_TYPE_GRAPH;
constexpr auto RECORD = CU_GRAPH_NODE_TYPE_EVENT_RECORD;
constexpr auto WAIT = CU_GRAPH_NODE_TYPE_WAIT_EVENT;
constexpr auto OPERATIONS = CU_GRAPH_NODE_TYPE_BATCH_MEM_OP;

}  // namespace

CUresult cuGraphAddKernelNode(CUgraphNode* out, CUgraph g, const CUgraphNode* after, size_t n, const CUDA_KERNEL_NODE_PARAMS_v1* params) {
  return add_kind({out, g, after, n}, KERNEL, params, kernel(params));
}
CUresult cuGraphAddKernelNode_v2(CUgraphNode* out, CUgraph g, const CUgraphNode* after, size_t n, const CUDA_KERNEL_NODE_PARAMS* params) {
  return add_kind({out, g, after, n}, KERNEL, params, kernel(params));
}
CUresult cuGraphAddMemcpyNode(CUgraphNode* out, CUgraph g, const CUgraphNode* after, size_t n, const CUDA_MEMCPY3D* params,
                              CUcontext context) {
  return add_kind({out, g, after, n}, MEMCPY, params, copy(params, context));
}
CUresult cuGraphAddMemsetNode(CUgraphNode* out, CUgraph g, const CUgraphNode* after, size_t n, const CUDA_MEMSET_NODE_PARAMS* params,
                              CUcontext context) {
  return add_kind({out, g, after, n}, MEMSET, params, fill(params, context));
}
CUresult cuGraphAddHostNode(CUgraphNode* out, CUgraph g, const CUgraphNode* after, size_t n, const CUDA_HOST_NODE_PARAMS* params) {
  return add_kind({out, g, after, n}, HOST, params, host(params));
}
CUresult cuGraphAddChildGraphNode(CUgraphNode* out, CUgraph g, const CUgraphNode* after, size_t n, CUgraph child) {
  return add_kind({out, g, after, n}, GRAPH, kHandle, graph(child));
}
CUresult cuGraphAddEmptyNode(CUgraphNode* out, CUgraph g, const CUgraphNode* after, size_t n) {
  return add_kind({out, g, after, n}, CU_GRAPH_NODE_TYPE_EMPTY, kHandle, [](const Caller&, Description*) { return CUDA_SUCCESS; });
}
CUresult cuGraphAddEventRecordNode(CUgraphNode* out, CUgraph g, const CUgraphNode* after, size_t n, CUevent handle) {
  return add_kind({out, g, after, n}, RECORD, kHandle, event(handle));
}
CUresult cuGraphAddEventWaitNode(CUgraphNode* out, CUgraph g, const CUgraphNode* after, size_t n, CUevent handle) {
  return add_kind({out, g, after, n}, WAIT, kHandle, event(handle));
}
CUresult cuGraphAddBatchMemOpNode(CUgraphNode* out, CUgraph g, const CUgraphNode* after, size_t n,
                                  const CUDA_BATCH_MEM_OP_NODE_PARAMS* params) {
  return add_kind({out, g, after, n}, OPERATIONS, params, operations(params));
}
CUresult cuGraphAddMemAllocNode(CUgraphNode* out, CUgraph g, const CUgraphNode* after, size_t n, CUDA_MEM_ALLOC_NODE_PARAMS* params) {
  Caller at;
  const Place place{out, g, after, n};
  if (CUresult error = start(place, &at)) return error;
  return params ? add_alloc(at, place, params) : CUDA_ERROR_INVALID_VALUE;
}
CUresult cuGraphAddMemFreeNode(CUgraphNode* out, CUgraph g, const CUgraphNode* after, size_t n, CUdeviceptr address) {
  return add_kind({out, g, after, n}, CU_GRAPH_NODE_TYPE_MEM_FREE, kHandle, [=](const Caller&, Description* description) {
    description->put<uint64_t>(address);
    return CUDA_SUCCESS;
  });
}

CUresult cuGraphAddNode(CUgraphNode* out, CUgraph g, const CUgraphNode* after, size_t n, CUgraphNodeParams* params) {
  return add_any({out, g, after, n}, params);
}
CUresult cuGraphAddNode_v2(CUgraphNode* out, CUgraph g, const CUgraphNode* after, const CUgraphEdgeData* edges, size_t n,
                           CUgraphNodeParams* params) {
  return add_any({out, g, after, n, edges}, params);
}
CUresult cuGraphAddNode_v3(CUgraphNode* out, CUgraph g, const CUgraphNode* after, const CUgraphEdgeData* edges, size_t n,
                           CUgraphNodeParams* params) {
  return add_any({out, g, after, n, edges}, params);
}

CUresult cuGraphKernelNodeSetParams(CUgraphNode node, const CUDA_KERNEL_NODE_PARAMS_v1* params) {
  return set_kind(nullptr, false, node, KERNEL, params, kernel(params));
}
CUresult cuGraphKernelNodeSetParams_v2(CUgraphNode node, const CUDA_KERNEL_NODE_PARAMS* params) {
  return set_kind(nullptr, false, node, KERNEL, params, kernel(params));
}
CUresult cuGraphMemcpyNodeSetParams(CUgraphNode node, const CUDA_MEMCPY3D* params) {
  return set_kind(nullptr, false, node, MEMCPY, params, copy(params, nullptr));
}
CUresult cuGraphMemsetNodeSetParams(CUgraphNode node, const CUDA_MEMSET_NODE_PARAMS* params) {
  return set_kind(nullptr, false, node, MEMSET, params, fill(params, nullptr));
}
CUresult cuGraphHostNodeSetParams(CUgraphNode node, const CUDA_HOST_NODE_PARAMS* params) {
  return set_kind(nullptr, false, node, HOST, params, host(params));
}
CUresult cuGraphEventRecordNodeSetEvent(CUgraphNode node, CUevent handle) {
  return set_kind(nullptr, false, node, RECORD, kHandle, event(handle));
}
CUresult cuGraphEventWaitNodeSetEvent(CUgraphNode node, CUevent handle) {
  return set_kind(nullptr, false, node, WAIT, kHandle, event(handle));
}
CUresult cuGraphBatchMemOpNodeSetParams(CUgraphNode node, const CUDA_BATCH_MEM_OP_NODE_PARAMS* params) {
  return set_kind(nullptr, false, node, OPERATIONS, params, operations(params));
}
CUresult cuGraphNodeSetParams(CUgraphNode node, CUgraphNodeParams* params) { return set_any(nullptr, false, node, params); }
CUresult cuGraphNodeSetParams_v2(CUgraphNode node, CUgraphNodeParams* params) { return set_any(nullptr, false, node, params); }

CUresult cuGraphExecKernelNodeSetParams(CUgraphExec exec, CUgraphNode node, const CUDA_KERNEL_NODE_PARAMS_v1* params) {
  return set_kind(exec, true, node, KERNEL, params, kernel(params));
}
CUresult cuGraphExecKernelNodeSetParams_v2(CUgraphExec exec, CUgraphNode node, const CUDA_KERNEL_NODE_PARAMS* params) {
  return set_kind(exec, true, node, KERNEL, params, kernel(params));
}
CUresult cuGraphExecMemcpyNodeSetParams(CUgraphExec exec, CUgraphNode node, const CUDA_MEMCPY3D* params, CUcontext context) {
  return set_kind(exec, true, node, MEMCPY, params, copy(params, context));
}
CUresult cuGraphExecMemsetNodeSetParams(CUgraphExec exec, CUgraphNode node, const CUDA_MEMSET_NODE_PARAMS* params, CUcontext context) {
  return set_kind(exec, true, node, MEMSET, params, fill(params, context));
}
CUresult cuGraphExecHostNodeSetParams(CUgraphExec exec, CUgraphNode node, const CUDA_HOST_NODE_PARAMS* params) {
  return set_kind(exec, true, node, HOST, params, host(params));
}
CUresult cuGraphExecChildGraphNodeSetParams(CUgraphExec exec, CUgraphNode node, CUgraph child) {
  return set_kind(exec, true, node, GRAPH, kHandle, graph(child));
}
CUresult cuGraphExecEventRecordNodeSetEvent(CUgraphExec exec, CUgraphNode node, CUevent handle) {
  return set_kind(exec, true, node, RECORD, kHandle, event(handle));
}
CUresult cuGraphExecEventWaitNodeSetEvent(CUgraphExec exec, CUgraphNode node, CUevent handle) {
  return set_kind(exec, true, node, WAIT, kHandle, event(handle));
}
CUresult cuGraphExecBatchMemOpNodeSetParams(CUgraphExec exec, CUgraphNode node, const CUDA_BATCH_MEM_OP_NODE_PARAMS* params) {
  return set_kind(exec, true, node, OPERATIONS, params, operations(params));
}
CUresult cuGraphExecNodeSetParams(CUgraphExec exec, CUgraphNode node, CUgraphNodeParams* params) {
  return set_any(exec, true, node, params);
}

}  // namespace bitfusion::interposer::api
