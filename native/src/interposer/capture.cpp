#include "interposer/capture.h"

#include <atomic>

#include "calls/api.h"
#include "calls/remote.h"
#include "interposer/check.h"

namespace bitfusion::interposer {
namespace {

std::atomic<int> captures{0};  // begun and not ended, in all threads
thread_local CUstreamCaptureMode thread_mode = CU_STREAM_CAPTURE_MODE_GLOBAL;

CUresult start(CUstream stream, Caller* at, uint64_t* name) {
  if (CUresult error = enter(Scope::kContext, false, at)) return error;
  return name_stream(*at, stream, name) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

CUresult info(CUstream stream, CUstreamCaptureStatus* status, cuuint64_t* id) {
  Caller at;
  uint64_t name;
  if (CUresult error = start(stream, &at, &name)) return error;
  if (!status) return CUDA_ERROR_INVALID_VALUE;
  if (captures.load(std::memory_order_acquire) == 0) {
    *status = CU_STREAM_CAPTURE_STATUS_NONE;
    return CUDA_SUCCESS;
  }
  cuuint64_t unwanted;
  return remote::cuStreamGetCaptureInfo(at, name, status, id ? id : &unwanted);
}

// The graph under construction and its nodes belong to the server until the capture ends.
CUresult info_with_graph(CUstream stream, CUstreamCaptureStatus* status, cuuint64_t* id, bool wants_graph) {
  if (CUresult error = info(stream, status, id)) return error;
  if (*status != CU_STREAM_CAPTURE_STATUS_ACTIVE || !wants_graph) return CUDA_SUCCESS;
  log_refusal("cuStreamGetCaptureInfo of a graph", "the graph of a running capture is not remoted yet");
  return CUDA_ERROR_NOT_SUPPORTED;
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

CUresult cuStreamEndCapture(CUstream stream, CUgraph* out) {
  Caller at;
  uint64_t name;
  if (CUresult error = start(stream, &at, &name)) return error;
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  if (!capturing(at, name)) return CUDA_ERROR_ILLEGAL_STATE;
  const uint64_t graph = handles().mint(Handle::kGraph, 0);
  const CUresult status = remote::cuStreamEndCapture(at, name, graph);
  if (status != CUDA_ERROR_STREAM_CAPTURE_UNMATCHED && status != CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD) captures.fetch_sub(1);
  *out = nullptr;
  keep_or_drop(status, graph, out);
  return status;
}

CUresult cuStreamIsCapturing(CUstream stream, CUstreamCaptureStatus* status) { return info(stream, status, nullptr); }

CUresult cuStreamGetCaptureInfo(CUstream stream, CUstreamCaptureStatus* status, cuuint64_t* id) { return info(stream, status, id); }

CUresult cuStreamGetCaptureInfo_v2(CUstream stream, CUstreamCaptureStatus* status, cuuint64_t* id, CUgraph* graph,
                                   const CUgraphNode** nodes, size_t* count) {
  return info_with_graph(stream, status, id, graph || nodes || count);
}

CUresult cuStreamGetCaptureInfo_v3(CUstream stream, CUstreamCaptureStatus* status, cuuint64_t* id, CUgraph* graph,
                                   const CUgraphNode** nodes, const CUgraphEdgeData** edges, size_t* count) {
  return info_with_graph(stream, status, id, graph || nodes || edges || count);
}

CUresult cuThreadExchangeStreamCaptureMode(CUstreamCaptureMode* mode) {
  if (!process().ready()) return CUDA_ERROR_NOT_INITIALIZED;
  if (!mode || *mode > CU_STREAM_CAPTURE_MODE_RELAXED) return CUDA_ERROR_INVALID_VALUE;
  std::swap(*mode, thread_mode);
  return CUDA_SUCCESS;
}

}  // namespace api
}  // namespace bitfusion::interposer
