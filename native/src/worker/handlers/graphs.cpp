#include "worker/handlers/graphs.h"

namespace bitfusion::worker {
namespace {

void run_call(void* data) {
  const auto* call = static_cast<Graphs::HostCall*>(data);
  call->executor->run_host_function(call->number, CUDA_SUCCESS);
}

void fetch(void* data) {
  auto* copy = static_cast<Graphs::HostCopy*>(data);
  copy->executor->copy_host_memory(copy->number, {}, {copy->bytes.data(), copy->bytes.size()});
}

void send(void* data) {
  auto* copy = static_cast<Graphs::HostCopy*>(data);
  copy->executor->copy_host_memory(copy->number, {copy->bytes.data(), copy->bytes.size()}, {});
}

bool from_host(const CUDA_MEMCPY3D& shape) { return shape.srcMemoryType == CU_MEMORYTYPE_HOST; }
bool to_host(const CUDA_MEMCPY3D& shape) { return shape.dstMemoryType == CU_MEMORYTYPE_HOST; }

}  // namespace

void Graphs::note_capture() {
  may_capture_ = true;
  executor_.note_capture();
}

bool Graphs::is_capturing(CUstream stream) const {
  CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_NONE;
  return may_capture_ && cuda_.cuStreamIsCapturing(stream, &status) == CUDA_SUCCESS && status == CU_STREAM_CAPTURE_STATUS_ACTIVE;
}

CUresult Graphs::capture_host_function(CUstream stream, uint64_t number) {
  const CUDA_HOST_NODE_PARAMS node = host_node(number);
  return cuda_.cuLaunchHostFunc(stream, node.fn, node.userData);
}

CUDA_HOST_NODE_PARAMS Graphs::host_node(uint64_t number) {
  std::lock_guard lock(mutex_);
  calls_.push_back(std::make_unique<HostCall>(&executor_, number));
  return {run_call, calls_.back().get()};
}

uint64_t Graphs::number_of(const CUDA_HOST_NODE_PARAMS& node) const {
  return node.fn == run_call ? static_cast<const HostCall*>(node.userData)->number : 0;
}

// The host side of `shape` becomes a buffer of ours.
std::unique_ptr<Graphs::HostCopy> Graphs::new_copy(uint64_t number, CUDA_MEMCPY3D* shape) const {
  size_t size;
  if (__builtin_mul_overflow(shape->WidthInBytes, shape->Height, &size) || __builtin_mul_overflow(size, shape->Depth, &size))
    return nullptr;
  if (!size || size > (size_t{64} << 30)) return nullptr;
  auto copy = std::make_unique<HostCopy>(&executor_, number, ZeroPages(size));
  if (!copy->bytes.data()) return nullptr;
  if (from_host(*shape)) shape->srcHost = copy->bytes.data();
  if (to_host(*shape)) shape->dstHost = copy->bytes.data();
  return copy;
}

// The driver says when the last graph that has it is gone.
void Graphs::keep(CUgraph graph, std::unique_ptr<HostCopy> copy) {
  const auto end = [](void* data) { delete static_cast<HostCopy*>(data); };
  CUuserObject object = nullptr;
  if (cuda_.cuUserObjectCreate &&
      cuda_.cuUserObjectCreate(&object, copy.get(), end, 1, CU_USER_OBJECT_NO_DESTRUCTOR_SYNC) == CUDA_SUCCESS) {
    copy.release();
    cuda_.cuGraphRetainUserObject(graph, object, 1, CU_GRAPH_USER_OBJECT_MOVE);  // if that fails it stays for good
    return;
  }
  std::lock_guard lock(mutex_);
  copies_.push_back(std::move(copy));
}

CUresult Graphs::make_copy(uint64_t number, const CUDA_MEMCPY3D& shape, CUcontext context, CUgraph* child) {
  CUDA_MEMCPY3D plain = shape;
  auto copy = new_copy(number, &plain);
  if (!copy) return CUDA_ERROR_INVALID_VALUE;
  if (CUresult error = cuda_.cuGraphCreate(child, 0)) return error;
  CUgraphNode last = nullptr;
  const auto after = [&] { return last ? size_t{1} : size_t{0}; };
  const auto add_host = [&](CUhostFn function) {
    const CUDA_HOST_NODE_PARAMS node{function, copy.get()};
    const CUgraphNode before = last;
    return cuda_.cuGraphAddHostNode(&last, *child, &before, before ? 1 : 0, &node);
  };
  CUresult status = from_host(plain) ? add_host(fetch) : CUDA_SUCCESS;
  if (status == CUDA_SUCCESS && !(from_host(plain) && to_host(plain))) {
    const CUgraphNode before = last;
    status = cuda_.cuGraphAddMemcpyNode(&last, *child, &before, after(), &plain, context);
  }
  if (status == CUDA_SUCCESS && to_host(plain)) status = add_host(send);
  if (status == CUDA_SUCCESS) {
    keep(*child, std::move(copy));
    return CUDA_SUCCESS;
  }
  cuda_.cuGraphDestroy(*child);
  return status;
}

CUresult Graphs::parts_of(CUgraph child, Parts* parts) const {
  CUgraphNode nodes[3];
  size_t count = 0;
  if (CUresult error = cuda_.cuGraphGetNodes(child, nullptr, &count)) return error;
  if (!count || count > 3) return CUDA_ERROR_INVALID_VALUE;
  if (CUresult error = cuda_.cuGraphGetNodes(child, nodes, &count)) return error;
  for (size_t i = 0; i < count; ++i) {
    CUgraphNodeType type;
    CUDA_HOST_NODE_PARAMS host = {};
    if (CUresult error = cuda_.cuGraphNodeGetType(nodes[i], &type)) return error;
    if (type == CU_GRAPH_NODE_TYPE_MEMCPY) parts->copy = nodes[i];
    if (type != CU_GRAPH_NODE_TYPE_HOST || cuda_.cuGraphHostNodeGetParams(nodes[i], &host) != CUDA_SUCCESS) continue;
    if (host.fn == fetch) parts->fetch = nodes[i];
    if (host.fn == send) parts->send = nodes[i];
    if (host.fn == fetch || host.fn == send) parts->host = static_cast<HostCopy*>(host.userData);
  }
  return parts->host ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

uint64_t Graphs::copy_of(CUgraphNode node, CUgraph* child) const {
  CUgraphNodeType type;
  CUgraph embedded = nullptr;
  Parts parts;
  if (cuda_.cuGraphNodeGetType(node, &type) != CUDA_SUCCESS || type != CU_GRAPH_NODE_TYPE_GRAPH) return 0;
  if (cuda_.cuGraphChildGraphNodeGetGraph(node, &embedded) != CUDA_SUCCESS || parts_of(embedded, &parts) != CUDA_SUCCESS) return 0;
  if (child) *child = embedded;
  return parts.host->number;
}

CUresult Graphs::change_copy(CUgraph child, uint64_t number, const CUDA_MEMCPY3D& shape) {
  Parts parts;
  if (CUresult error = parts_of(child, &parts)) return error;
  CUDA_MEMCPY3D plain = shape;
  auto copy = new_copy(number, &plain);
  if (!copy) return CUDA_ERROR_INVALID_VALUE;
  if (from_host(plain) != (parts.fetch != nullptr) || to_host(plain) != (parts.send != nullptr)) return CUDA_ERROR_NOT_SUPPORTED;
  const CUDA_HOST_NODE_PARAMS fetching{fetch, copy.get()}, sending{send, copy.get()};
  CUresult status = parts.copy ? cuda_.cuGraphMemcpyNodeSetParams(parts.copy, &plain) : CUDA_SUCCESS;
  if (status == CUDA_SUCCESS && parts.fetch) status = cuda_.cuGraphHostNodeSetParams(parts.fetch, &fetching);
  if (status == CUDA_SUCCESS && parts.send) status = cuda_.cuGraphHostNodeSetParams(parts.send, &sending);
  if (status == CUDA_SUCCESS) keep(child, std::move(copy));
  return status;
}

}  // namespace bitfusion::worker
