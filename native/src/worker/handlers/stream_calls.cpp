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
  return state_of(call).executor.enqueue_callback(stream, number, with_status != 0);
}

// The client enforces the rules between its own threads; here all calls come from a few threads of ours.
CUresult cuStreamBeginCapture_v2(Call& call, CUstream stream, CUstreamCaptureMode) {
  State& state = state_of(call);
  state.executor.note_capture();
  return state.cuda.cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_RELAXED);
}

CUresult GraphNodeCount(Call& call, CUgraph graph, uint64_t* count) {
  size_t total = 0;
  const CUresult status = state_of(call).cuda.cuGraphGetNodes(graph, nullptr, &total);
  *count = total;
  return status;
}

}  // namespace bitfusion::worker::calls
