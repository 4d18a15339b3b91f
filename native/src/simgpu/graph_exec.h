// Executable graphs: what cuGraphInstantiate makes of a graph. Launches run the nodes one after the other.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "simgpu/graph.h"
#include "simgpu/graph_memory.h"

namespace simgpu {

// A graph's nodes in an order that respects their dependencies. A child graph's node holds the child's own executable form. Once launched
// it does not change any more: an update is made to a copy, since what has been launched keeps the parameters it was launched with.
struct Executable {
  struct Node {
    uint64_t origin = 0;  // number of the graph's node it was made from
    CUgraphNode handle = nullptr;
    CUgraphNodeType type = CU_GRAPH_NODE_TYPE_EMPTY;
    Work work;
    bool enabled = true;
    std::vector<size_t> after;  // places in `nodes`
  };
  unsigned id = 0;
  std::shared_ptr<std::mutex> running =
      std::make_shared<std::mutex>();  // shared by copies: launches of one executable graph do not overlap
  std::vector<Node> nodes;
  unsigned long long flags = 0;
  MemoryPlan memory;  // of all within too, as are:
  std::vector<std::shared_ptr<Condition>> conditions;
  OwnedObjects objects;
};

struct GraphExec {
  std::shared_ptr<Executable> executable;
};

HandleTable<GraphExec>& graph_execs();

// Why a graph cannot be made executable, and where.
struct InstantiateFailure {
  CUgraphInstantiateResult result = CUDA_GRAPH_INSTANTIATE_SUCCESS;
  CUgraphNode node = nullptr;
};
std::shared_ptr<Executable> make_executable(const Graph& graph, unsigned long long flags, InstantiateFailure* failure);

// What may be changed: the handle's own executable, or a copy of it if a launch still needs it as it is.
Executable* writable(GraphExec* exec);

// The executable form of a graph's node, wherever it lies; nullptr if there is none.
Executable::Node* find_node(Executable* executable, const GraphNode& node);

// Takes over the parameters of a graph of the same shape; changes nothing if it is not of the same shape.
CUresult update_executable(Executable* executable, const Graph& graph, CUgraphExecUpdateResultInfo* info);

// Replaces the work of one node; its kind must stay.
CUresult replace_work(Executable::Node* node, Work work);

// Runs all nodes. `sequence` is the launch's number in its stream.
void run_executable(Context* context, StreamCore* stream, Executable* executable, uint64_t sequence);

// Calls `visit` with every node that runs exactly once per launch: those of child graphs, but not of conditional bodies.
template <typename Visit>
void visit_nodes(Executable* executable, const Visit& visit) {
  for (auto& node : executable->nodes) {
    if (auto* child = std::get_if<GraphWork>(&node.work)) {
      visit_nodes(child->graph.get(), visit);
    } else {
      visit(node);
    }
  }
}

}  // namespace simgpu
