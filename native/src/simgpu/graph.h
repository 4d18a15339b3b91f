// Graphs: nodes of work with dependencies between them. Their executable form is in graph_exec.h.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <vector>

#include "simgpu/api.h"
#include "simgpu/handle_table.h"
#include "simgpu/user_object.h"
#include "simgpu/work.h"

namespace simgpu {

struct Graph;

// What a conditional node looks at; kernels set it by its handle. Graph, node and executable graphs share it.
struct Condition {
  const Graph* graph = nullptr;
  unsigned default_value = 0;
  bool assign_default = false;
  bool used = false;  // a node has it
  std::atomic<unsigned> value{0};
};

struct GraphNode {
  uint64_t id = 0;        // never given to another node
  unsigned local_id = 0;  // within its graph
  Graph* graph = nullptr;
  CUgraphNodeType type = CU_GRAPH_NODE_TYPE_EMPTY;
  Work work;
  CUcontext context = nullptr;  // the one asked for; only kept
  std::vector<GraphNode*> after;
  std::map<const GraphNode*, CUgraphEdgeData> edges;  // data of those edges in `after` that have any
  std::vector<Graph*> children;                       // of a child graph node, or the bodies of a conditional one: owned
  std::vector<CUgraph> child_handles;                 // what a conditional node's creation answered
  std::shared_ptr<Condition> condition;
  CUgraphConditionalNodeType condition_type = CU_GRAPH_COND_TYPE_IF;
  GraphNode* original = nullptr;                       // in the graph this one was cloned from
  std::vector<void*> param_pointers;                   // what the query of a kernel node's parameters answered
  std::map<int, CUlaunchAttributeValue> attributes{};  // of a kernel node
  CUgraphNode handle() { return reinterpret_cast<CUgraphNode>(this); }
};

struct Graph {
  unsigned id = 0;
  unsigned next_local_id = 0;
  std::vector<GraphNode*> nodes;
  const Graph* original = nullptr;
  bool owned = false;  // by a node of another graph
  std::vector<std::shared_ptr<Condition>> conditions;
  OwnedObjects objects;
  CUgraph handle() { return reinterpret_cast<CUgraph>(this); }
};

HandleTable<Graph>& graphs();
HandleTable<GraphNode>& graph_nodes();
HandleTable<Condition>& conditions();

// nullptr when there are too many.
Graph* make_graph();
GraphNode* add_node(Graph* graph, CUgraphNodeType type, Work work, std::vector<GraphNode*> after);
void destroy_graph(Graph* graph);
void destroy_node(GraphNode* node);
Graph* clone_graph(const Graph& graph);
std::shared_ptr<Condition> make_condition(Graph* graph, unsigned default_value, bool assign_default);

CUgraphNodeType type_of(const Work& work);

// Whether a graph, or one within it, has nodes that forbid copies of it: memory and conditional nodes.
bool has_unique_nodes(const Graph& graph);

// The nodes in an order in which each comes after those it depends on; fewer than all if there is a cycle.
std::vector<GraphNode*> ordered(const Graph& graph);

// The graph's picture in the language of Graphviz.
std::string dot_text(const Graph& graph, unsigned flags);

// What the conditional handle of a kernel's call means; false if there is no such condition.
bool set_condition(uint64_t handle, unsigned value);

}  // namespace simgpu
