// Parameters of graph nodes, as the application gives and asks for them, and the work they stand for.
#pragma once

#include "simgpu/graph.h"

namespace simgpu {

// The work of a node of `graph`; not of child graph and conditional nodes, which are more than work. An allocation's address is stored in
// the parameters.
CUresult work_from(CUgraphNodeParams* params, const Graph* graph, Work* work);

// The context that parameters name; only kept, to be answered again.
CUcontext context_in(const CUgraphNodeParams& params);

// What the node was made with. Pointers in it are the node's own: valid until the node changes.
CUresult params_of(GraphNode* node, CUgraphNodeParams* params);

// Attributes that change how a kernel node's work runs: put into the work, if they fit it.
CUresult apply_attributes(const GraphNode& node, Work* work);

}  // namespace simgpu
