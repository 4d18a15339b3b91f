// Graphs built node by node, looked at, launched, changed, cloned.
#include <algorithm>

#include "conformance.h"

namespace {

CUgraph make_graph() {
  CUgraph graph = nullptr;
  CALL(OK, cuGraphCreate, &graph, 0);
  return graph;
}

CUgraphNode add_fill(CUgraph graph, CUgraphNode after, CUdeviceptr address, unsigned value, size_t count, CUcontext context) {
  CUgraphNode node = nullptr;
  const CUDA_MEMSET_NODE_PARAMS params = {address, 0, value, 4, count, 1};
  CALL(OK, cuGraphAddMemsetNode, &node, graph, &after, after ? 1 : 0, &params, context);
  return node;
}

CUDA_KERNEL_NODE_PARAMS add_params(CUfunction function, void** arguments) {
  CUDA_KERNEL_NODE_PARAMS params = {};
  params.func = function;
  params.gridDimX = params.gridDimY = params.gridDimZ = 1;
  params.blockDimX = 64;
  params.blockDimY = params.blockDimZ = 1;
  params.kernelParams = arguments;
  return params;
}

CUDA_MEMCPY3D row(size_t bytes) {
  CUDA_MEMCPY3D copy = {};
  copy.WidthInBytes = bytes;
  copy.Height = copy.Depth = 1;
  return copy;
}

CUgraphExec instantiate(CUgraph graph) {
  CUgraphExec exec = nullptr;
  CALL(OK, cuGraphInstantiateWithFlags, &exec, graph, 0);
  return exec;
}

void launch(CUgraphExec exec) {
  CALL(OK, cuGraphLaunch, exec, nullptr);
  CALL(OK, cuCtxSynchronize);
}

}  // namespace

