// Graphs as a whole: making, copying, looking at nodes and edges.
#include <algorithm>
#include <cstdio>
#include <cstring>

#include "simgpu/graph_handles.h"

using namespace simgpu;

namespace simgpu {

CUresult nodes_from(const Graph* graph, const CUgraphNode* handles, size_t count, std::vector<GraphNode*>* nodes) {
  REQUIRE(count == 0 || handles != nullptr, CUDA_ERROR_INVALID_VALUE);
  for (size_t i = 0; i < count; i++) {
    GraphNode* node = graph_nodes().get(handles[i]);
    REQUIRE(node != nullptr && node->graph == graph, CUDA_ERROR_INVALID_VALUE);
    nodes->push_back(node);
  }
  return CUDA_SUCCESS;
}

CUresult add_edge(GraphNode* from, GraphNode* to, const CUgraphEdgeData* data) {
  const CUgraphEdgeData plain{};
  REQUIRE(from != to && std::find(to->after.begin(), to->after.end(), from) == to->after.end(), CUDA_ERROR_INVALID_VALUE);
  to->after.push_back(from);
  if (data != nullptr && memcmp(data, &plain, sizeof plain) != 0) to->edges[from] = *data;
  return CUDA_SUCCESS;
}

}  // namespace simgpu

namespace {

struct Edge {
  GraphNode* from;
  GraphNode* to;
  CUgraphEdgeData data() const {
    const auto found = to->edges.find(from);
    return found != to->edges.end() ? found->second : CUgraphEdgeData{};
  }
};

// The protocol of all list queries: a null list asks for the count; a longer list is filled up with nulls.
CUresult store_nodes(const std::vector<GraphNode*>& found, CUgraphNode* out, size_t* count) {
  REQUIRE(count != nullptr, CUDA_ERROR_INVALID_VALUE);
  if (out != nullptr) {
    for (size_t i = 0; i < *count; i++) out[i] = i < found.size() ? found[i]->handle() : nullptr;
    *count = std::min(*count, found.size());
  } else {
    *count = found.size();
  }
  return CUDA_SUCCESS;
}

// Edges that carry data cannot be told by the functions that have no place for it.
CUresult store_edges(const std::vector<Edge>& edges, CUgraphNode* from, CUgraphNode* to, CUgraphEdgeData* data, size_t* count) {
  REQUIRE(count != nullptr, CUDA_ERROR_INVALID_VALUE);
  const bool listing = from != nullptr || to != nullptr;
  for (size_t i = 0; listing && i < *count; i++) {
    const Edge* edge = i < edges.size() ? &edges[i] : nullptr;
    if (data == nullptr && edge != nullptr && edge->to->edges.count(edge->from) != 0) return CUDA_ERROR_LOSSY_QUERY;
    if (from != nullptr) from[i] = edge != nullptr ? edge->from->handle() : nullptr;
    if (to != nullptr) to[i] = edge != nullptr ? edge->to->handle() : nullptr;
    if (data != nullptr) data[i] = edge != nullptr ? edge->data() : CUgraphEdgeData{};
  }
  *count = listing ? std::min(*count, edges.size()) : edges.size();
  return CUDA_SUCCESS;
}

std::vector<Edge> edges_to(GraphNode* node) {
  std::vector<Edge> found;
  for (GraphNode* before : node->after) found.push_back({before, node});
  return found;
}

std::vector<Edge> edges_from(GraphNode* node) {
  std::vector<Edge> found;
  for (GraphNode* other : node->graph->nodes) {
    if (std::find(other->after.begin(), other->after.end(), node) != other->after.end()) found.push_back({node, other});
  }
  return found;
}

CUresult remove_edge(GraphNode* from, GraphNode* to) {
  REQUIRE(std::erase(to->after, from) != 0, CUDA_ERROR_INVALID_VALUE);
  to->edges.erase(from);
  return CUDA_SUCCESS;
}

bool memory_node(const GraphNode& node) { return node.type == CU_GRAPH_NODE_TYPE_MEM_ALLOC || node.type == CU_GRAPH_NODE_TYPE_MEM_FREE; }

// Nodes and edges of a graph with memory nodes cannot be taken away.
bool frozen(const Graph& graph) {
  return std::any_of(graph.nodes.begin(), graph.nodes.end(), [](const GraphNode* node) { return memory_node(*node); });
}

}  // namespace

