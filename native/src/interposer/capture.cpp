#include "interposer/capture.h"

#include <atomic>
#include <vector>

#include "calls/api.h"
#include "calls/remote.h"
#include "interposer/check.h"
#include "interposer/graph_node.h"

namespace bitfusion::interposer {
namespace {

std::atomic<int> captures{0};  // begun and not ended, in all threads
thread_local CUstreamCaptureMode thread_mode = CU_STREAM_CAPTURE_MODE_GLOBAL;

CUresult start(CUstream stream, Caller* at, uint64_t* name) {
  if (CUresult error = enter(Scope::kContext, false, at)) return error;
  return name_stream(*at, stream, name) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

// What a running capture has: its graph, and the nodes that the stream's next work will depend on.
struct Running {
  CUgraph graph = nullptr;
  std::vector<CUgraphNode> nodes;
  std::vector<CUgraphEdgeData> edges;
};

// The application may look at the lists until its thread's next call of the kind; they are per thread and stream in the driver, too.
Running& running_of_thread() {
  // Not a thread_local object: its destructor would have to be registered from inside other people's libraries.
  static thread_local Running* running = nullptr;
  if (!running) running = new Running;
  return *running;
}

CUresult read_running(wire::Reader in, Offered& graphs, Offered& nodes, Running* running) {
  const auto graph = in.get<uint64_t>();
  graphs.keep(graph);
  running->graph = (CUgraph)graph;
  running->nodes.clear();
  running->edges.clear();
  const auto count = in.get<uint64_t>();
  for (uint64_t i = 0; i < count && in.ok(); ++i) {
    const auto entry = in.get<GraphEntry>();
    nodes.keep(entry.node);
    handles().give(entry.node, graph);
    running->nodes.push_back((CUgraphNode)entry.node);
    running->edges.push_back(entry.edge);
  }
  return in.ok() ? CUDA_SUCCESS : CUDA_ERROR_DEVICE_UNAVAILABLE;
}

// Names of nodes are offered only for those the driver made; there are as many as streams were joined.
CUresult ask(const Caller& at, uint64_t stream, CUstreamCaptureStatus* status, cuuint64_t* id, Running* running) {
  constexpr size_t kMostNodes = 256;
  Offered graphs(Handle::kGraph, 0, running ? 1 : 0);
  Offered nodes(Handle::kGraphNode, 0, running ? kMostNodes : 0);
  std::vector<std::byte> offered(graphs.view().begin(), graphs.view().end());
  offered.insert(offered.end(), nodes.view().begin(), nodes.view().end());
  transport::Reply reply;
  if (CUresult error = remote::CaptureInfo(at, stream, offered, reply)) return error;
  wire::Reader in = reply.in();
  *status = static_cast<CUstreamCaptureStatus>(in.get<uint32_t>());
  const auto number = in.get<uint64_t>();
  if (id) *id = number;
  const bool active = *status == CU_STREAM_CAPTURE_STATUS_ACTIVE && running;
  return active ? read_running(in, graphs, nodes, running) : CUDA_SUCCESS;
}

CUresult info(CUstream stream, CUstreamCaptureStatus* status, cuuint64_t* id, Running* running) {
  Caller at;
  uint64_t name;
  if (CUresult error = start(stream, &at, &name)) return error;
  if (!status) return CUDA_ERROR_INVALID_VALUE;
  if (captures.load(std::memory_order_acquire) == 0) {
    *status = CU_STREAM_CAPTURE_STATUS_NONE;
    return CUDA_SUCCESS;
  }
  return ask(at, name, status, id, running);
}

CUresult info_with_graph(CUstream stream, CUstreamCaptureStatus* status, cuuint64_t* id, CUgraph* graph, const CUgraphNode** nodes,
                         const CUgraphEdgeData** edges, size_t* count) {
  const bool wants_graph = graph || nodes || edges || count;
  Running* running = wants_graph ? &running_of_thread() : nullptr;
  if (CUresult error = info(stream, status, id, running)) return error;
  if (*status != CU_STREAM_CAPTURE_STATUS_ACTIVE || !running) return CUDA_SUCCESS;
  if (graph) *graph = running->graph;
  if (nodes) *nodes = running->nodes.data();
  if (edges) *edges = running->edges.data();
  if (count) *count = running->nodes.size();
  return CUDA_SUCCESS;
}

}  // namespace

bool capturing(const Caller& at, uint64_t stream) {
  if (captures.load(std::memory_order_acquire) == 0) return false;
  CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_NONE;
  return remote::cuStreamIsCapturing(at, stream, &status) == CUDA_SUCCESS && status != CU_STREAM_CAPTURE_STATUS_NONE;
}

namespace api {

CUresult cuStreamBeginCapture_v2(CUstream stream, CUstreamCaptureMode mode) {
  Caller at;
  uint64_t name;
  if (CUresult error = start(stream, &at, &name)) return error;
  if (mode > CU_STREAM_CAPTURE_MODE_RELAXED) return CUDA_ERROR_INVALID_VALUE;
  const CUresult status = remote::cuStreamBeginCapture_v2(at, name, mode);
  if (status == CUDA_SUCCESS) captures.fetch_add(1, std::memory_order_release);
  return status;
}

CUresult cuStreamBeginCapture(CUstream stream) { return api::cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_GLOBAL); }

CUresult cuStreamBeginCaptureToGraph(CUstream stream, CUgraph graph, const CUgraphNode* nodes, const CUgraphEdgeData* edges, size_t count,
                                     CUstreamCaptureMode mode) {
  Caller at;
  uint64_t name;
  if (CUresult error = start(stream, &at, &name)) return error;
  if (mode > CU_STREAM_CAPTURE_MODE_RELAXED || !handles().valid(to_name(graph), Handle::kGraph)) return CUDA_ERROR_INVALID_VALUE;
  if (!valid_array(nodes, count, Handle::kGraphNode)) return CUDA_ERROR_INVALID_VALUE;
  const CUresult status = remote::cuStreamBeginCaptureToGraph(at, name, to_name(graph), nodes, edges, count, mode);
  if (status == CUDA_SUCCESS) captures.fetch_add(1, std::memory_order_release);
  return status;
}

CUresult cuStreamEndCapture(CUstream stream, CUgraph* out) {
  Caller at;
  uint64_t name;
  if (CUresult error = start(stream, &at, &name)) return error;
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  if (!capturing(at, name)) return CUDA_ERROR_ILLEGAL_STATE;
  const uint64_t offered = handles().mint(Handle::kGraph, 0);
  uint64_t graph = offered;
  const CUresult status = remote::cuStreamEndCapture(at, name, &graph);
  if (status != CUDA_ERROR_STREAM_CAPTURE_UNMATCHED && status != CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD) captures.fetch_sub(1);
  *out = nullptr;
  keep_found(status, offered, graph, out);
  return status;
}

CUresult cuStreamIsCapturing(CUstream stream, CUstreamCaptureStatus* status) { return info(stream, status, nullptr, nullptr); }

CUresult cuStreamGetCaptureInfo(CUstream stream, CUstreamCaptureStatus* status, cuuint64_t* id) {
  return info(stream, status, id, nullptr);
}

CUresult cuStreamGetCaptureInfo_v2(CUstream stream, CUstreamCaptureStatus* status, cuuint64_t* id, CUgraph* graph,
                                   const CUgraphNode** nodes, size_t* count) {
  return info_with_graph(stream, status, id, graph, nodes, nullptr, count);
}

CUresult cuStreamGetCaptureInfo_v3(CUstream stream, CUstreamCaptureStatus* status, cuuint64_t* id, CUgraph* graph,
                                   const CUgraphNode** nodes, const CUgraphEdgeData** edges, size_t* count) {
  return info_with_graph(stream, status, id, graph, nodes, edges, count);
}

CUresult cuThreadExchangeStreamCaptureMode(CUstreamCaptureMode* mode) {
  if (!process().ready()) return CUDA_ERROR_NOT_INITIALIZED;
  if (!mode || *mode > CU_STREAM_CAPTURE_MODE_RELAXED) return CUDA_ERROR_INVALID_VALUE;
  std::swap(*mode, thread_mode);
  return CUDA_SUCCESS;
}

}  // namespace api
}  // namespace bitfusion::interposer