GROUP(graph_nodes) {
  CUcontext context = conformance::begin();
  const CUdeviceptr data = conformance::allocate(4096);
  CUgraph graph = make_graph();
  CUgraphNode node = nullptr, nodes[8];
  size_t count = 99;

  CALL(INVALID, cuGraphCreate, nullptr, 0);
  CALL(INVALID, cuGraphCreate, &graph, 1);
  CALL(OK, cuGraphGetNodes, graph, nullptr, &count);
  EQUAL("nodes of an empty graph", count, 0);
  CALL(INVALID, cuGraphGetNodes, graph, nullptr, nullptr);
  CALL(INVALID, cuGraphGetNodes, conformance::garbage<CUgraph>(), nullptr, &count);
  CALL(INVALID, cuGraphGetNodes, nullptr, nullptr, &count);

  CUgraphNode fill = add_fill(graph, nullptr, data, 5, 64, context);
  uint32_t value = 3, n = 64;
  void* arguments[] = {const_cast<CUdeviceptr*>(&data), &value, &n};
  CUDA_KERNEL_NODE_PARAMS params = add_params(conformance::kernel("add"), arguments);
  CUgraphNode add = nullptr;
  CALL(OK, cuGraphAddKernelNode_v2, &add, graph, &fill, 1, &params);
  CALL(INVALID, cuGraphAddKernelNode_v2, nullptr, graph, &fill, 1, &params);
  CALL(INVALID, cuGraphAddKernelNode_v2, &node, graph, nullptr, 1, &params);
  CALL(INVALID, cuGraphAddKernelNode_v2, &node, graph, &fill, 1, nullptr);
  CALL(INVALID, cuGraphAddKernelNode_v2, &node, conformance::garbage<CUgraph>(), nullptr, 0, &params);
  CUgraphNode strange = conformance::garbage<CUgraphNode>();
  CALL(INVALID, cuGraphAddKernelNode_v2, &node, graph, &strange, 1, &params);
  CUgraphNode empty = nullptr;
  CALL(OK, cuGraphAddEmptyNode, &empty, graph, &add, 1);
  CALL(INVALID, cuGraphAddEmptyNode, nullptr, graph, nullptr, 0);

  CUgraphNodeType type;
  CALL(OK, cuGraphNodeGetType, fill, &type);
  EQUAL("type of a memset node", type, static_cast<int>(CU_GRAPH_NODE_TYPE_MEMSET));
  CALL(OK, cuGraphNodeGetType, add, &type);
  EQUAL("type of a kernel node", type, static_cast<int>(CU_GRAPH_NODE_TYPE_KERNEL));
  CALL(OK, cuGraphNodeGetType, empty, &type);
  EQUAL("type of an empty node", type, static_cast<int>(CU_GRAPH_NODE_TYPE_EMPTY));
  CALL(INVALID, cuGraphNodeGetType, nullptr, &type);
  CALL(INVALID, cuGraphNodeGetType, fill, nullptr);

  count = 8;
  CALL(OK, cuGraphGetNodes, graph, nodes, &count);
  EQUAL("nodes", count, 3);
  EQUAL("first node is the memset", std::find(nodes, nodes + 3, fill) != nodes + 3, true);
  EQUAL("beyond is null", nodes[3] == nullptr, true);
  count = 8;
  CALL(OK, cuGraphGetRootNodes, graph, nodes, &count);
  EQUAL("root nodes", count, 1);
  EQUAL("the root is the memset", nodes[0] == fill, true);
  CUgraphNode from[8], to[8];
  count = 8;
  CALL(OK, cuGraphGetEdges, graph, from, to, &count);
  EQUAL("edges", count, 2);
  CALL(OK, cuGraphGetEdges, graph, nullptr, nullptr, &count);
  EQUAL("edges counted", count, 2);
  CUgraphEdgeData edge_data[8];
  count = 8;
  CALL(OK, cuGraphGetEdges_v2, graph, from, to, edge_data, &count);
  EQUAL("edges with data", count, 2);
  count = 8;
  CALL(OK, cuGraphNodeGetDependencies, add, nodes, &count);
  EQUAL("dependencies of the kernel", count, 1);
  EQUAL("which is the memset", nodes[0] == fill, true);
  count = 8;
  CALL(OK, cuGraphNodeGetDependencies_v2, add, nodes, edge_data, &count);
  EQUAL("dependencies with data", count, 1);
  count = 8;
  CALL(OK, cuGraphNodeGetDependentNodes, fill, nodes, &count);
  EQUAL("dependents of the memset", count, 1);
  EQUAL("which is the kernel", nodes[0] == add, true);
  count = 8;
  CALL(OK, cuGraphNodeGetDependentNodes_v2, fill, nodes, edge_data, &count);
  EQUAL("dependents with data", count, 1);

  CALL(OK, cuGraphRemoveDependencies, graph, &add, &empty, 1);
  CALL(INVALID, cuGraphRemoveDependencies, graph, &add, &empty, 1);
  CALL(OK, cuGraphAddDependencies, graph, &add, &empty, 1);
  CALL(INVALID, cuGraphAddDependencies, graph, &add, &empty, 1);
  CALL(OK, cuGraphRemoveDependencies_v2, graph, &add, &empty, nullptr, 1);
  CALL(OK, cuGraphAddDependencies_v2, graph, &add, &empty, nullptr, 1);

  CUgraphExec exec = instantiate(graph);
  launch(exec);
  EQUAL("memset then kernel", conformance::read(data, 64)[63], 8);

  CALL(OK, cuGraphDestroyNode, empty);
  CALL(INVALID, cuGraphDestroyNode, empty);
  CALL(INVALID, cuGraphNodeGetType, empty, &type);
  CALL(OK, cuGraphGetNodes, graph, nullptr, &count);
  EQUAL("nodes after one is destroyed", count, 2);
  CALL(OK, cuGraphExecDestroy, exec);
  CALL(INVALID, cuGraphExecDestroy, exec);
  CALL(OK, cuGraphDestroy, graph);
  CALL(INVALID, cuGraphDestroy, graph);
  CALL(INVALID, cuGraphNodeGetType, fill, &type);
  CALL(INVALID, cuGraphLaunch, exec, nullptr);
}

