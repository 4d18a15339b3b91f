// The checks with which graph entry points begin.
#pragma once

#include "simgpu/context.h"
#include "simgpu/graph_exec.h"

#define GRAPH(graph, handle)                           \
  REQUIRE_INITIALIZED();                               \
  simgpu::Graph* graph = simgpu::graphs().get(handle); \
  REQUIRE(graph != nullptr, CUDA_ERROR_INVALID_VALUE)

#define NODE(node, handle)                                     \
  REQUIRE_INITIALIZED();                                       \
  simgpu::GraphNode* node = simgpu::graph_nodes().get(handle); \
  REQUIRE(node != nullptr, CUDA_ERROR_INVALID_VALUE)

#define GRAPH_EXEC(exec, handle)                               \
  REQUIRE_INITIALIZED();                                       \
  simgpu::GraphExec* exec = simgpu::graph_execs().get(handle); \
  REQUIRE(exec != nullptr, CUDA_ERROR_INVALID_VALUE)

namespace simgpu {

// The nodes behind handles, each of which must be one of the graph's.
CUresult nodes_from(const Graph* graph, const CUgraphNode* handles, size_t count, std::vector<GraphNode*>* nodes);

// Adds a dependency with its data (which may be null); it must be new.
CUresult add_edge(GraphNode* from, GraphNode* to, const CUgraphEdgeData* data);

}  // namespace simgpu