extern "C" {

CUresult cuGraphCreate(CUgraph* out, unsigned int flags) {
  REQUIRE_INITIALIZED();
  REQUIRE(out != nullptr && flags == 0, CUDA_ERROR_INVALID_VALUE);
  Graph* graph = make_graph();
  REQUIRE(graph != nullptr, CUDA_ERROR_OUT_OF_MEMORY);
  *out = graph->handle();
  return CUDA_SUCCESS;
}

CUresult cuGraphDestroy(CUgraph handle) {
  GRAPH(graph, handle);
  REQUIRE(!graph->owned, CUDA_ERROR_INVALID_VALUE);
  destroy_graph(graph);
  return CUDA_SUCCESS;
}

CUresult cuGraphClone(CUgraph* out, CUgraph handle) {
  GRAPH(graph, handle);
  REQUIRE(out != nullptr, CUDA_ERROR_INVALID_VALUE);
  REQUIRE(!has_unique_nodes(*graph), CUDA_ERROR_NOT_SUPPORTED);
  Graph* copy = clone_graph(*graph);
  REQUIRE(copy != nullptr, CUDA_ERROR_OUT_OF_MEMORY);
  *out = copy->handle();
  return CUDA_SUCCESS;
}

CUresult cuGraphNodeFindInClone(CUgraphNode* out, CUgraphNode original, CUgraph clone) {
  GRAPH(graph, clone);
  NODE(node, original);
  REQUIRE(out != nullptr, CUDA_ERROR_INVALID_VALUE);
  for (GraphNode* each : graph->nodes) {
    if (each->original != node) continue;
    *out = each->handle();
    return CUDA_SUCCESS;
  }
  return CUDA_ERROR_INVALID_VALUE;
}

CUresult cuGraphGetId(CUgraph handle, unsigned int* id) {
  GRAPH(graph, handle);
  REQUIRE(id != nullptr, CUDA_ERROR_INVALID_VALUE);
  *id = graph->id;
  return CUDA_SUCCESS;
}

CUresult cuGraphConditionalHandleCreate(CUgraphConditionalHandle* out, CUgraph handle, CUcontext, unsigned int value, unsigned int flags) {
  GRAPH(graph, handle);
  REQUIRE(out != nullptr && (flags & ~static_cast<unsigned>(CU_GRAPH_COND_ASSIGN_DEFAULT)) == 0, CUDA_ERROR_INVALID_VALUE);
  const auto condition = make_condition(graph, value, flags != 0);
  REQUIRE(condition != nullptr, CUDA_ERROR_OUT_OF_MEMORY);
  *out = reinterpret_cast<CUgraphConditionalHandle>(condition.get());
  return CUDA_SUCCESS;
}

CUresult cuGraphDebugDotPrint(CUgraph handle, const char* path, unsigned int flags) {
  GRAPH(graph, handle);
  REQUIRE(path != nullptr, CUDA_ERROR_INVALID_VALUE);
  FILE* file = fopen(path, "we");
  REQUIRE(file != nullptr, CUDA_ERROR_OPERATING_SYSTEM);
  const std::string text = dot_text(*graph, flags);
  const bool written = fwrite(text.data(), 1, text.size(), file) == text.size();
  return fclose(file) == 0 && written ? CUDA_SUCCESS : CUDA_ERROR_OPERATING_SYSTEM;
}

// --- Nodes and edges --------------------------------------------------------------------------------------------------------------------

CUresult cuGraphGetNodes(CUgraph handle, CUgraphNode* out, size_t* count) {
  GRAPH(graph, handle);
  return store_nodes(graph->nodes, out, count);
}

CUresult cuGraphGetRootNodes(CUgraph handle, CUgraphNode* out, size_t* count) {
  GRAPH(graph, handle);
  std::vector<GraphNode*> roots;
  std::copy_if(graph->nodes.begin(), graph->nodes.end(), std::back_inserter(roots),
               [](const GraphNode* node) { return node->after.empty(); });
  return store_nodes(roots, out, count);
}

CUresult cuGraphGetEdges_v2(CUgraph handle, CUgraphNode* from, CUgraphNode* to, CUgraphEdgeData* data, size_t* count) {
  GRAPH(graph, handle);
  REQUIRE((from == nullptr) == (to == nullptr), CUDA_ERROR_INVALID_VALUE);
  std::vector<Edge> edges;
  for (GraphNode* node : graph->nodes) {
    for (const Edge& edge : edges_to(node)) edges.push_back(edge);
  }
  return store_edges(edges, from, to, data, count);
}

CUresult cuGraphGetEdges(CUgraph graph, CUgraphNode* from, CUgraphNode* to, size_t* count) {
  return cuGraphGetEdges_v2(graph, from, to, nullptr, count);
}

CUresult cuGraphNodeGetDependencies_v2(CUgraphNode handle, CUgraphNode* out, CUgraphEdgeData* data, size_t* count) {
  NODE(node, handle);
  return store_edges(edges_to(node), out, nullptr, data, count);
}

CUresult cuGraphNodeGetDependencies(CUgraphNode node, CUgraphNode* out, size_t* count) {
  return cuGraphNodeGetDependencies_v2(node, out, nullptr, count);
}

CUresult cuGraphNodeGetDependentNodes_v2(CUgraphNode handle, CUgraphNode* out, CUgraphEdgeData* data, size_t* count) {
  NODE(node, handle);
  return store_edges(edges_from(node), nullptr, out, data, count);
}

CUresult cuGraphNodeGetDependentNodes(CUgraphNode node, CUgraphNode* out, size_t* count) {
  return cuGraphNodeGetDependentNodes_v2(node, out, nullptr, count);
}

CUresult cuGraphAddDependencies_v2(CUgraph handle, const CUgraphNode* from, const CUgraphNode* to, const CUgraphEdgeData* data,
                                   size_t count) {
  GRAPH(graph, handle);
  std::vector<GraphNode*> sources, targets;
  if (const CUresult bad = nodes_from(graph, from, count, &sources); bad != CUDA_SUCCESS) return bad;
  if (const CUresult bad = nodes_from(graph, to, count, &targets); bad != CUDA_SUCCESS) return bad;
  for (size_t i = 0; i < count; i++) {
    if (const CUresult bad = add_edge(sources[i], targets[i], data != nullptr ? &data[i] : nullptr); bad != CUDA_SUCCESS) return bad;
  }
  return CUDA_SUCCESS;
}

CUresult cuGraphAddDependencies(CUgraph graph, const CUgraphNode* from, const CUgraphNode* to, size_t count) {
  return cuGraphAddDependencies_v2(graph, from, to, nullptr, count);
}

CUresult cuGraphRemoveDependencies_v2(CUgraph handle, const CUgraphNode* from, const CUgraphNode* to, const CUgraphEdgeData*,
                                      size_t count) {
  GRAPH(graph, handle);
  REQUIRE(count == 0 || !frozen(*graph), CUDA_ERROR_NOT_SUPPORTED);
  std::vector<GraphNode*> sources, targets;
  if (const CUresult bad = nodes_from(graph, from, count, &sources); bad != CUDA_SUCCESS) return bad;
  if (const CUresult bad = nodes_from(graph, to, count, &targets); bad != CUDA_SUCCESS) return bad;
  for (size_t i = 0; i < count; i++) {
    if (const CUresult bad = remove_edge(sources[i], targets[i]); bad != CUDA_SUCCESS) return bad;
  }
  return CUDA_SUCCESS;
}

CUresult cuGraphRemoveDependencies(CUgraph graph, const CUgraphNode* from, const CUgraphNode* to, size_t count) {
  return cuGraphRemoveDependencies_v2(graph, from, to, nullptr, count);
}

CUresult cuGraphDestroyNode(CUgraphNode handle) {
  NODE(node, handle);
  REQUIRE(!frozen(*node->graph), CUDA_ERROR_NOT_SUPPORTED);
  destroy_node(node);
  return CUDA_SUCCESS;
}

CUresult cuGraphNodeGetContainingGraph(CUgraphNode handle, CUgraph* graph) {
  NODE(node, handle);
  REQUIRE(graph != nullptr, CUDA_ERROR_INVALID_VALUE);
  *graph = node->graph->handle();
  return CUDA_SUCCESS;
}

CUresult cuGraphNodeGetLocalId(CUgraphNode handle, unsigned int* id) {
  NODE(node, handle);
  REQUIRE(id != nullptr, CUDA_ERROR_INVALID_VALUE);
  *id = node->local_id;
  return CUDA_SUCCESS;
}

CUresult cuGraphNodeGetToolsId(CUgraphNode handle, unsigned long long* id) {
  NODE(node, handle);
  REQUIRE(id != nullptr, CUDA_ERROR_INVALID_VALUE);
  *id = node->id;
  return CUDA_SUCCESS;
}

CUresult cuGraphNodeGetType(CUgraphNode handle, CUgraphNodeType* type) {
  NODE(node, handle);
  REQUIRE(type != nullptr, CUDA_ERROR_INVALID_VALUE);
  *type = node->type;
  return CUDA_SUCCESS;
}

}  // extern "C"
