// Streams, host functions, capture.
#include "calls/calls.h"

namespace bitfusion::worker::calls {

CUresult cuStreamDestroy_v2(Call& call, uint64_t name) {
  State& state = state_of(call);
  CUstream stream;
  if (!state.objects.find(name, Handle::kStream, &stream)) return CUDA_ERROR_INVALID_HANDLE;
  state.executor.forget_stream(name);
  state.objects.remove(name, Handle::kStream);
  return state.cuda.cuStreamDestroy_v2(stream);
}

CUresult HostFunction(Call& call, CUstream stream, uint64_t number, uint32_t with_status) {
  State& state = state_of(call);
  if (!with_status && state.graphs.is_capturing(stream)) return state.graphs.capture_host_function(stream, number);
  return state.executor.enqueue_callback(stream, number, with_status != 0);
}

// The client enforces the rules between its own threads; here all calls come from a few threads of ours.
CUresult cuStreamBeginCapture_v2(Call& call, CUstream stream, CUstreamCaptureMode) {
  State& state = state_of(call);
  state.graphs.note_capture();
  return state.cuda.cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_RELAXED);
}

CUresult cuStreamBeginCaptureToGraph(Call& call, CUstream stream, CUgraph graph, std::vector<CUgraphNode>& after,
                                     std::vector<CUgraphEdgeData>& edges, size_t, CUstreamCaptureMode) {
  State& state = state_of(call);
  if (!state.cuda.cuStreamBeginCaptureToGraph) return CUDA_ERROR_NOT_SUPPORTED;
  if (!edges.empty() && edges.size() != after.size()) return CUDA_ERROR_INVALID_VALUE;
  state.graphs.note_capture();
  return state.cuda.cuStreamBeginCaptureToGraph(stream, graph, after.data(), edges.empty() ? nullptr : edges.data(), after.size(),
                                                CU_STREAM_CAPTURE_MODE_RELAXED);
}

}  // namespace bitfusion::worker::calls
