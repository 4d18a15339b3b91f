// Graph nodes: what the client describes (native/include/bitfusion/graph_wire.h) becomes a node of the driver, and back.
#include <algorithm>

#include "bitfusion/graph_wire.h"
#include "calls/calls.h"
#include "worker/handlers/decode.h"

namespace bitfusion::worker::calls {
namespace {

constexpr size_t kMaxBodies = 4096;

struct Place {
  CUgraph graph;
  const CUgraphNode* after;
  size_t count;
};

// One node as it was described, ready for the driver.
struct Described {
  CUgraphNodeType type = CU_GRAPH_NODE_TYPE_EMPTY;
  CUcontext context = nullptr;
  CUDA_KERNEL_NODE_PARAMS kernel = {};
  std::vector<void*> pointers;
  uint64_t host_copy = 0;
  CUDA_MEMCPY3D copy = {};
  CUDA_MEMSET_NODE_PARAMS fill = {};
  CUDA_HOST_NODE_PARAMS host = {};
  CUgraph graph = nullptr;
  CUevent event = nullptr;
  CUDA_MEM_ALLOC_NODE_PARAMS alloc = {};
  std::vector<CUmemAccessDesc> accesses;
  CUdeviceptr address = 0;
  CUDA_BATCH_MEM_OP_NODE_PARAMS operations = {};
  std::vector<CUstreamBatchMemOpParams> list;
  ConditionalNode conditional = {};
};

CUresult read_context(State& state, uint64_t name, CUcontext* context) {
  return !name || state.objects.find(name, Handle::kContext, context) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
}

CUresult read_kernel(State& state, wire::Reader& in, Described* node) {
  const auto wanted = in.get<KernelNode>();
  const auto packed = in.blob();
  const std::shared_ptr<const Function> function = state.function(wanted.function);
  if (!function) return CUDA_ERROR_INVALID_VALUE;
  if (packed.size() < function->parameter_bytes) throw BadFrame{"a kernel node with fewer parameter bytes than the kernel has"};
  for (uint32_t offset : function->offsets) node->pointers.push_back(const_cast<std::byte*>(packed.data()) + offset);
  CUDA_KERNEL_NODE_PARAMS& kernel = node->kernel;
  if (function->is_kernel)
    kernel.kern = reinterpret_cast<CUkernel>(function->handle);
  else
    kernel.func = function->handle;
  kernel.gridDimX = wanted.shape.grid[0];
  kernel.gridDimY = wanted.shape.grid[1];
  kernel.gridDimZ = wanted.shape.grid[2];
  kernel.blockDimX = wanted.shape.block[0];
  kernel.blockDimY = wanted.shape.block[1];
  kernel.blockDimZ = wanted.shape.block[2];
  kernel.sharedMemBytes = wanted.shape.shared_bytes;
  kernel.kernelParams = node->pointers.data();
  return read_context(state, wanted.context, &kernel.ctx);
}

bool is_host(CUmemorytype type) { return type == CU_MEMORYTYPE_HOST; }

CUresult read_copy(State& state, wire::Reader& in, Described* node) {
  const auto wanted = in.get<CopyNode>();
  node->host_copy = wanted.host_copy;
  node->copy = wanted.shape;
  CUDA_MEMCPY3D& copy = node->copy;
  copy.srcHost = copy.dstHost = nullptr;
  copy.srcArray = copy.dstArray = nullptr;
  copy.reserved0 = copy.reserved1 = nullptr;
  const bool host = is_host(copy.srcMemoryType) || is_host(copy.dstMemoryType);
  if (host != (wanted.host_copy != 0) || copy.srcMemoryType == CU_MEMORYTYPE_UNIFIED || copy.dstMemoryType == CU_MEMORYTYPE_UNIFIED) {
    throw BadFrame{"a copy node whose sides do not add up"};
  }
  if (copy.srcMemoryType == CU_MEMORYTYPE_ARRAY && !state.objects.find(wanted.source_array, Handle::kArray, &copy.srcArray))
    return CUDA_ERROR_INVALID_HANDLE;
  if (copy.dstMemoryType == CU_MEMORYTYPE_ARRAY && !state.objects.find(wanted.destination_array, Handle::kArray, &copy.dstArray))
    return CUDA_ERROR_INVALID_HANDLE;
  return read_context(state, wanted.context, &node->context);
}

CUresult read_fill(State& state, wire::Reader& in, Described* node) {
  const auto wanted = in.get<FillNode>();
  node->fill = {wanted.address, wanted.pitch, wanted.value, wanted.element_size, wanted.width, wanted.height};
  return read_context(state, wanted.context, &node->context);
}

CUresult read_alloc(wire::Reader& in, Described* node) {
  const auto wanted = in.get<AllocNode>();
  if (wanted.accesses > Budget::kMaxGpus) throw BadFrame{"a memory node for more GPUs than there are"};
  for (uint64_t i = 0; i < wanted.accesses; ++i) node->accesses.push_back(in.get<CUmemAccessDesc>());
  node->alloc.poolProps = wanted.properties;
  clear_addresses(node->alloc.poolProps);
  node->alloc.accessDescs = node->accesses.data();
  node->alloc.accessDescCount = node->accesses.size();
  node->alloc.bytesize = wanted.size;
  return CUDA_SUCCESS;
}

CUresult read_operations(State& state, wire::Reader& in, Described* node) {
  const auto wanted = in.get<OperationsNode>();
  for (uint32_t i = 0; i < wanted.count && in.ok(); ++i) node->list.push_back(in.get<CUstreamBatchMemOpParams>());
  node->operations = {nullptr, wanted.count, node->list.data(), wanted.flags};
  return read_context(state, wanted.context, &node->operations.ctx);
}

CUresult read(State& state, wire::Bytes description, Described* node) {
  wire::Reader in(description);
  node->type = static_cast<CUgraphNodeType>(in.get<uint32_t>());
  CUresult status = CUDA_SUCCESS;
  switch (node->type) {
    case CU_GRAPH_NODE_TYPE_KERNEL:
      status = read_kernel(state, in, node);
      break;
    case CU_GRAPH_NODE_TYPE_MEMCPY:
      status = read_copy(state, in, node);
      break;
    case CU_GRAPH_NODE_TYPE_MEMSET:
      status = read_fill(state, in, node);
      break;
    case CU_GRAPH_NODE_TYPE_HOST:
      node->host = state.graphs.host_node(in.get<uint64_t>());
      break;
    case CU_GRAPH_NODE_TYPE_GRAPH:
      if (!state.objects.find(in.get<uint64_t>(), Handle::kGraph, &node->graph)) status = CUDA_ERROR_INVALID_VALUE;
      break;
    case CU_GRAPH_NODE_TYPE_EMPTY:
      break;
    case CU_GRAPH_NODE_TYPE_EVENT_RECORD:
    case CU_GRAPH_NODE_TYPE_WAIT_EVENT:
      if (!state.objects.find(in.get<uint64_t>(), Handle::kEvent, &node->event)) status = CUDA_ERROR_INVALID_HANDLE;
      break;
    case CU_GRAPH_NODE_TYPE_MEM_ALLOC:
      status = read_alloc(in, node);
      break;
    case CU_GRAPH_NODE_TYPE_MEM_FREE:
      node->address = in.get<uint64_t>();
      break;
    case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP:
      status = read_operations(state, in, node);
      break;
    case CU_GRAPH_NODE_TYPE_CONDITIONAL:
      node->conditional = in.get<ConditionalNode>();
      status = read_context(state, node->conditional.context, &node->context);
      break;
    default:
      throw BadFrame{"a graph node of an unknown kind"};
  }
  if (!in.ok()) throw BadFrame{"a graph node that is cut short"};
  return status;
}

// Calls an entry point that an older driver may lack.
template <typename Function, typename... Args>
CUresult ask(Function function, Args... args) {
  return function ? static_cast<CUresult>(function(args...)) : CUDA_ERROR_NOT_SUPPORTED;
}

CUresult add_kernel(State& state, const Place& at, Described& node, CUgraphNode* out) {
  if (state.cuda.cuGraphAddKernelNode_v2) return state.cuda.cuGraphAddKernelNode_v2(out, at.graph, at.after, at.count, &node.kernel);
  CUDA_KERNEL_NODE_PARAMS_v1 old = {};
  std::memcpy(&old, &node.kernel, sizeof old);  // the newer structure begins with the older one
  return state.cuda.cuGraphAddKernelNode(out, at.graph, at.after, at.count, &old);
}

CUresult add_copy(State& state, const Place& at, Described& node, CUgraphNode* out) {
  if (!node.host_copy) return state.cuda.cuGraphAddMemcpyNode(out, at.graph, at.after, at.count, &node.copy, node.context);
  CUgraph child = nullptr;
  if (CUresult error = state.graphs.make_copy(node.host_copy, node.copy, node.context, &child)) return error;
  const CUresult status = state.cuda.cuGraphAddChildGraphNode(out, at.graph, at.after, at.count, child);
  state.cuda.cuGraphDestroy(child);
  return status;
}

CUresult add_conditional(State& state, const Place& at, Described& node, CUgraphNode* out, std::vector<CUgraph>* bodies) {
  if (node.conditional.size > kMaxBodies) throw BadFrame{"a conditional node with too many bodies"};
  CUgraphNodeParams params = {};
  params.type = CU_GRAPH_NODE_TYPE_CONDITIONAL;
  params.conditional.handle = node.conditional.handle;
  params.conditional.type = static_cast<CUgraphConditionalNodeType>(node.conditional.type);
  params.conditional.size = node.conditional.size;
  params.conditional.ctx = node.context;
  const CUresult status = state.cuda.cuGraphAddNode_v2 ? state.cuda.cuGraphAddNode_v2(out, at.graph, at.after, nullptr, at.count, &params)
                                                       : ask(state.cuda.cuGraphAddNode, out, at.graph, at.after, at.count, &params);
  if (status == CUDA_SUCCESS) bodies->assign(params.conditional.phGraph_out, params.conditional.phGraph_out + params.conditional.size);
  return status;
}

CUresult add(State& state, const Place& at, Described& node, CUgraphNode* out, std::vector<CUgraph>* bodies) {
  const CudaDriver& cuda = state.cuda;
  switch (node.type) {
    case CU_GRAPH_NODE_TYPE_KERNEL:
      return add_kernel(state, at, node, out);
    case CU_GRAPH_NODE_TYPE_MEMCPY:
      return add_copy(state, at, node, out);
    case CU_GRAPH_NODE_TYPE_MEMSET:
      return ask(cuda.cuGraphAddMemsetNode, out, at.graph, at.after, at.count, &node.fill, node.context);
    case CU_GRAPH_NODE_TYPE_HOST:
      return ask(cuda.cuGraphAddHostNode, out, at.graph, at.after, at.count, &node.host);
    case CU_GRAPH_NODE_TYPE_GRAPH:
      return ask(cuda.cuGraphAddChildGraphNode, out, at.graph, at.after, at.count, node.graph);
    case CU_GRAPH_NODE_TYPE_EVENT_RECORD:
      return ask(cuda.cuGraphAddEventRecordNode, out, at.graph, at.after, at.count, node.event);
    case CU_GRAPH_NODE_TYPE_WAIT_EVENT:
      return ask(cuda.cuGraphAddEventWaitNode, out, at.graph, at.after, at.count, node.event);
    case CU_GRAPH_NODE_TYPE_MEM_ALLOC:
      return ask(cuda.cuGraphAddMemAllocNode, out, at.graph, at.after, at.count, &node.alloc);
    case CU_GRAPH_NODE_TYPE_MEM_FREE:
      return ask(cuda.cuGraphAddMemFreeNode, out, at.graph, at.after, at.count, node.address);
    case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP:
      return ask(cuda.cuGraphAddBatchMemOpNode, out, at.graph, at.after, at.count, &node.operations);
    case CU_GRAPH_NODE_TYPE_CONDITIONAL:
      return add_conditional(state, at, node, out, bodies);
    default:
      return ask(cuda.cuGraphAddEmptyNode, out, at.graph, at.after, at.count);
  }
}

bool plain(const CUgraphEdgeData& edge) { return !edge.from_port && !edge.to_port && !edge.type; }

// Edges that are more than "after" are added to a node that has none yet.
CUresult add_with_edges(State& state, CUgraph graph, const std::vector<CUgraphNode>& after, const std::vector<CUgraphEdgeData>& edges,
                        Described& node, CUgraphNode* out, std::vector<CUgraph>* bodies) {
  if (!edges.empty() && edges.size() != after.size()) throw BadFrame{"edges that do not match their nodes"};
  if (std::ranges::all_of(edges, plain)) return add(state, {graph, after.data(), after.size()}, node, out, bodies);
  if (!state.cuda.cuGraphAddDependencies_v2) return CUDA_ERROR_NOT_SUPPORTED;
  if (CUresult error = add(state, {graph, nullptr, 0}, node, out, bodies)) return error;
  const std::vector<CUgraphNode> to(after.size(), *out);
  const CUresult status = state.cuda.cuGraphAddDependencies_v2(graph, after.data(), to.data(), edges.data(), after.size());
  if (status != CUDA_SUCCESS) state.cuda.cuGraphDestroyNode(*out);
  return status;
}

CUresult set_copy(State& state, CUgraphNode handle, Described& node) {
  CUgraph child = nullptr;
  if (state.graphs.copy_of(handle, &child)) {
    return node.host_copy ? state.graphs.change_copy(child, node.host_copy, node.copy) : CUDA_ERROR_NOT_SUPPORTED;
  }
  return node.host_copy ? CUDA_ERROR_NOT_SUPPORTED : ask(state.cuda.cuGraphMemcpyNodeSetParams, handle, &node.copy);
}

CUresult set(State& state, CUgraphNode handle, Described& node) {
  const CudaDriver& cuda = state.cuda;
  switch (node.type) {
    case CU_GRAPH_NODE_TYPE_KERNEL:
      return ask(cuda.cuGraphKernelNodeSetParams_v2, handle, &node.kernel);
    case CU_GRAPH_NODE_TYPE_MEMCPY:
      return set_copy(state, handle, node);
    case CU_GRAPH_NODE_TYPE_MEMSET:
      return ask(cuda.cuGraphMemsetNodeSetParams, handle, &node.fill);
    case CU_GRAPH_NODE_TYPE_HOST:
      return ask(cuda.cuGraphHostNodeSetParams, handle, &node.host);
    case CU_GRAPH_NODE_TYPE_EVENT_RECORD:
      return ask(cuda.cuGraphEventRecordNodeSetEvent, handle, node.event);
    case CU_GRAPH_NODE_TYPE_WAIT_EVENT:
      return ask(cuda.cuGraphEventWaitNodeSetEvent, handle, node.event);
    case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP:
      return ask(cuda.cuGraphBatchMemOpNodeSetParams, handle, &node.operations);
    default:
      return CUDA_ERROR_NOT_SUPPORTED;
  }
}

CUresult set_copy_in(State& state, CUgraphExec exec, CUgraphNode handle, Described& node) {
  const bool was_host_copy = state.graphs.copy_of(handle) != 0;
  if (was_host_copy != (node.host_copy != 0)) return CUDA_ERROR_INVALID_VALUE;  // an executable graph keeps the kinds of its memory
  if (!was_host_copy) return ask(state.cuda.cuGraphExecMemcpyNodeSetParams, exec, handle, &node.copy, node.context);
  CUgraph child = nullptr;
  if (CUresult error = state.graphs.make_copy(node.host_copy, node.copy, node.context, &child)) return error;
  const CUresult status = ask(state.cuda.cuGraphExecChildGraphNodeSetParams, exec, handle, child);
  state.cuda.cuGraphDestroy(child);
  return status;
}

CUresult set_in(State& state, CUgraphExec exec, CUgraphNode handle, Described& node) {
  const CudaDriver& cuda = state.cuda;
  switch (node.type) {
    case CU_GRAPH_NODE_TYPE_KERNEL:
      return ask(cuda.cuGraphExecKernelNodeSetParams_v2, exec, handle, &node.kernel);
    case CU_GRAPH_NODE_TYPE_MEMCPY:
      return set_copy_in(state, exec, handle, node);
    case CU_GRAPH_NODE_TYPE_MEMSET:
      return ask(cuda.cuGraphExecMemsetNodeSetParams, exec, handle, &node.fill, node.context);
    case CU_GRAPH_NODE_TYPE_HOST:
      return ask(cuda.cuGraphExecHostNodeSetParams, exec, handle, &node.host);
    case CU_GRAPH_NODE_TYPE_GRAPH:
      return ask(cuda.cuGraphExecChildGraphNodeSetParams, exec, handle, node.graph);
    case CU_GRAPH_NODE_TYPE_EVENT_RECORD:
      return ask(cuda.cuGraphExecEventRecordNodeSetEvent, exec, handle, node.event);
    case CU_GRAPH_NODE_TYPE_WAIT_EVENT:
      return ask(cuda.cuGraphExecEventWaitNodeSetEvent, exec, handle, node.event);
    case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP:
      return ask(cuda.cuGraphExecBatchMemOpNodeSetParams, exec, handle, &node.operations);
    default:
      return CUDA_ERROR_NOT_SUPPORTED;
  }
}

// --- Answers -----------------------------------------------------------------------------------------------------------------------------

uint64_t name_of_context(State& state, CUcontext context) { return context ? state.objects.name_of(Handle::kContext, context) : 0; }

CUresult put_kernel(State& state, CUgraphNode handle, ReplyBuffer& reply) {
  CUDA_KERNEL_NODE_PARAMS params = {};
  if (CUresult error = ask(state.cuda.cuGraphKernelNodeGetParams_v2, handle, &params)) return error;
  KernelNode node = {name_of_context(state, params.ctx), state.number_of(params.func, params.kern), 0, {}};
  const std::shared_ptr<const Function> function = state.function(node.function);
  if (!function) return CUDA_ERROR_NOT_SUPPORTED;
  node.shape = {{params.gridDimX, params.gridDimY, params.gridDimZ},
                {params.blockDimX, params.blockDimY, params.blockDimZ},
                params.sharedMemBytes,
                0};
  std::vector<std::byte> packed(function->parameter_bytes);
  for (size_t i = 0; i < function->offsets.size() && params.kernelParams; ++i) {
    const size_t end = i + 1 < function->offsets.size() ? function->offsets[i + 1] : function->parameter_bytes;
    std::memcpy(packed.data() + function->offsets[i], params.kernelParams[i], end - function->offsets[i]);
  }
  reply.put(node);
  reply.blob(packed.data(), packed.size());
  return CUDA_SUCCESS;
}

CUresult put_copy(State& state, CUgraphNode handle, ReplyBuffer& reply) {
  CopyNode node = {};
  node.host_copy = state.graphs.copy_of(handle);
  if (!node.host_copy) {
    if (CUresult error = ask(state.cuda.cuGraphMemcpyNodeGetParams, handle, &node.shape)) return error;
    node.source_array = node.shape.srcArray ? state.objects.name_of(Handle::kArray, node.shape.srcArray) : 0;
    node.destination_array = node.shape.dstArray ? state.objects.name_of(Handle::kArray, node.shape.dstArray) : 0;
    node.shape.srcArray = node.shape.dstArray = nullptr;
    node.shape.srcHost = node.shape.dstHost = nullptr;
  }
  reply.put(node);
  return CUDA_SUCCESS;
}

CUresult put_fill(State& state, CUgraphNode handle, ReplyBuffer& reply) {
  CUDA_MEMSET_NODE_PARAMS params = {};
  if (CUresult error = ask(state.cuda.cuGraphMemsetNodeGetParams, handle, &params)) return error;
  reply.put(FillNode{0, params.dst, params.pitch, params.width, params.height, params.value, params.elementSize});
  return CUDA_SUCCESS;
}

CUresult put_host(State& state, CUgraphNode handle, ReplyBuffer& reply) {
  CUDA_HOST_NODE_PARAMS params = {};
  if (CUresult error = ask(state.cuda.cuGraphHostNodeGetParams, handle, &params)) return error;
  reply.put(state.graphs.number_of(params));
  return CUDA_SUCCESS;
}

CUresult put_alloc(State& state, CUgraphNode handle, ReplyBuffer& reply) {
  CUDA_MEM_ALLOC_NODE_PARAMS params = {};
  if (CUresult error = ask(state.cuda.cuGraphMemAllocNodeGetParams, handle, &params)) return error;
  AllocNode node = {params.poolProps, params.bytesize, params.dptr, params.accessDescCount};
  reply.put(node);
  for (size_t i = 0; i < params.accessDescCount; ++i) reply.put(params.accessDescs[i]);
  return CUDA_SUCCESS;
}

CUresult put_operations(State& state, CUgraphNode handle, ReplyBuffer& reply) {
  CUDA_BATCH_MEM_OP_NODE_PARAMS params = {};
  if (CUresult error = ask(state.cuda.cuGraphBatchMemOpNodeGetParams, handle, &params)) return error;
  reply.put(OperationsNode{name_of_context(state, params.ctx), params.count, params.flags});
  for (unsigned i = 0; i < params.count; ++i) reply.put(params.paramArray[i]);
  return CUDA_SUCCESS;
}

CUresult put_free(State& state, CUgraphNode handle, ReplyBuffer& reply) {
  CUdeviceptr address = 0;
  if (CUresult error = ask(state.cuda.cuGraphMemFreeNodeGetParams, handle, &address)) return error;
  reply.put<uint64_t>(address);
  return CUDA_SUCCESS;
}

CUresult put_node(State& state, CUgraphNode handle, CUgraphNodeType kind, ReplyBuffer& reply) {
  switch (kind) {
    case CU_GRAPH_NODE_TYPE_KERNEL:
      return put_kernel(state, handle, reply);
    case CU_GRAPH_NODE_TYPE_MEMCPY:
      return put_copy(state, handle, reply);
    case CU_GRAPH_NODE_TYPE_MEMSET:
      return put_fill(state, handle, reply);
    case CU_GRAPH_NODE_TYPE_HOST:
      return put_host(state, handle, reply);
    case CU_GRAPH_NODE_TYPE_MEM_ALLOC:
      return put_alloc(state, handle, reply);
    case CU_GRAPH_NODE_TYPE_MEM_FREE:
      return put_free(state, handle, reply);
    case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP:
      return put_operations(state, handle, reply);
    case CU_GRAPH_NODE_TYPE_EMPTY:
      return CUDA_SUCCESS;
    default:
      return CUDA_ERROR_NOT_SUPPORTED;
  }
}

CUresult type_of(State& state, CUgraphNode node, CUgraphNodeType* type) {
  if (CUresult error = state.cuda.cuGraphNodeGetType(node, type)) return error;
  if (*type == CU_GRAPH_NODE_TYPE_GRAPH && state.graphs.copy_of(node)) *type = CU_GRAPH_NODE_TYPE_MEMCPY;
  return CUDA_SUCCESS;
}

}  // namespace

CUresult GraphNodeAdd(Call& call, uint64_t name, CUgraph graph, std::vector<CUgraphNode>& after, std::vector<CUgraphEdgeData>& edges,
                      uint64_t, wire::Bytes description, wire::Bytes offered) {
  State& state = state_of(call);
  Described node;
  if (CUresult error = read(state, description, &node)) return error;
  CUgraphNode made = nullptr;
  std::vector<CUgraph> bodies;
  if (CUresult error = add_with_edges(state, graph, after, edges, node, &made, &bodies)) return error;
  state.objects.add(name, Handle::kGraphNode, made, state.objects.name_of(Handle::kGraph, graph));
  if (node.type == CU_GRAPH_NODE_TYPE_MEM_ALLOC) call.reply.put<uint64_t>(node.alloc.dptr);
  wire::Reader names(offered);
  for (CUgraph body : bodies) call.reply.put(state.objects.adopt(names.get<uint64_t>(), Handle::kGraph, body, name));
  if (!names.ok()) throw BadFrame{"fewer names than bodies of a conditional node"};
  return CUDA_SUCCESS;
}

CUresult GraphNodeSet(Call& call, CUgraphExec exec, CUgraphNode handle, wire::Bytes description) {
  State& state = state_of(call);
  Described node;
  if (CUresult error = read(state, description, &node)) return error;
  CUgraphNodeType type;
  if (CUresult error = type_of(state, handle, &type)) return error;
  if (type != node.type) return CUDA_ERROR_INVALID_VALUE;
  return exec ? set_in(state, exec, handle, node) : set(state, handle, node);
}

CUresult GraphNodeGet(Call& call, CUgraphNode handle, uint32_t kind, wire::Bytes) {
  State& state = state_of(call);
  CUgraphNodeType type;
  if (CUresult error = type_of(state, handle, &type)) return error;
  if (type != static_cast<CUgraphNodeType>(kind)) return CUDA_ERROR_INVALID_VALUE;
  call.reply.put(kind);
  return put_node(state, handle, type, call.reply);
}

CUresult cuGraphNodeGetType(Call& call, CUgraphNode node, CUgraphNodeType* type) { return type_of(state_of(call), node, type); }

// Attributes that hold handles would be read as pointers by the driver; the client never sends them.
CUresult cuGraphKernelNodeSetAttribute(Call& call, CUgraphNode node, CUkernelNodeAttrID attribute, const CUkernelNodeAttrValue* value) {
  switch (attribute) {
    case CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_EVENT:
    case CU_LAUNCH_ATTRIBUTE_LAUNCH_COMPLETION_EVENT:
    case CU_LAUNCH_ATTRIBUTE_DEVICE_UPDATABLE_KERNEL_NODE:
      return CUDA_ERROR_NOT_SUPPORTED;
    default:
      return value ? ask(state_of(call).cuda.cuGraphKernelNodeSetAttribute, node, attribute, value) : CUDA_ERROR_INVALID_VALUE;
  }
}

}  // namespace bitfusion::worker::calls
