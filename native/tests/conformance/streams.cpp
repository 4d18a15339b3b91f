// Capture of streams, functions of the application, events of contexts.
#include "conformance.h"

GROUP(capture) {
  CUcontext context = conformance::begin();
  (void)context;
  const CUdeviceptr data = conformance::allocate(4096);
  CUstream stream = nullptr;
  CALL(OK, cuStreamCreate, &stream, CU_STREAM_NON_BLOCKING);
  CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_ACTIVE;
  CALL(OK, cuStreamIsCapturing, stream, &status);
  EQUAL("not capturing", status, 0);
  CALL(INVALID, cuStreamIsCapturing, stream, nullptr);
  CUgraph graph = nullptr, seen = nullptr;
  CALL(CUDA_ERROR_ILLEGAL_STATE, cuStreamEndCapture, stream, &graph);
  CALL(INVALID, cuStreamBeginCapture_v2, stream, static_cast<CUstreamCaptureMode>(77));
  CALL(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, cuStreamBeginCapture_v2, nullptr, CU_STREAM_CAPTURE_MODE_RELAXED);
  CALL(OK, cuStreamBeginCapture_v2, stream, CU_STREAM_CAPTURE_MODE_RELAXED);
  CALL(OK, cuMemsetD32Async, data, 3, 16, stream);
  cuuint64_t id = 0;
  const CUgraphNode* nodes = nullptr;
  const CUgraphEdgeData* edges = nullptr;
  size_t count = 99;
  CALL(OK, cuStreamGetCaptureInfo_v3, stream, &status, &id, &seen, &nodes, &edges, &count);
  EQUAL("capturing", status, static_cast<int>(CU_STREAM_CAPTURE_STATUS_ACTIVE));
  EQUAL("has an id", id != 0, true);
  EQUAL("has a graph", seen != nullptr, true);
  EQUAL("dependencies", count, 1);
  CUgraphNodeType type;
  CALL(OK, cuGraphNodeGetType, nodes[0], &type);
  EQUAL("the captured node", type, static_cast<int>(CU_GRAPH_NODE_TYPE_MEMSET));
  CUgraphNode empty = nullptr;
  CALL(OK, cuGraphAddEmptyNode, &empty, seen, nodes, 1);
  CALL(OK, cuStreamUpdateCaptureDependencies, stream, &empty, 1, CU_STREAM_SET_CAPTURE_DEPENDENCIES);
  CALL(OK, cuStreamGetCaptureInfo_v2, stream, &status, &id, &seen, &nodes, &count);
  EQUAL("the new dependency", nodes[0] == empty, true);
  static int calls = 0;
  CALL(OK, cuLaunchHostFunc, stream, [](void*) { ++calls; }, nullptr);
  CALL(OK, cuStreamEndCapture, stream, &graph);
  EQUAL("it is the graph that was seen", graph == seen, true);
  CALL(OK, cuGraphGetNodes, graph, nullptr, &count);
  EQUAL("nodes", count, 3);
  CUgraphExec exec = nullptr;
  CALL(OK, cuGraphInstantiateWithFlags, &exec, graph, 0);
  CALL(OK, cuGraphLaunch, exec, stream);
  CALL(OK, cuGraphLaunch, exec, stream);
  CALL(OK, cuStreamSynchronize, stream);
  EQUAL("the function ran at each launch", calls, 2);
  EQUAL("the memset ran", conformance::read(data, 16)[15], 3);
  CALL(OK, cuGraphExecDestroy, exec);
  CALL(OK, cuGraphDestroy, graph);

  CALL(OK, cuGraphCreate, &graph, 0);
  CALL(OK, cuStreamBeginCaptureToGraph, stream, graph, nullptr, nullptr, 0, CU_STREAM_CAPTURE_MODE_RELAXED);
  CALL(OK, cuMemsetD32Async, data, 4, 16, stream);
  CALL(OK, cuStreamEndCapture, stream, &seen);
  EQUAL("captured into the graph given", seen == graph, true);
  CALL(OK, cuGraphGetNodes, graph, nullptr, &count);
  EQUAL("its nodes", count, 1);
  CALL(OK, cuGraphDestroy, graph);
  CALL(OK, cuStreamDestroy_v2, stream);
}

GROUP(context_events) {
  CUcontext context = conformance::begin();
  CUevent event = nullptr;
  CALL(OK, cuEventCreate, &event, 0);
  CALL_ON_GPU(OK, cuCtxRecordEvent, context, event);
  CALL_ON_GPU(OK, cuCtxWaitEvent, context, event);
  CALL(OK, cuCtxSynchronize);
  CALL(OK, cuEventDestroy_v2, event);
}