GROUP(graph_params) {
  CUcontext context = conformance::begin();
  const CUdeviceptr data = conformance::allocate(4096);
  CUgraph graph = make_graph();
  CUgraphNode fill = add_fill(graph, nullptr, data, 1, 64, context);
  uint32_t value = 10, n = 64;
  void* arguments[] = {const_cast<CUdeviceptr*>(&data), &value, &n};
  CUfunction function = conformance::kernel("add");
  CUDA_KERNEL_NODE_PARAMS params = add_params(function, arguments);
  CUgraphNode add = nullptr;
  CALL(OK, cuGraphAddKernelNode_v2, &add, graph, &fill, 1, &params);
  value = 999;  // the node has its own copy

  CUDA_KERNEL_NODE_PARAMS got = {};
  CALL(OK, cuGraphKernelNodeGetParams_v2, add, &got);
  EQUAL("block", got.blockDimX, 64);
  EQUAL("parameter of the node", *static_cast<uint32_t*>(got.kernelParams[1]), 10);
  CALL(INVALID, cuGraphKernelNodeGetParams_v2, fill, &got);
  CALL(INVALID, cuGraphKernelNodeGetParams_v2, add, nullptr);
  CUDA_KERNEL_NODE_PARAMS_v1 got_old = {};
  CALL(OK, cuGraphKernelNodeGetParams, add, &got_old);
  EQUAL("block in the old structure", got_old.blockDimX, 64);
  CUDA_MEMSET_NODE_PARAMS filled = {};
  CALL(OK, cuGraphMemsetNodeGetParams, fill, &filled);
  EQUAL("value of the memset", filled.value, 1);
  EQUAL("width of the memset", filled.width, 64);
  CALL(INVALID, cuGraphMemsetNodeGetParams, add, &filled);

  CUgraphExec exec = instantiate(graph);
  launch(exec);
  EQUAL("as built", conformance::read(data, 64)[0], 11);
  value = 20;
  CALL(OK, cuGraphExecKernelNodeSetParams_v2, exec, add, &params);
  launch(exec);
  EQUAL("changed in the executable", conformance::read(data, 64)[0], 21);
  filled.value = 100;
  CALL(OK, cuGraphExecMemsetNodeSetParams, exec, fill, &filled, context);
  launch(exec);
  EQUAL("memset changed in the executable", conformance::read(data, 64)[0], 120);
  CALL(INVALID, cuGraphExecKernelNodeSetParams_v2, exec, fill, &params);
  CALL(INVALID, cuGraphExecKernelNodeSetParams_v2, nullptr, add, &params);
  CALL(INVALID, cuGraphExecKernelNodeSetParams_v2, exec, add, nullptr);

  value = 30;
  CALL(OK, cuGraphKernelNodeSetParams_v2, add, &params);
  filled.value = 200;
  CALL(OK, cuGraphMemsetNodeSetParams, fill, &filled);
  CALL(INVALID, cuGraphMemsetNodeSetParams, add, &filled);
  CUgraphExecUpdateResultInfo info = {};
  CALL(OK, cuGraphExecUpdate_v2, exec, graph, &info);
  EQUAL("update", info.result, static_cast<int>(CU_GRAPH_EXEC_UPDATE_SUCCESS));
  launch(exec);
  EQUAL("updated as a whole", conformance::read(data, 64)[0], 230);
  CUgraphNode empty = nullptr;
  CALL(OK, cuGraphAddEmptyNode, &empty, graph, nullptr, 0);
  CALL(CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE, cuGraphExecUpdate_v2, exec, graph, &info);
  EQUAL("an update that changes the shape", info.result, static_cast<int>(CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED));
  CALL(INVALID, cuGraphExecUpdate_v2, exec, graph, nullptr);
  CALL(INVALID, cuGraphExecUpdate_v2, exec, nullptr, &info);

  unsigned enabled = 9;
  CALL(OK, cuGraphNodeGetEnabled, exec, add, &enabled);
  EQUAL("enabled", enabled, 1);
  CALL(OK, cuGraphNodeSetEnabled, exec, add, 0);
  launch(exec);
  EQUAL("without the kernel", conformance::read(data, 64)[0], 200);
  cuuint64_t flags = 99;
  CALL(OK, cuGraphExecGetFlags, exec, &flags);
  EQUAL("flags", flags, 0);
  CALL(OK, cuGraphUpload, exec, nullptr);
  CALL(OK, cuCtxSynchronize);
  CALL(OK, cuGraphExecDestroy, exec);
  CALL(OK, cuGraphDestroy, graph);
}

