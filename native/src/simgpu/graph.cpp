#include "simgpu/graph.h"

#include <algorithm>
#include <map>

namespace simgpu {

namespace {

constexpr size_t kMaxGraphs = 1u << 16;
constexpr size_t kMaxNodes = 1u << 22;

}  // namespace

HandleTable<Graph>& graphs() {
  static auto* table = new HandleTable<Graph>(kMaxGraphs);
  return *table;
}

HandleTable<GraphNode>& graph_nodes() {
  static auto* table = new HandleTable<GraphNode>(kMaxNodes);
  return *table;
}

HandleTable<GraphExec>& graph_execs() {
  static auto* table = new HandleTable<GraphExec>(kMaxGraphs);
  return *table;
}

CUgraphNodeType type_of(const Work& work) {
  if (std::holds_alternative<KernelWork>(work)) return CU_GRAPH_NODE_TYPE_KERNEL;
  if (std::holds_alternative<CopyWork>(work)) return CU_GRAPH_NODE_TYPE_MEMCPY;
  if (std::holds_alternative<FillWork>(work)) return CU_GRAPH_NODE_TYPE_MEMSET;
  if (std::holds_alternative<HostWork>(work)) return CU_GRAPH_NODE_TYPE_HOST;
  if (std::holds_alternative<RecordWork>(work)) return CU_GRAPH_NODE_TYPE_EVENT_RECORD;
  if (std::holds_alternative<EventWaitWork>(work)) return CU_GRAPH_NODE_TYPE_WAIT_EVENT;
  if (std::holds_alternative<ValueWork>(work)) return CU_GRAPH_NODE_TYPE_BATCH_MEM_OP;
  return CU_GRAPH_NODE_TYPE_EMPTY;
}

GraphNode* add_node(Graph* graph, CUgraphNodeType type, Work work, std::vector<GraphNode*> after) {
  GraphNode* node = graph_nodes().make();
  if (node == nullptr) return nullptr;
  node->graph = graph;
  node->type = type;
  node->work = std::move(work);
  node->after = std::move(after);
  graph->nodes.push_back(node);
  return node;
}

void destroy_node(GraphNode* node) {
  Graph* graph = node->graph;
  std::erase(graph->nodes, node);
  for (GraphNode* other : graph->nodes) std::erase(other->after, node);
  if (node->child != nullptr) destroy_graph(node->child);
  graph_nodes().destroy(node);
}

void destroy_graph(Graph* graph) {
  for (GraphNode* node : graph->nodes) {
    if (node->child != nullptr) destroy_graph(node->child);
    graph_nodes().destroy(node);
  }
  graphs().destroy(graph);
}

Graph* clone_graph(const Graph& graph) {
  Graph* copy = graphs().make();
  if (copy == nullptr) return nullptr;
  copy->original = const_cast<Graph*>(&graph);
  std::map<const GraphNode*, GraphNode*> twins;
  for (GraphNode* node : graph.nodes) {
    GraphNode* twin = add_node(copy, node->type, node->work, {});
    twin->original = node;
    if (node->child != nullptr) twin->child = clone_graph(*node->child);
    twins[node] = twin;
  }
  for (GraphNode* node : graph.nodes) {
    for (GraphNode* before : node->after) twins[node]->after.push_back(twins[before]);
  }
  return copy;
}

std::vector<GraphNode*> ordered(const Graph& graph) {
  std::map<GraphNode*, size_t> missing;
  std::map<GraphNode*, std::vector<GraphNode*>> followers;
  std::vector<GraphNode*> order;
  for (GraphNode* node : graph.nodes) {
    missing[node] = node->after.size();
    for (GraphNode* before : node->after) followers[before].push_back(node);
    if (node->after.empty()) order.push_back(node);
  }
  for (size_t i = 0; i < order.size(); i++) {
    for (GraphNode* follower : followers[order[i]]) {
      if (--missing[follower] == 0) order.push_back(follower);
    }
  }
  return order.size() == graph.nodes.size() ? order : std::vector<GraphNode*>();
}

bool flatten(const Graph& graph, std::vector<Executable::Node>* nodes) {
  const std::vector<GraphNode*> order = ordered(graph);
  if (order.size() != graph.nodes.size()) return false;
  for (GraphNode* node : order) {
    if (node->child != nullptr) {
      if (!flatten(*node->child, nodes)) return false;
    } else {
      nodes->push_back({node, node->type, node->work, true});
    }
  }
  return true;
}

}  // namespace simgpu
