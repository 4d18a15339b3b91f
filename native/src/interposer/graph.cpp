// The graph calls that are other calls in disguise.
#include "calls/api.h"
#include "calls/remote.h"
#include "interposer/check.h"

namespace bitfusion::interposer::api {

CUresult cuGraphInstantiate(CUgraphExec* out, CUgraph graph, CUgraphNode* error_node, char* log, size_t log_size) {
  if (error_node) *error_node = nullptr;
  if (log && log_size) *log = 0;
  return api::cuGraphInstantiateWithFlags(out, graph, 0);
}

CUresult cuGraphInstantiate_v2(CUgraphExec* out, CUgraph graph, CUgraphNode* error_node, char* log, size_t log_size) {
  return api::cuGraphInstantiate(out, graph, error_node, log, log_size);
}

CUresult cuGraphInstantiateWithParams(CUgraphExec* out, CUgraph graph, CUDA_GRAPH_INSTANTIATE_PARAMS* params) {
  if (!params) return CUDA_ERROR_INVALID_VALUE;
  const CUresult status = api::cuGraphInstantiateWithFlags(out, graph, params->flags & ~CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD);
  params->hErrNode_out = nullptr;
  params->result_out = status == CUDA_SUCCESS ? CUDA_GRAPH_INSTANTIATE_SUCCESS : CUDA_GRAPH_INSTANTIATE_ERROR;
  if (status == CUDA_SUCCESS && params->flags & CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD) return api::cuGraphUpload(*out, params->hUploadStream);
  return status;
}

CUresult cuGraphGetNodes(CUgraph graph, CUgraphNode* nodes, size_t* count) {
  Caller at;
  if (CUresult error = enter(Scope::kInit, true, &at)) return error;
  if (!count || !handles().valid(to_name(graph), Handle::kGraph)) return CUDA_ERROR_INVALID_VALUE;
  if (nodes) {
    log_refusal("cuGraphGetNodes", "nodes of a captured graph have no handles here yet");
    return CUDA_ERROR_NOT_SUPPORTED;
  }
  uint64_t total = 0;
  const CUresult status = remote::GraphNodeCount(at, to_name(graph), &total);
  *count = total;
  return status;
}

}  // namespace bitfusion::interposer::api
