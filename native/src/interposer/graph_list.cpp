// Nodes of graphs and edges between them.
#include <algorithm>

#include "calls/api.h"
#include "calls/remote.h"
#include "interposer/check.h"
#include "interposer/graph_node.h"

namespace bitfusion::interposer::api {
namespace {

// Where an answer goes. `second` only where edges are asked for.
struct Lists {
  CUgraphNode* first;
  CUgraphNode* second = nullptr;
  CUgraphEdgeData* edges = nullptr;
};

// The protocol of all list queries: without a list the answer is the number; a list that is too long is filled up with nulls.
CUresult fill(wire::Reader in, const Lists& lists, size_t* count, Offered& offered) {
  const auto total = in.get<uint64_t>();
  if (!lists.first) {
    *count = total;
    return in.ok() ? CUDA_SUCCESS : CUDA_ERROR_DEVICE_UNAVAILABLE;
  }
  for (size_t i = 0; i < *count; ++i) {
    const auto entry = i < total ? in.get<GraphEntry>() : GraphEntry{};
    offered.keep(entry.node);
    offered.keep(entry.to);
    lists.first[i] = (CUgraphNode)entry.node;
    if (lists.second) lists.second[i] = (CUgraphNode)entry.to;
    if (lists.edges) lists.edges[i] = entry.edge;
  }
  *count = std::min<size_t>(*count, total);
  return in.ok() ? CUDA_SUCCESS : CUDA_ERROR_DEVICE_UNAVAILABLE;
}

// A node's graph may be one that the client never named; then nodes found there belong to nothing but themselves.
CUresult list(GraphQuestion question, uint64_t graph, uint64_t node, const Lists& lists, size_t* count) {
  constexpr size_t kMostAtOnce = 16384;
  Caller at;
  if (CUresult error = enter(Scope::kInit, true, &at)) return error;
  const bool known = node ? handles().valid(node, Handle::kGraphNode) : handles().valid(graph, Handle::kGraph);
  if (!known || !count) return CUDA_ERROR_INVALID_VALUE;
  const size_t room = lists.first ? std::min(*count, kMostAtOnce) : 0;
  Slot* slot = node ? handles().find(node, Handle::kGraphNode) : nullptr;
  Offered offered(Handle::kGraphNode, node ? (slot ? slot->owner : 0) : graph, room * (lists.second ? 2 : 1));
  transport::Reply reply;
  const auto asked = static_cast<uint32_t>(question);
  if (CUresult error = remote::GraphList(at, graph, node, asked, room, offered.view(), reply)) return error;
  return fill(reply.in(), lists, count, offered);
}

CUresult edges(CUgraph graph, const Lists& lists, size_t* count) {
  if (!lists.first != !lists.second) return process().ready() ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_NOT_INITIALIZED;
  return list(GraphQuestion::kEdges, to_name(graph), 0, lists, count);
}

}  // namespace

CUresult cuGraphGetNodes(CUgraph graph, CUgraphNode* nodes, size_t* count) {
  return list(GraphQuestion::kNodes, to_name(graph), 0, {nodes}, count);
}
CUresult cuGraphGetRootNodes(CUgraph graph, CUgraphNode* nodes, size_t* count) {
  return list(GraphQuestion::kRoots, to_name(graph), 0, {nodes}, count);
}
CUresult cuGraphGetEdges(CUgraph graph, CUgraphNode* from, CUgraphNode* to, size_t* count) { return edges(graph, {from, to}, count); }
CUresult cuGraphGetEdges_v2(CUgraph graph, CUgraphNode* from, CUgraphNode* to, CUgraphEdgeData* data, size_t* count) {
  return edges(graph, {from, to, data}, count);
}
CUresult cuGraphNodeGetDependencies(CUgraphNode node, CUgraphNode* nodes, size_t* count) {
  return list(GraphQuestion::kDependencies, 0, to_name(node), {nodes}, count);
}
CUresult cuGraphNodeGetDependencies_v2(CUgraphNode node, CUgraphNode* nodes, CUgraphEdgeData* data, size_t* count) {
  return list(GraphQuestion::kDependencies, 0, to_name(node), {nodes, nullptr, data}, count);
}
CUresult cuGraphNodeGetDependentNodes(CUgraphNode node, CUgraphNode* nodes, size_t* count) {
  return list(GraphQuestion::kDependents, 0, to_name(node), {nodes}, count);
}
CUresult cuGraphNodeGetDependentNodes_v2(CUgraphNode node, CUgraphNode* nodes, CUgraphEdgeData* data, size_t* count) {
  return list(GraphQuestion::kDependents, 0, to_name(node), {nodes, nullptr, data}, count);
}

}  // namespace bitfusion::interposer::api