GROUP(graph_copies) {
  CUcontext context = conformance::begin();
  const CUdeviceptr data = conformance::allocate(4096), other = conformance::allocate(4096);
  std::vector<uint32_t> source(256), result(256, 0), again(256, 0);
  for (uint32_t i = 0; i < 256; ++i) source[i] = i * 3;

  CUgraph graph = make_graph();
  CUDA_MEMCPY3D in = row(1024), across = row(1024), out = row(1024);
  in.srcMemoryType = out.dstMemoryType = CU_MEMORYTYPE_HOST;
  in.dstMemoryType = out.srcMemoryType = across.srcMemoryType = across.dstMemoryType = CU_MEMORYTYPE_DEVICE;
  in.srcHost = source.data();
  in.dstDevice = across.srcDevice = data;
  across.dstDevice = out.srcDevice = other;
  out.dstHost = result.data();
  CUgraphNode first = nullptr, second = nullptr, third = nullptr;
  CALL(OK, cuGraphAddMemcpyNode, &first, graph, nullptr, 0, &in, context);
  CALL(OK, cuGraphAddMemcpyNode, &second, graph, &first, 1, &across, context);
  CALL(OK, cuGraphAddMemcpyNode, &third, graph, &second, 1, &out, context);
  CALL(INVALID, cuGraphAddMemcpyNode, &third, graph, nullptr, 0, nullptr, context);

  // A function that looks at what the copy before it has brought.
  static uint32_t seen;
  static const uint32_t* looked_at;
  looked_at = result.data();
  CUDA_HOST_NODE_PARAMS look = {[](void* data) { seen = looked_at[255] + *static_cast<uint32_t*>(data); }, nullptr};
  static uint32_t addend = 1000;
  look.userData = &addend;
  CUgraphNode host = nullptr;
  CALL(OK, cuGraphAddHostNode, &host, graph, &third, 1, &look);
  CALL(INVALID, cuGraphAddHostNode, &host, graph, &third, 1, nullptr);

  CUgraphNodeType type;
  CALL(OK, cuGraphNodeGetType, first, &type);
  EQUAL("type of a copy node", type, static_cast<int>(CU_GRAPH_NODE_TYPE_MEMCPY));
  CUDA_MEMCPY3D got = {};
  CALL(OK, cuGraphMemcpyNodeGetParams, first, &got);
  EQUAL("its source", got.srcHost == source.data(), true);
  EQUAL("its width", got.WidthInBytes, 1024);
  CALL(OK, cuGraphMemcpyNodeGetParams, second, &got);
  EQUAL("source of the copy on the device", got.srcDevice == data, true);
  CUDA_HOST_NODE_PARAMS got_host = {};
  CALL(OK, cuGraphHostNodeGetParams, host, &got_host);
  EQUAL("the host node's function", got_host.fn == look.fn, true);
  EQUAL("the host node's data", got_host.userData == look.userData, true);
  size_t count = 0;
  CALL(OK, cuGraphGetNodes, graph, nullptr, &count);
  EQUAL("nodes", count, 4);

  CUgraphExec exec = instantiate(graph);
  launch(exec);
  EQUAL("through the device and back", result == source, true);
  EQUAL("seen by the host node", seen, 765 + 1000);
  for (uint32_t i = 0; i < 256; ++i) source[i] = i * 5;
  launch(exec);
  EQUAL("the second launch reads the source again", result == source, true);
  EQUAL("seen by the host node again", seen, 1275 + 1000);

  out.dstHost = again.data();
  CALL(OK, cuGraphExecMemcpyNodeSetParams, exec, third, &out, context);
  launch(exec);
  EQUAL("to another place", again == source, true);
  static uint32_t other_addend = 1;
  look.userData = &other_addend;
  CALL(OK, cuGraphExecHostNodeSetParams, exec, host, &look);
  launch(exec);
  EQUAL("with other data", seen, 1275 + 1);

  std::fill(again.begin(), again.end(), 0);
  CALL(OK, cuGraphMemcpyNodeSetParams, third, &out);
  CUgraphExec fresh = instantiate(graph);
  launch(fresh);
  EQUAL("changed in the graph", again == source, true);
  CALL(OK, cuGraphExecDestroy, fresh);
  CALL(OK, cuGraphExecDestroy, exec);
  CALL(OK, cuGraphDestroy, graph);
}

