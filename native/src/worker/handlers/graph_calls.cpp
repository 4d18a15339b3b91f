// Graphs as a whole, their nodes and edges by name, running captures, user objects.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "bitfusion/graph_wire.h"
#include "calls/calls.h"
#include "worker/handlers/decode.h"

namespace bitfusion::worker::calls {
namespace {

constexpr uint64_t kMaxList = 1u << 15;

struct Found {
  std::vector<CUgraphNode> nodes, to;
  std::vector<CUgraphEdgeData> edges;
};

void resize(Found* found, size_t count, bool both_ends) {
  found->nodes.resize(count);
  found->edges.assign(count, CUgraphEdgeData{});
  if (both_ends) found->to.resize(count);
}

// One list question of the driver; without room it answers the number.
CUresult list(State& state, GraphQuestion question, CUgraph graph, CUgraphNode node, size_t* count, Found* found) {
  const CudaDriver& cuda = state.cuda;
  CUgraphNode* nodes = found && *count ? found->nodes.data() : nullptr;
  CUgraphEdgeData* edges = nodes ? found->edges.data() : nullptr;
  switch (question) {
    case GraphQuestion::kNodes:
      return cuda.cuGraphGetNodes(graph, nodes, count);
    case GraphQuestion::kRoots:
      return cuda.cuGraphGetRootNodes(graph, nodes, count);
    case GraphQuestion::kEdges: {
      CUgraphNode* to = nodes ? found->to.data() : nullptr;
      return cuda.cuGraphGetEdges_v2 ? cuda.cuGraphGetEdges_v2(graph, nodes, to, edges, count)
                                     : cuda.cuGraphGetEdges(graph, nodes, to, count);
    }
    case GraphQuestion::kDependencies:
      return cuda.cuGraphNodeGetDependencies_v2 ? cuda.cuGraphNodeGetDependencies_v2(node, nodes, edges, count)
                                                : cuda.cuGraphNodeGetDependencies(node, nodes, count);
    case GraphQuestion::kDependents:
      return cuda.cuGraphNodeGetDependentNodes_v2 ? cuda.cuGraphNodeGetDependentNodes_v2(node, nodes, edges, count)
                                                  : cuda.cuGraphNodeGetDependentNodes(node, nodes, count);
  }
  throw BadFrame{"an unknown question about a graph"};
}

// Names of nodes for an answer; those that have none get the ones that the client offers.
class Namer {
 public:
  Namer(State& state, wire::Reader offered, uint64_t owner) : state_(state), offered_(offered), owner_(owner) {}
  uint64_t name(CUgraphNode node) {
    if (!node) return 0;
    if (uint64_t known = state_.objects.name_of(Handle::kGraphNode, node)) return known;
    const auto fresh = offered_.get<uint64_t>();
    if (!offered_.ok()) throw BadFrame{"fewer names offered than there are nodes"};
    return state_.objects.adopt(fresh, Handle::kGraphNode, node, owner_);
  }

