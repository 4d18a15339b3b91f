// Parameters of graph nodes, from what travels to the application's structures.
#include <cstring>

#include "calls/api.h"
#include "calls/remote.h"
#include "interposer/check.h"
#include "interposer/code.h"
#include "interposer/graph_node.h"
#include "interposer/host_call.h"
#include "interposer/host_copy.h"

namespace bitfusion::interposer::api {
namespace {

constexpr CUresult kBadAnswer = CUDA_ERROR_DEVICE_UNAVAILABLE;

// Asks for a node's parameters; `read(in)` takes them, behind the node's kind.
template <typename Read>
CUresult ask(CUgraphNode node, const void* out, CUgraphNodeType kind, Read read) {
  Caller at;
  if (CUresult error = enter(Scope::kInit, true, &at)) return error;
  if (!out || !handles().valid(to_name(node), Handle::kGraphNode)) return CUDA_ERROR_INVALID_VALUE;
  transport::Reply reply;
  if (CUresult error = remote::GraphNodeGet(at, to_name(node), kind, {}, reply)) return error;
  wire::Reader in = reply.in();
  if (in.get<uint32_t>() != static_cast<uint32_t>(kind)) return kBadAnswer;
  const CUresult status = read(in);
  return in.ok() ? status : kBadAnswer;
}

// The variants of a kernel node's structure that name their function as a kernel too.
template <typename Params>
void put_function(Params* params, Kernel* kernel, uint64_t context) {
  params->func = function_handle(kernel);
  if constexpr (requires { params->kern; }) params->kern = nullptr;
  if constexpr (requires { params->ctx; }) params->ctx = (CUcontext)context;
}

template <typename Params>
CUresult read_kernel(wire::Reader& in, CUgraphNode handle, Params* params) {
  const auto node = in.get<KernelNode>();
  const auto packed = in.blob();
  Kernel* kernel = kernel_of_number(node.function);
  if (!kernel || packed.size() < kernel->parameter_bytes) return kBadAnswer;
  NodeMemory& memory = memory_of_node(to_name(handle));
  memory.parameters.assign(packed.begin(), packed.end());
  memory.pointers.clear();
  for (const Parameter& parameter : kernel->parameters) memory.pointers.push_back(memory.parameters.data() + parameter.offset);
  *params = {};
  put_function(params, kernel, node.context);
  params->gridDimX = node.shape.grid[0];
  params->gridDimY = node.shape.grid[1];
  params->gridDimZ = node.shape.grid[2];
  params->blockDimX = node.shape.block[0];
  params->blockDimY = node.shape.block[1];
  params->blockDimZ = node.shape.block[2];
  params->sharedMemBytes = node.shape.shared_bytes;
  params->kernelParams = memory.pointers.data();
  return CUDA_SUCCESS;
}

CUresult read_copy(wire::Reader& in, CUDA_MEMCPY3D* copy, CUcontext* context) {
  const auto node = in.get<CopyNode>();
  if (context) *context = (CUcontext)node.context;
  if (node.host_copy) return find_host_copy(node.host_copy, copy) ? CUDA_SUCCESS : kBadAnswer;
  *copy = node.shape;
  copy->srcArray = (CUarray)node.source_array;
  copy->dstArray = (CUarray)node.destination_array;
  return CUDA_SUCCESS;
}

template <typename Params>
CUresult read_fill(wire::Reader& in, Params* params) {
  const auto node = in.get<FillNode>();
  *params = {};
  params->dst = node.address;
  params->pitch = node.pitch;
  params->value = node.value;
  params->elementSize = node.element_size;
  params->width = node.width;
  params->height = node.height;
  if constexpr (requires { params->ctx; }) params->ctx = (CUcontext)node.context;
  return CUDA_SUCCESS;
}

template <typename Params>
CUresult read_host(wire::Reader& in, Params* params) {
  *params = {};
  return find_graph_call(in.get<uint64_t>(), &params->fn, &params->userData) ? CUDA_SUCCESS : kBadAnswer;
}

template <typename Params>
CUresult read_alloc(wire::Reader& in, CUgraphNode handle, Params* params) {
  const auto node = in.get<AllocNode>();
  auto& accesses = memory_of_node(to_name(handle)).accesses;
  accesses.clear();
  for (uint64_t i = 0; i < node.accesses && in.ok(); ++i) accesses.push_back(in.get<CUmemAccessDesc>());
  *params = {};
  params->poolProps = node.properties;
  params->accessDescs = accesses.empty() ? nullptr : accesses.data();
  params->accessDescCount = accesses.size();
  params->bytesize = node.size;
  params->dptr = node.address;
  return CUDA_SUCCESS;
}

template <typename Params>
CUresult read_operations(wire::Reader& in, CUgraphNode handle, Params* params) {
  const auto node = in.get<OperationsNode>();
  auto& operations = memory_of_node(to_name(handle)).operations;
  operations.clear();
  for (uint32_t i = 0; i < node.count && in.ok(); ++i) operations.push_back(in.get<CUstreamBatchMemOpParams>());
  *params = {(CUcontext)node.context, node.count, operations.data(), node.flags};
  return CUDA_SUCCESS;
}

CUresult read_conditional(wire::Reader& in, CUgraphNode handle, CUDA_CONDITIONAL_NODE_PARAMS* params) {
  const auto node = in.get<ConditionalNode>();
  auto& bodies = memory_of_node(to_name(handle)).bodies;
  *params = {node.handle, static_cast<CUgraphConditionalNodeType>(node.type), node.size, bodies.data(), (CUcontext)node.context};
  return CUDA_SUCCESS;
}

CUresult read_any(wire::Reader& in, CUgraphNode handle, CUgraphNodeParams* params) {
  switch (params->type) {
    case CU_GRAPH_NODE_TYPE_KERNEL:
      return read_kernel(in, handle, &params->kernel);
    case CU_GRAPH_NODE_TYPE_MEMCPY:
      return read_copy(in, &params->memcpy.copyParams, &params->memcpy.copyCtx);
    case CU_GRAPH_NODE_TYPE_MEMSET:
      return read_fill(in, &params->memset);
    case CU_GRAPH_NODE_TYPE_HOST:
      return read_host(in, &params->host);
    case CU_GRAPH_NODE_TYPE_EMPTY:
      return CUDA_SUCCESS;
    case CU_GRAPH_NODE_TYPE_MEM_ALLOC:
      return read_alloc(in, handle, &params->alloc);
    case CU_GRAPH_NODE_TYPE_MEM_FREE:
      params->free.dptr = in.get<uint64_t>();
      return CUDA_SUCCESS;
    case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP:
      return read_operations(in, handle, &params->memOp);
    case CU_GRAPH_NODE_TYPE_CONDITIONAL:
      return read_conditional(in, handle, &params->conditional);
    default:
      return CUDA_ERROR_NOT_SUPPORTED;
  }
}

// Kinds whose parameter is a handle: the calls that ask for it say which.
CUresult read_handle(CUgraphNode node, CUgraphNodeParams* params) {
  if (params->type == CU_GRAPH_NODE_TYPE_GRAPH) return api::cuGraphChildGraphNodeGetGraph(node, &params->graph.graph);
  if (params->type == CU_GRAPH_NODE_TYPE_EVENT_RECORD) return api::cuGraphEventRecordNodeGetEvent(node, &params->eventRecord.event);
  return api::cuGraphEventWaitNodeGetEvent(node, &params->eventWait.event);
}

bool holds_handle(CUgraphNodeType type) {
  return type == CU_GRAPH_NODE_TYPE_GRAPH || type == CU_GRAPH_NODE_TYPE_EVENT_RECORD || type == CU_GRAPH_NODE_TYPE_WAIT_EVENT;
}

}  // namespace

CUresult cuGraphKernelNodeGetParams(CUgraphNode node, CUDA_KERNEL_NODE_PARAMS_v1* params) {
  return ask(node, params, CU_GRAPH_NODE_TYPE_KERNEL, [&](wire::Reader& in) { return read_kernel(in, node, params); });
}
CUresult cuGraphKernelNodeGetParams_v2(CUgraphNode node, CUDA_KERNEL_NODE_PARAMS* params) {
  return ask(node, params, CU_GRAPH_NODE_TYPE_KERNEL, [&](wire::Reader& in) { return read_kernel(in, node, params); });
}
CUresult cuGraphMemcpyNodeGetParams(CUgraphNode node, CUDA_MEMCPY3D* params) {
  return ask(node, params, CU_GRAPH_NODE_TYPE_MEMCPY, [&](wire::Reader& in) { return read_copy(in, params, nullptr); });
}
CUresult cuGraphMemsetNodeGetParams(CUgraphNode node, CUDA_MEMSET_NODE_PARAMS* params) {
  return ask(node, params, CU_GRAPH_NODE_TYPE_MEMSET, [&](wire::Reader& in) { return read_fill(in, params); });
}
CUresult cuGraphHostNodeGetParams(CUgraphNode node, CUDA_HOST_NODE_PARAMS* params) {
  return ask(node, params, CU_GRAPH_NODE_TYPE_HOST, [&](wire::Reader& in) { return read_host(in, params); });
}
CUresult cuGraphBatchMemOpNodeGetParams(CUgraphNode node, CUDA_BATCH_MEM_OP_NODE_PARAMS* params) {
  return ask(node, params, CU_GRAPH_NODE_TYPE_BATCH_MEM_OP, [&](wire::Reader& in) { return read_operations(in, node, params); });
}
CUresult cuGraphMemAllocNodeGetParams(CUgraphNode node, CUDA_MEM_ALLOC_NODE_PARAMS* params) {
  return ask(node, params, CU_GRAPH_NODE_TYPE_MEM_ALLOC, [&](wire::Reader& in) { return read_alloc(in, node, params); });
}

CUresult cuGraphNodeGetParams(CUgraphNode node, CUgraphNodeParams* params) {
  CUgraphNodeType type;
  if (!params) return process().ready() ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_NOT_INITIALIZED;
  if (CUresult error = api::cuGraphNodeGetType(node, &type)) return error;
  *params = {};
  params->type = type;
  if (holds_handle(type)) return read_handle(node, params);
  return ask(node, params, type, [&](wire::Reader& in) { return read_any(in, node, params); });
}

}  // namespace bitfusion::interposer::api