GROUP(graph_children) {
  CUcontext context = conformance::begin();
  const CUdeviceptr data = conformance::allocate(4096);
  CUgraph inner = make_graph(), outer = make_graph(), embedded = nullptr, clone = nullptr;
  CUgraphNode fill = add_fill(inner, nullptr, data, 4, 16, context), child = nullptr, twin = nullptr;
  CALL(OK, cuGraphAddChildGraphNode, &child, outer, nullptr, 0, inner);
  CALL(INVALID, cuGraphAddChildGraphNode, &child, outer, nullptr, 0, nullptr);
  CUgraphNodeType type;
  CALL(OK, cuGraphNodeGetType, child, &type);
  EQUAL("type", type, static_cast<int>(CU_GRAPH_NODE_TYPE_GRAPH));
  CALL(OK, cuGraphChildGraphNodeGetGraph, child, &embedded);
  EQUAL("the embedded graph is a copy", embedded != inner, true);
  CUgraph embedded_again = nullptr;
  CALL(OK, cuGraphChildGraphNodeGetGraph, child, &embedded_again);
  EQUAL("and stays the same", embedded == embedded_again, true);
  CALL(INVALID, cuGraphChildGraphNodeGetGraph, fill, &embedded_again);
  size_t count = 4;
  CUgraphNode nodes[4];
  CALL(OK, cuGraphGetNodes, embedded, nodes, &count);
  EQUAL("its nodes", count, 1);
  CUDA_MEMSET_NODE_PARAMS params = {};
  CALL(OK, cuGraphMemsetNodeGetParams, nodes[0], &params);
  EQUAL("its memset", params.value, 4);
  CALL(OK, cuGraphClone, &clone, inner);
  CALL(INVALID, cuGraphClone, nullptr, inner);
  CALL(INVALID, cuGraphClone, &clone, nullptr);
  CALL(OK, cuGraphNodeFindInClone, &twin, fill, clone);
  EQUAL("the clone's node is another", twin != fill, true);
  CALL(INVALID, cuGraphNodeFindInClone, &twin, fill, inner);
  CALL(OK, cuGraphDestroy, inner);
  CUgraphExec exec = instantiate(outer);
  launch(exec);
  EQUAL("the child ran", conformance::read(data, 16)[15], 4);
  CALL(OK, cuGraphExecDestroy, exec);
  exec = instantiate(clone);
  conformance::write(data, {0, 0});
  launch(exec);
  EQUAL("the clone ran", conformance::read(data, 16)[0], 4);
  CALL(OK, cuGraphExecDestroy, exec);
  CALL(OK, cuGraphDestroy, clone);
  CALL(OK, cuGraphDestroy, outer);
  CALL(INVALID, cuGraphNodeGetType, child, &type);
}

GROUP(graph_events) {
  CUcontext context = conformance::begin();
  const CUdeviceptr data = conformance::allocate(4096);
  CUgraph graph = make_graph();
  CUevent event = nullptr, second = nullptr, got = nullptr;
  CALL(OK, cuEventCreate, &event, 0);
  CALL(OK, cuEventCreate, &second, 0);
  CUgraphNode fill = add_fill(graph, nullptr, data, 4, 16, context), record = nullptr, wait = nullptr;
  CALL(OK, cuGraphAddEventRecordNode, &record, graph, &fill, 1, event);
  CALL(CUDA_ERROR_INVALID_HANDLE, cuGraphAddEventRecordNode, &record, graph, &fill, 1, conformance::garbage<CUevent>());
  CALL(OK, cuGraphAddEventWaitNode, &wait, graph, &record, 1, event);
  CALL(OK, cuGraphEventRecordNodeGetEvent, record, &got);
  EQUAL("event of the record node", got == event, true);
  CALL(OK, cuGraphEventWaitNodeGetEvent, wait, &got);
  EQUAL("event of the wait node", got == event, true);
  CALL(INVALID, cuGraphEventWaitNodeGetEvent, record, &got);
  CUgraphExec exec = instantiate(graph);
  launch(exec);
  CALL(OK, cuEventQuery, event);
  CALL(OK, cuGraphExecEventRecordNodeSetEvent, exec, record, second);
  CALL(OK, cuGraphExecEventWaitNodeSetEvent, exec, wait, second);
  CALL(OK, cuGraphEventRecordNodeSetEvent, record, second);
  CALL(OK, cuGraphEventWaitNodeSetEvent, wait, second);
  CALL(OK, cuGraphEventRecordNodeGetEvent, record, &got);
  EQUAL("event after it was set", got == second, true);
  launch(exec);
  CALL(OK, cuEventSynchronize, second);
  CALL(OK, cuGraphExecDestroy, exec);
  CALL(OK, cuGraphDestroy, graph);
}

