#include "simgpu/graph.h"

#include <algorithm>

namespace simgpu {

namespace {

constexpr size_t kMaxGraphs = 1u << 16;
constexpr size_t kMaxNodes = 1u << 22;

template <typename Number>
Number next_number() {
  static std::atomic<Number> next{1};
  return next.fetch_add(1, std::memory_order_relaxed);
}

void destroy_parts(GraphNode* node) {
  for (Graph* child : node->children) destroy_graph(child);
  if (node->condition != nullptr) node->condition->used = false;
  graph_nodes().destroy(node);
}

// The data of edges is kept by node, which the copy has twins of.
void copy_edges(const GraphNode& from, GraphNode* to, const std::map<const GraphNode*, GraphNode*>& twins) {
  for (GraphNode* before : from.after) to->after.push_back(twins.at(before));
  for (const auto& [before, data] : from.edges) to->edges[twins.at(before)] = data;
}

GraphNode* copy_node(const GraphNode& node, Graph* into) {
  GraphNode* twin = add_node(into, node.type, node.work, {});
  if (twin == nullptr) return nullptr;
  twin->context = node.context;
  twin->attributes = node.attributes;
  twin->original = const_cast<GraphNode*>(&node);
  for (const Graph* child : node.children) {
    Graph* copy = clone_graph(*child);
    if (copy == nullptr) return nullptr;
    copy->owned = true;
    twin->children.push_back(copy);
  }
  return twin;
}

}  // namespace

HandleTable<Graph>& graphs() {
  static auto* table = new HandleTable<Graph>(kMaxGraphs);
  return *table;
}

HandleTable<GraphNode>& graph_nodes() {
  static auto* table = new HandleTable<GraphNode>(kMaxNodes);
  return *table;
}

HandleTable<Condition>& conditions() {
  static auto* table = new HandleTable<Condition>(kMaxGraphs);
  return *table;
}

CUgraphNodeType type_of(const Work& work) {
  if (std::holds_alternative<KernelWork>(work)) return CU_GRAPH_NODE_TYPE_KERNEL;
  if (std::holds_alternative<CopyWork>(work)) return CU_GRAPH_NODE_TYPE_MEMCPY;
  if (std::holds_alternative<FillWork>(work)) return CU_GRAPH_NODE_TYPE_MEMSET;
  if (std::holds_alternative<HostWork>(work)) return CU_GRAPH_NODE_TYPE_HOST;
  if (std::holds_alternative<RecordWork>(work)) return CU_GRAPH_NODE_TYPE_EVENT_RECORD;
  if (std::holds_alternative<EventWaitWork>(work)) return CU_GRAPH_NODE_TYPE_WAIT_EVENT;
  if (std::holds_alternative<BatchWork>(work)) return CU_GRAPH_NODE_TYPE_BATCH_MEM_OP;
  if (std::holds_alternative<AllocWork>(work)) return CU_GRAPH_NODE_TYPE_MEM_ALLOC;
  if (std::holds_alternative<FreeWork>(work)) return CU_GRAPH_NODE_TYPE_MEM_FREE;
  if (std::holds_alternative<ConditionalWork>(work)) return CU_GRAPH_NODE_TYPE_CONDITIONAL;
  return CU_GRAPH_NODE_TYPE_EMPTY;
}

Graph* make_graph() {
  Graph* graph = graphs().make();
  if (graph != nullptr) graph->id = next_number<unsigned>();
  return graph;
}

GraphNode* add_node(Graph* graph, CUgraphNodeType type, Work work, std::vector<GraphNode*> after) {
  GraphNode* node = graph_nodes().make();
  if (node == nullptr) return nullptr;
  node->id = next_number<uint64_t>();
  node->local_id = graph->next_local_id++;
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
  for (GraphNode* other : graph->nodes) {
    std::erase(other->after, node);
    other->edges.erase(node);
  }
  destroy_parts(node);
}

void destroy_graph(Graph* graph) {
  for (GraphNode* node : graph->nodes) destroy_parts(node);
  graphs().destroy(graph);
}

Graph* clone_graph(const Graph& graph) {
  Graph* copy = make_graph();
  if (copy == nullptr) return nullptr;
  copy->original = &graph;
  copy->objects = graph.objects;
  std::map<const GraphNode*, GraphNode*> twins;
  for (const GraphNode* node : graph.nodes) {
    twins[node] = copy_node(*node, copy);
    if (twins[node] != nullptr) continue;
    destroy_graph(copy);
    return nullptr;
  }
  for (const GraphNode* node : graph.nodes) copy_edges(*node, twins[node], twins);
  return copy;
}

std::shared_ptr<Condition> make_condition(Graph* graph, unsigned default_value, bool assign_default) {
  Condition* made = conditions().make();
  if (made == nullptr) return nullptr;
  std::shared_ptr<Condition> condition(made, [](Condition* gone) { conditions().destroy(gone); });
  condition->graph = graph;
  condition->default_value = default_value;
  condition->assign_default = assign_default;
  graph->conditions.push_back(condition);
  return condition;
}

bool has_unique_nodes(const Graph& graph) {
  return std::any_of(graph.nodes.begin(), graph.nodes.end(), [](const GraphNode* node) {
    const bool unique = node->type == CU_GRAPH_NODE_TYPE_MEM_ALLOC || node->type == CU_GRAPH_NODE_TYPE_MEM_FREE ||
                        node->type == CU_GRAPH_NODE_TYPE_CONDITIONAL;
    return unique || std::any_of(node->children.begin(), node->children.end(), [](const Graph* child) { return has_unique_nodes(*child); });
  });
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
  return order;
}

bool set_condition(uint64_t handle, unsigned value) {
  Condition* condition = conditions().get(reinterpret_cast<const void*>(handle));
  if (condition == nullptr) return false;
  condition->value.store(value, std::memory_order_release);
  return true;
}

}  // namespace simgpu
