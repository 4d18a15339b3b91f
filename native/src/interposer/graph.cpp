// Graphs as a whole, where a call is more than one frame or another call in disguise.
#include <cstdio>
#include <cstring>
#include <string>

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

// The picture is drawn on the server and written here.
CUresult cuGraphDebugDotPrint(CUgraph graph, const char* path, unsigned flags) {
  Caller at;
  if (CUresult error = enter(Scope::kInit, true, &at)) return error;
  if (!path || !handles().valid(to_name(graph), Handle::kGraph)) return CUDA_ERROR_INVALID_VALUE;
  std::string picture;
  for (uint64_t total = 1; picture.size() < total;) {
    transport::Reply reply;
    if (CUresult error = remote::GraphPicture(at, to_name(graph), flags, picture.size(), reply)) return error;
    wire::Reader in = reply.in();
    total = in.get<uint64_t>();
    const std::string_view part = in.text();
    if (part.empty() || !in.ok()) break;
    picture += part;
  }
  std::FILE* file = std::fopen(path, "we");
  if (!file) return CUDA_ERROR_OPERATING_SYSTEM;
  const bool written = std::fwrite(picture.data(), 1, picture.size(), file) == picture.size();
  return std::fclose(file) == 0 && written ? CUDA_SUCCESS : CUDA_ERROR_OPERATING_SYSTEM;
}

CUresult cuGraphExecUpdate_v2(CUgraphExec exec, CUgraph graph, CUgraphExecUpdateResultInfo* info) {
  Caller at;
  if (CUresult error = enter(Scope::kInit, true, &at)) return error;
  if (!info || !handles().valid(to_name(exec), Handle::kGraphExec) || !handles().valid(to_name(graph), Handle::kGraph)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  GraphUpdateResult result = {};
  if (CUresult error = remote::GraphUpdate(at, to_name(exec), to_name(graph), &result)) return error;
  info->result = static_cast<CUgraphExecUpdateResult>(result.result);
  info->errorNode = (CUgraphNode)result.error_node;
  info->errorFromNode = (CUgraphNode)result.error_from_node;
  return static_cast<CUresult>(result.status);
}

CUresult cuGraphExecUpdate(CUgraphExec exec, CUgraph graph, CUgraphNode* error_node, CUgraphExecUpdateResult* result) {
  CUgraphExecUpdateResultInfo info = {};
  const CUresult status = api::cuGraphExecUpdate_v2(exec, graph, &info);
  if (error_node) *error_node = info.errorNode;
  if (result) *result = info.result;
  return status;
}

CUresult cuDeviceGetGraphMemAttribute(CUdevice device, CUgraphMem_attribute attribute, void* out) {
  Caller at;
  if (CUresult error = enter(Scope::kInit, true, &at)) return error;
  if (!process().device(device)) return CUDA_ERROR_INVALID_DEVICE;
  uint64_t result = 0;
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  const CUresult status = remote::GraphMemoryGet(at, device, attribute, &result);
  if (status == CUDA_SUCCESS) std::memcpy(out, &result, sizeof result);  // all attributes are a cuuint64_t
  return status;
}

CUresult cuDeviceSetGraphMemAttribute(CUdevice device, CUgraphMem_attribute attribute, void* in) {
  Caller at;
  if (CUresult error = enter(Scope::kInit, true, &at)) return error;
  if (!process().device(device)) return CUDA_ERROR_INVALID_DEVICE;
  if (!in) return CUDA_ERROR_INVALID_VALUE;
  uint64_t setting;
  std::memcpy(&setting, in, sizeof setting);
  return remote::GraphMemorySet(at, device, attribute, setting);
}

namespace {

// A user object's destructor, which runs once nobody holds the object any more.
struct Destructor {
  uint64_t object;
  CUhostFn destroy;
  void* data;
};

void end_object(void* argument, uint32_t) {
  auto* ended = static_cast<Destructor*>(argument);
  handles().drop(ended->object);
  ended->destroy(ended->data);
  delete ended;
}

}  // namespace

CUresult cuUserObjectCreate(CUuserObject* out, void* data, CUhostFn destroy, unsigned references, unsigned flags) {
  Caller at;
  if (CUresult error = enter(Scope::kInit, true, &at)) return error;
  if (!out || !destroy || !references || references > INT32_MAX || flags != CU_USER_OBJECT_NO_DESTRUCTOR_SYNC) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const uint64_t name = handles().mint(Handle::kUserObject, 0);
  auto* ending = new (std::nothrow) Destructor{name, destroy, data};
  if (!name || !ending) return CUDA_ERROR_OUT_OF_MEMORY;
  const uint64_t number = at.link->remember_host_function(end_object, ending, false);
  const CUresult status = number ? remote::UserObjectCreate(at, name, number, references) : CUDA_ERROR_OUT_OF_MEMORY;
  if (status != CUDA_SUCCESS && (!number || at.link->forget_host_function(number))) delete ending;
  keep_or_drop(status, name, out);
  return status;
}

}  // namespace bitfusion::interposer::api