GROUP(graph_memory) {
  CUcontext context = conformance::begin();
  CUgraph graph = make_graph();
  CUDA_MEM_ALLOC_NODE_PARAMS params = {};
  params.poolProps.allocType = CU_MEM_ALLOCATION_TYPE_PINNED;
  params.poolProps.location = {CU_MEM_LOCATION_TYPE_DEVICE, {0}};
  params.bytesize = 1 << 20;
  CUgraphNode alloc = nullptr, free = nullptr;
  CALL(OK, cuGraphAddMemAllocNode, &alloc, graph, nullptr, 0, &params);
  EQUAL("it has an address", params.dptr != 0, true);
  CALL(INVALID, cuGraphAddMemAllocNode, &alloc, graph, nullptr, 0, nullptr);
  CUDA_MEM_ALLOC_NODE_PARAMS none = params;
  none.bytesize = 0;
  CUgraphNode unused = nullptr;
  CALL(INVALID, cuGraphAddMemAllocNode, &unused, graph, nullptr, 0, &none);
  CUDA_MEM_ALLOC_NODE_PARAMS got = {};
  CALL(OK, cuGraphMemAllocNodeGetParams, alloc, &got);
  EQUAL("size", got.bytesize, 1 << 20);
  EQUAL("address", got.dptr == params.dptr, true);
  CUgraphNode fill = add_fill(graph, alloc, params.dptr, 9, 64, context), copy = nullptr;
  const CUdeviceptr data = conformance::allocate(4096);
  CUDA_MEMCPY3D across = row(256);
  across.srcMemoryType = across.dstMemoryType = CU_MEMORYTYPE_DEVICE;
  across.srcDevice = params.dptr;
  across.dstDevice = data;
  CALL(OK, cuGraphAddMemcpyNode, &copy, graph, &fill, 1, &across, context);
  CALL(OK, cuGraphAddMemFreeNode, &free, graph, &copy, 1, params.dptr);
  CUdeviceptr freed = 0;
  CALL(OK, cuGraphMemFreeNodeGetParams, free, &freed);
  EQUAL("freed address", freed == params.dptr, true);
  CUgraphExec exec = instantiate(graph);
  launch(exec);
  launch(exec);
  EQUAL("memory of the graph was used", conformance::read(data, 64)[63], 9);
  cuuint64_t used = 99;
  CALL(OK, cuDeviceGetGraphMemAttribute, 0, CU_GRAPH_MEM_ATTR_USED_MEM_CURRENT, &used);
  EQUAL("in use after the launch", used, 0);
  CALL(INVALID, cuDeviceGetGraphMemAttribute, 0, CU_GRAPH_MEM_ATTR_USED_MEM_CURRENT, nullptr);
  CALL(CUDA_ERROR_INVALID_DEVICE, cuDeviceGetGraphMemAttribute, 99, CU_GRAPH_MEM_ATTR_USED_MEM_CURRENT, &used);
  used = 0;
  CALL(OK, cuDeviceSetGraphMemAttribute, 0, CU_GRAPH_MEM_ATTR_USED_MEM_HIGH, &used);
  CALL(OK, cuGraphExecDestroy, exec);
  CALL(OK, cuDeviceGraphMemTrim, 0);
  CALL(OK, cuGraphDestroy, graph);
}

