// Parameters of graph nodes, from the application's structures to what travels.
#include <algorithm>
#include <mutex>
#include <unordered_map>

#include "interposer/check.h"
#include "interposer/code.h"
#include "interposer/graph_node.h"
#include "interposer/host_call.h"
#include "interposer/host_copy.h"
#include "interposer/launch.h"
#include "interposer/ranges.h"

namespace bitfusion::interposer {
namespace {

constexpr size_t kMaxOperations = 256;  // as the driver has it

// The variants of a kernel node's structure differ in what comes after the launch.
template <typename Params>
CUfunction function_of(const Params& params) {
  if constexpr (requires { params.kern; }) {
    if (!params.func) return reinterpret_cast<CUfunction>(params.kern);
  }
  return params.func;
}

template <typename Params>
CUcontext context_of(const Params& params) {
  if constexpr (requires { params.ctx; }) return params.ctx;
  return nullptr;
}

// A unified address is that of the device if it is in our books, else the application's own.
CUmemorytype side(CUmemorytype said, CUdeviceptr address) {
  if (said != CU_MEMORYTYPE_UNIFIED) return said;
  return ranges().on_device(address) ? CU_MEMORYTYPE_DEVICE : CU_MEMORYTYPE_HOST;
}

CUresult name_array(CUmemorytype side, CUarray array, uint64_t* name) {
  if (side != CU_MEMORYTYPE_ARRAY) return CUDA_SUCCESS;
  *name = to_name(array);
  return handles().valid(*name, Handle::kArray) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

// Both sides' unified addresses decided, addresses of host memory where they belong.
CUDA_MEMCPY3D decided(const CUDA_MEMCPY3D& copy) {
  CUDA_MEMCPY3D plain = copy;
  plain.srcMemoryType = side(copy.srcMemoryType, copy.srcDevice);
  plain.dstMemoryType = side(copy.dstMemoryType, copy.dstDevice);
  if (copy.srcMemoryType == CU_MEMORYTYPE_UNIFIED) plain.srcHost = reinterpret_cast<const void*>(copy.srcDevice);
  if (copy.dstMemoryType == CU_MEMORYTYPE_UNIFIED) plain.dstHost = reinterpret_cast<void*>(copy.dstDevice);
  return plain;
}

}  // namespace

Offered::Offered(Handle kind, uint64_t owner, size_t count) {
  for (size_t i = 0; i < count; ++i) names_.push_back(handles().mint(kind, owner));
}

Offered::~Offered() {
  for (uint64_t name : names_) handles().drop(name);
}

void Offered::keep(uint64_t name) {
  auto at = std::find(names_.begin(), names_.end(), name);
  if (at == names_.end()) return;
  *at = names_.back();
  names_.pop_back();
}

bool name_context(CUcontext context, uint64_t* name) {
  *name = to_name(context);
  return !context || handles().valid(*name, Handle::kContext);
}

template <typename Params>
CUresult describe_kernel(const Params& params, Description* out) {
  KernelNode node = {};
  Kernel* kernel = find_kernel(function_of(params));
  if (!kernel) return CUDA_ERROR_INVALID_VALUE;
  if (!name_context(context_of(params), &node.context)) return CUDA_ERROR_INVALID_CONTEXT;
  if (!current()) return CUDA_ERROR_INVALID_CONTEXT;
  if (params.kernelParams && params.extra) return CUDA_ERROR_INVALID_VALUE;
  node.function = kernel->number;
  node.shape = {{params.gridDimX, params.gridDimY, params.gridDimZ},
                {params.blockDimX, params.blockDimY, params.blockDimZ},
                params.sharedMemBytes,
                0};
  if (CUresult error = check_shape(node.shape, current()->device)) return error;
  std::vector<std::byte> packed(kernel->parameter_bytes);
  if (CUresult error = pack_parameters(*kernel, params.kernelParams, params.extra, packed.data())) return error;
  out->put(node);
  out->blob(packed.data(), packed.size());
  return CUDA_SUCCESS;
}
template CUresult describe_kernel(const CUDA_KERNEL_NODE_PARAMS_v1&, Description*);
template CUresult describe_kernel(const CUDA_KERNEL_NODE_PARAMS&, Description*);
template CUresult describe_kernel(const CUDA_KERNEL_NODE_PARAMS_v3&, Description*);

CUresult describe_copy(const Caller& at, const CUDA_MEMCPY3D& copy, CUcontext context, Description* out) {
  CopyNode node = {};
  if (!name_context(context, &node.context)) return CUDA_ERROR_INVALID_CONTEXT;
  node.shape = decided(copy);
  if (CUresult error = name_array(node.shape.srcMemoryType, copy.srcArray, &node.source_array)) return error;
  if (CUresult error = name_array(node.shape.dstMemoryType, copy.dstArray, &node.destination_array)) return error;
  if (node.shape.srcMemoryType == CU_MEMORYTYPE_HOST || node.shape.dstMemoryType == CU_MEMORYTYPE_HOST) {
    if (CUresult error = remember_host_copy(at, &node.shape, &node.host_copy)) return error;
  }
  node.shape.srcHost = nullptr;
  node.shape.dstHost = nullptr;
  node.shape.srcArray = nullptr;
  node.shape.dstArray = nullptr;
  node.shape.reserved0 = nullptr;
  node.shape.reserved1 = nullptr;
  out->put(node);
  return CUDA_SUCCESS;
}

template <typename Params>
CUresult describe_fill(const Params& params, CUcontext context, Description* out) {
  FillNode node = {0, params.dst, params.pitch, params.width, params.height, params.value, params.elementSize};
  if (!name_context(context, &node.context)) return CUDA_ERROR_INVALID_CONTEXT;
  out->put(node);
  return CUDA_SUCCESS;
}
template CUresult describe_fill(const CUDA_MEMSET_NODE_PARAMS&, CUcontext, Description*);
template CUresult describe_fill(const CUDA_MEMSET_NODE_PARAMS_v2&, CUcontext, Description*);

CUresult describe_host(const Caller& at, CUhostFn function, void* data, Description* out) {
  if (!function) return CUDA_ERROR_INVALID_VALUE;
  const uint64_t number = remember_graph_call(at, function, data);
  if (!number) return CUDA_ERROR_OUT_OF_MEMORY;
  out->put(number);
  return CUDA_SUCCESS;
}

CUresult describe_graph(CUgraph graph, Description* out) {
  const uint64_t name = to_name(graph);
  if (!handles().valid(name, Handle::kGraph)) return CUDA_ERROR_INVALID_VALUE;
  out->put(name);
  return CUDA_SUCCESS;
}

CUresult describe_event(CUevent event, Description* out) {
  const uint64_t name = to_name(event);
  if (!handles().valid(name, Handle::kEvent)) return CUDA_ERROR_INVALID_HANDLE;
  out->put(name);
  return CUDA_SUCCESS;
}

template <typename Params>
CUresult describe_alloc(const Params& params, Description* out) {
  if (!params.bytesize || (params.accessDescCount && !params.accessDescs)) return CUDA_ERROR_INVALID_VALUE;
  if (params.accessDescCount > process().devices().size()) return CUDA_ERROR_INVALID_VALUE;
  AllocNode node = {params.poolProps, params.bytesize, 0, params.accessDescCount};
  node.properties.win32SecurityAttributes = nullptr;
  out->put(node);
  out->bytes(params.accessDescs, params.accessDescCount * sizeof(CUmemAccessDesc));
  return CUDA_SUCCESS;
}
template CUresult describe_alloc(const CUDA_MEM_ALLOC_NODE_PARAMS_v1&, Description*);
template CUresult describe_alloc(const CUDA_MEM_ALLOC_NODE_PARAMS_v2&, Description*);

template <typename Params>
CUresult describe_operations(const Params& params, Description* out) {
  OperationsNode node = {0, params.count, params.flags};
  if (!params.paramArray || !params.count || params.count > kMaxOperations) return CUDA_ERROR_INVALID_VALUE;
  if (!name_context(params.ctx, &node.context)) return CUDA_ERROR_INVALID_CONTEXT;
  out->put(node);
  out->bytes(params.paramArray, params.count * sizeof(CUstreamBatchMemOpParams));
  return CUDA_SUCCESS;
}
template CUresult describe_operations(const CUDA_BATCH_MEM_OP_NODE_PARAMS_v1&, Description*);
template CUresult describe_operations(const CUDA_BATCH_MEM_OP_NODE_PARAMS_v2&, Description*);

CUresult describe_conditional(const CUDA_CONDITIONAL_NODE_PARAMS& params, Description* out) {
  constexpr unsigned kMaxBodies = 4096;
  ConditionalNode node = {params.handle, 0, static_cast<uint32_t>(params.type), params.size};
  if (!params.size || params.size > kMaxBodies) return CUDA_ERROR_INVALID_VALUE;
  if (!name_context(params.ctx, &node.context)) return CUDA_ERROR_INVALID_CONTEXT;
  out->put(node);
  return CUDA_SUCCESS;
}

CUresult describe_any(const Caller& at, const CUgraphNodeParams& params, std::unique_ptr<Description>* made) {
  *made = std::make_unique<Description>(params.type);
  Description* out = made->get();
  switch (params.type) {
    case CU_GRAPH_NODE_TYPE_KERNEL:
      return describe_kernel(params.kernel, out);
    case CU_GRAPH_NODE_TYPE_MEMCPY:
      return describe_copy(at, params.memcpy.copyParams, params.memcpy.copyCtx, out);
    case CU_GRAPH_NODE_TYPE_MEMSET:
      return describe_fill(params.memset, params.memset.ctx, out);
    case CU_GRAPH_NODE_TYPE_HOST:
      return describe_host(at, params.host.fn, params.host.userData, out);
    case CU_GRAPH_NODE_TYPE_GRAPH:
      return describe_graph(params.graph.graph, out);
    case CU_GRAPH_NODE_TYPE_EMPTY:
      return CUDA_SUCCESS;
    case CU_GRAPH_NODE_TYPE_EVENT_RECORD:
      return describe_event(params.eventRecord.event, out);
    case CU_GRAPH_NODE_TYPE_WAIT_EVENT:
      return describe_event(params.eventWait.event, out);
    case CU_GRAPH_NODE_TYPE_MEM_ALLOC:
      return describe_alloc(params.alloc, out);
    case CU_GRAPH_NODE_TYPE_MEM_FREE:
      out->put<uint64_t>(params.free.dptr);
      return CUDA_SUCCESS;
    case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP:
      return describe_operations(params.memOp, out);
    case CU_GRAPH_NODE_TYPE_CONDITIONAL:
      return describe_conditional(params.conditional, out);
    default:
      log_refusal("a graph node of another kind", "its parameters have no meaning on the server");
      return CUDA_ERROR_NOT_SUPPORTED;
  }
}

NodeMemory& memory_of_node(uint64_t node) {
  constexpr size_t kTidyAt = 4096;
  static std::mutex mutex;
  static auto* const memories = new std::unordered_map<uint64_t, std::unique_ptr<NodeMemory>>;
  std::lock_guard lock(mutex);
  if (memories->size() >= kTidyAt) {
    std::erase_if(*memories, [](const auto& entry) { return !handles().valid(entry.first, Handle::kGraphNode); });
  }
  auto& memory = (*memories)[node];
  if (!memory) memory = std::make_unique<NodeMemory>();
  return *memory;
}

}  // namespace bitfusion::interposer
