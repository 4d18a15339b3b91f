// Graphs: nodes of work with dependencies between them, and their executable form.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "simgpu/api.h"
#include "simgpu/handle_table.h"
#include "simgpu/work.h"

namespace simgpu {

struct Graph;

struct GraphNode {
  Graph* graph = nullptr;
  CUgraphNodeType type = CU_GRAPH_NODE_TYPE_EMPTY;
  Work work;
  std::vector<GraphNode*> after;
  Graph* child = nullptr;             // owned
  GraphNode* original = nullptr;      // in the graph this one was cloned from
  std::vector<void*> param_pointers;  // what cuGraphKernelNodeGetParams answered
  CUgraphNode handle() { return reinterpret_cast<CUgraphNode>(this); }
};

struct Graph {
  std::vector<GraphNode*> nodes;
  Graph* original = nullptr;
  bool is_child = false;
  CUgraph handle() { return reinterpret_cast<CUgraph>(this); }
};

// A graph in an order that respects its dependencies, children unfolded. Launches run the nodes one after the other.
struct Executable {
  struct Node {
    const GraphNode* origin;
    CUgraphNodeType type;
    Work work;
    bool enabled = true;
  };
  std::mutex lock;
  std::vector<Node> nodes;
  unsigned long long flags = 0;
};

struct GraphExec {
  std::shared_ptr<Executable> executable;
};

HandleTable<Graph>& graphs();
HandleTable<GraphNode>& graph_nodes();
HandleTable<GraphExec>& graph_execs();

GraphNode* add_node(Graph* graph, CUgraphNodeType type, Work work, std::vector<GraphNode*> after);
void destroy_graph(Graph* graph);
void destroy_node(GraphNode* node);
Graph* clone_graph(const Graph& graph);
CUgraphNodeType type_of(const Work& work);

// The nodes in an order in which each comes after those it depends on; empty if there is a cycle.
std::vector<GraphNode*> ordered(const Graph& graph);
bool flatten(const Graph& graph, std::vector<Executable::Node>* nodes);

}  // namespace simgpu