GROUP(graph_any) {
  CUcontext context = conformance::begin();
  const CUdeviceptr data = conformance::allocate(4096);
  CUgraph graph = make_graph();
  CUgraphNodeParams params = {};
  params.type = CU_GRAPH_NODE_TYPE_MEMSET;
  params.memset = {data, 0, 7, 4, 16, 1, context};
  CUgraphNode fill = nullptr, empty = nullptr, operations = nullptr;
  CALL(OK, cuGraphAddNode_v2, &fill, graph, nullptr, nullptr, 0, &params);
  CALL(INVALID, cuGraphAddNode_v2, &fill, graph, nullptr, nullptr, 0, nullptr);
  CALL(INVALID, cuGraphAddNode_v2, nullptr, graph, nullptr, nullptr, 0, &params);
  params = {};
  params.type = CU_GRAPH_NODE_TYPE_EMPTY;
  CALL(OK, cuGraphAddNode, &empty, graph, &fill, 1, &params);
  CUstreamBatchMemOpParams operation = {};
  operation.writeValue.operation = CU_STREAM_MEM_OP_WRITE_VALUE_32;
  operation.writeValue.address = data + 4;
  operation.writeValue.value = 77;
  CUDA_BATCH_MEM_OP_NODE_PARAMS batch = {context, 1, &operation, 0};
  CALL(OK, cuGraphAddBatchMemOpNode, &operations, graph, &empty, 1, &batch);
  CALL(INVALID, cuGraphAddBatchMemOpNode, &operations, graph, &empty, 1, nullptr);
  CUDA_BATCH_MEM_OP_NODE_PARAMS got = {};
  CALL(OK, cuGraphBatchMemOpNodeGetParams, operations, &got);
  EQUAL("operations", got.count, 1);
  EQUAL("value written", got.paramArray[0].writeValue.value, 77);
  CUgraphExec exec = instantiate(graph);
  launch(exec);
  const auto values = conformance::read(data, 4);
  EQUAL("filled", values[0], 7);
  EQUAL("written by the operation", values[1], 77);
  operation.writeValue.value = 78;
  CALL(OK, cuGraphExecBatchMemOpNodeSetParams, exec, operations, &batch);
  launch(exec);
  EQUAL("changed operation", conformance::read(data, 4)[1], 78);
  CALL(OK, cuGraphBatchMemOpNodeSetParams, operations, &batch);
  params = {};
  params.type = CU_GRAPH_NODE_TYPE_MEMSET;
  params.memset = {data, 0, 8, 4, 16, 1, context};
  CALL(OK, cuGraphNodeSetParams, fill, &params);
  CALL(OK, cuGraphExecNodeSetParams, exec, fill, &params);
  launch(exec);
  EQUAL("changed memset", conformance::read(data, 4)[0], 8);
  CALL(OK, cuGraphExecDestroy, exec);
  CALL(OK, cuGraphDestroy, graph);
}

GROUP(user_objects) {
  conformance::begin();
  CUgraph graph = make_graph();
  CUuserObject object = nullptr;
  static int ended;
  const CUhostFn end = [](void* data) { *static_cast<int*>(data) += 1; };
  CALL(OK, cuUserObjectCreate, &object, &ended, end, 1, CU_USER_OBJECT_NO_DESTRUCTOR_SYNC);
  CALL(INVALID, cuUserObjectCreate, nullptr, &ended, end, 1, CU_USER_OBJECT_NO_DESTRUCTOR_SYNC);
  CALL(INVALID, cuUserObjectCreate, &object, &ended, nullptr, 1, CU_USER_OBJECT_NO_DESTRUCTOR_SYNC);
  CALL(INVALID, cuUserObjectCreate, &object, &ended, end, 0, CU_USER_OBJECT_NO_DESTRUCTOR_SYNC);
  CALL(INVALID, cuUserObjectCreate, &object, &ended, end, 1, 0);
  CALL(OK, cuUserObjectRetain, object, 2);
  CALL(OK, cuUserObjectRelease, object, 2);
  CALL(INVALID, cuUserObjectRetain, nullptr, 1);
  CALL(INVALID, cuUserObjectRelease, conformance::garbage<CUuserObject>(), 1);
  CALL(OK, cuGraphRetainUserObject, graph, object, 1, CU_GRAPH_USER_OBJECT_MOVE);
  CALL(INVALID, cuGraphRetainUserObject, nullptr, object, 1, 0);
  CALL(OK, cuGraphReleaseUserObject, graph, object, 1);
  CALL(OK, cuGraphDestroy, graph);
}