 private:
  State& state_;
  wire::Reader offered_;
  uint64_t owner_;
};

// Bytes of device memory that an executable form of the graph allocates, with all graphs inside.
uint64_t memory_of(State& state, CUgraph graph, int* device) {
  const CudaDriver& cuda = state.cuda;
  size_t count = 0;
  if (!cuda.cuGraphMemAllocNodeGetParams || cuda.cuGraphGetNodes(graph, nullptr, &count) != CUDA_SUCCESS) return 0;
  std::vector<CUgraphNode> nodes(count);
  if (!count || cuda.cuGraphGetNodes(graph, nodes.data(), &count) != CUDA_SUCCESS) return 0;
  uint64_t total = 0;
  for (CUgraphNode node : nodes) {
    CUgraphNodeType type;
    CUDA_MEM_ALLOC_NODE_PARAMS alloc = {};
    CUgraph child = nullptr;
    if (cuda.cuGraphNodeGetType(node, &type) != CUDA_SUCCESS) continue;
    if (type == CU_GRAPH_NODE_TYPE_GRAPH && cuda.cuGraphChildGraphNodeGetGraph(node, &child) == CUDA_SUCCESS)
      total += memory_of(state, child, device);
    if (type != CU_GRAPH_NODE_TYPE_MEM_ALLOC || cuda.cuGraphMemAllocNodeGetParams(node, &alloc) != CUDA_SUCCESS) continue;
    total += alloc.bytesize;
    *device = alloc.poolProps.location.id;
  }
  return total;
}

std::string draw(State& state, CUgraph graph, unsigned flags, CUresult* status) {
  std::string picture;
  char path[] = "/tmp/bitfusion-graph-XXXXXX";
  const int fd = mkostemp(path, O_CLOEXEC);
  *status = fd < 0 ? CUDA_ERROR_OPERATING_SYSTEM : static_cast<CUresult>(state.cuda.cuGraphDebugDotPrint(graph, path, flags));
  char buffer[65536];
  ssize_t got;
  while (*status == CUDA_SUCCESS && (got = read(fd, buffer, sizeof buffer)) > 0) picture.append(buffer, static_cast<size_t>(got));
  if (fd >= 0) {
    close(fd);
    unlink(path);
  }
  return picture;
}

}  // namespace

CUresult cuGraphInstantiateWithFlags(Call& call, uint64_t name, CUgraph graph, unsigned long long flags) {
  State& state = state_of(call);
  int device = 0;
  const uint64_t bytes = memory_of(state, graph, &device);
  const auto owner = static_cast<uint32_t>(device);
  if (bytes && !state.reserve(owner, bytes)) return CUDA_ERROR_OUT_OF_MEMORY;
  CUgraphExec exec = nullptr;
  const CUresult status = state.cuda.cuGraphInstantiateWithFlags(&exec, graph, flags);
  if (status != CUDA_SUCCESS) {
    if (bytes) state.accounts.give_back(owner, bytes);
    return status;
  }
  if (bytes) state.accounts.add_named(name, bytes, owner);
  state.objects.add(name, Handle::kGraphExec, exec);
  return CUDA_SUCCESS;
}

CUresult cuGraphExecDestroy(Call& call, uint64_t name) {
  State& state = state_of(call);
  CUgraphExec exec;
  if (!state.objects.find(name, Handle::kGraphExec, &exec)) return CUDA_ERROR_INVALID_VALUE;
  state.objects.remove(name, Handle::kGraphExec);
  const CUresult status = state.cuda.cuGraphExecDestroy(exec);
  // What graphs keep for their next launch is not charged to anyone any more.
  if (state.accounts.release_named(name) && state.cuda.cuDeviceGraphMemTrim) state.cuda.cuDeviceGraphMemTrim(state.device_of(call.header));
  return status;
}

CUresult GraphList(Call& call, CUgraph graph, CUgraphNode node, uint32_t asked, uint64_t room, wire::Bytes offered) {
  State& state = state_of(call);
  const auto question = static_cast<GraphQuestion>(asked);
  const bool of_node = question == GraphQuestion::kDependencies || question == GraphQuestion::kDependents;
  if (!(of_node ? node != nullptr : graph != nullptr)) return CUDA_ERROR_INVALID_VALUE;
  size_t total = 0;
  if (CUresult error = list(state, question, graph, node, &total, nullptr)) return error;
  call.reply.put<uint64_t>(total);
  size_t count = std::min<uint64_t>({room, total, kMaxList});
  if (!count) return CUDA_SUCCESS;
  Found found;
  resize(&found, count, question == GraphQuestion::kEdges);
  if (CUresult error = list(state, question, graph, node, &count, &found)) return error;
  const uint64_t owner =
      of_node ? state.objects.owner_of(state.objects.name_of(Handle::kGraphNode, node)) : state.objects.name_of(Handle::kGraph, graph);
  Namer names(state, wire::Reader(offered), owner);
  for (size_t i = 0; i < count; ++i) {
    GraphEntry entry = {names.name(found.nodes[i]), 0, found.edges[i]};
    if (!found.to.empty()) entry.to = names.name(found.to[i]);
    call.reply.put(entry);
  }
  return CUDA_SUCCESS;
}

CUresult GraphUpdate(Call& call, CUgraphExec exec, CUgraph graph, GraphUpdateResult* result) {
  State& state = state_of(call);
  CUgraphExecUpdateResultInfo info = {};
  if (state.cuda.cuGraphExecUpdate_v2) {
    result->status = static_cast<uint32_t>(state.cuda.cuGraphExecUpdate_v2(exec, graph, &info));
  } else if (state.cuda.cuGraphExecUpdate) {
    result->status = static_cast<uint32_t>(state.cuda.cuGraphExecUpdate(exec, graph, &info.errorNode, &info.result));
  } else {
    return CUDA_ERROR_NOT_SUPPORTED;
  }
  result->result = info.result;
  result->error_node = info.errorNode ? state.objects.name_of(Handle::kGraphNode, info.errorNode) : 0;
  result->error_from_node = info.errorFromNode ? state.objects.name_of(Handle::kGraphNode, info.errorFromNode) : 0;
  return CUDA_SUCCESS;
}

CUresult GraphPicture(Call& call, CUgraph graph, uint32_t flags, uint64_t offset) {
  constexpr size_t kPart = 256u << 10;
  State& state = state_of(call);
  if (!state.cuda.cuGraphDebugDotPrint) return CUDA_ERROR_NOT_SUPPORTED;
  CUresult status;
  const std::string picture = draw(state, graph, flags, &status);
  if (status != CUDA_SUCCESS) return status;
  const size_t begin = std::min<size_t>(offset, picture.size());
  call.reply.put<uint64_t>(picture.size());
  call.reply.text(std::string_view(picture).substr(begin, kPart));
  return CUDA_SUCCESS;
}

CUresult GraphMemoryGet(Call& call, int device, int attribute, uint64_t* result) {
  State& state = state_of(call);
  *result = 0;
  if (!state.cuda.cuDeviceGetGraphMemAttribute) return CUDA_ERROR_NOT_SUPPORTED;
  return state.cuda.cuDeviceGetGraphMemAttribute(device, static_cast<CUgraphMem_attribute>(attribute), result);
}

CUresult GraphMemorySet(Call& call, int device, int attribute, uint64_t setting) {
  State& state = state_of(call);
  if (!state.cuda.cuDeviceSetGraphMemAttribute) return CUDA_ERROR_NOT_SUPPORTED;
  return state.cuda.cuDeviceSetGraphMemAttribute(device, static_cast<CUgraphMem_attribute>(attribute), &setting);
}

// `offered`: the name of a graph, then of nodes; nothing where only the status is asked for.
CUresult CaptureInfo(Call& call, CUstream stream, wire::Bytes offered) {
  State& state = state_of(call);
  const CudaDriver& cuda = state.cuda;
  CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_NONE;
  cuuint64_t id = 0;
  CUgraph graph = nullptr;
  const CUgraphNode* nodes = nullptr;
  const CUgraphEdgeData* edges = nullptr;
  size_t count = 0;
  const CUresult error = cuda.cuStreamGetCaptureInfo_v3
                             ? cuda.cuStreamGetCaptureInfo_v3(stream, &status, &id, &graph, &nodes, &edges, &count)
                         : cuda.cuStreamGetCaptureInfo_v2 ? cuda.cuStreamGetCaptureInfo_v2(stream, &status, &id, &graph, &nodes, &count)
                                                          : cuda.cuStreamGetCaptureInfo(stream, &status, &id);
  if (error != CUDA_SUCCESS) return error;
  call.reply.put(static_cast<uint32_t>(status));
  call.reply.put<uint64_t>(id);
  if (offered.empty() || status != CU_STREAM_CAPTURE_STATUS_ACTIVE) return CUDA_SUCCESS;
  if (!cuda.cuStreamGetCaptureInfo_v2) return CUDA_ERROR_NOT_SUPPORTED;
  wire::Reader names(offered);
  const uint64_t name = state.objects.adopt(names.get<uint64_t>(), Handle::kGraph, graph);
  Namer namer(state, names, name);
  call.reply.put(name);
  call.reply.put<uint64_t>(count);
  for (size_t i = 0; i < count; ++i) call.reply.put(GraphEntry{namer.name(nodes[i]), 0, edges ? edges[i] : CUgraphEdgeData{}});
  return CUDA_SUCCESS;
}

CUresult UserObjectCreate(Call& call, uint64_t name, uint64_t number, uint32_t references) {
  struct Ended {
    State& state;
    uint64_t name, number;
  };
  State& state = state_of(call);
  if (!state.cuda.cuUserObjectCreate) return CUDA_ERROR_NOT_SUPPORTED;
  auto ended = std::make_unique<Ended>(state, name, number);
  const auto end = [](void* data) {
    std::unique_ptr<Ended> object(static_cast<Ended*>(data));
    object->state.objects.remove(object->name, Handle::kUserObject);
    object->state.executor.notify_host(object->number);
  };
  CUuserObject object = nullptr;
  const CUresult status = state.cuda.cuUserObjectCreate(&object, ended.get(), end, references, CU_USER_OBJECT_NO_DESTRUCTOR_SYNC);
  if (status != CUDA_SUCCESS) return status;
  ended.release();
  state.objects.add(name, Handle::kUserObject, object);
  return CUDA_SUCCESS;
}

}  // namespace bitfusion::worker::calls
