// Graph nodes as they travel: the node's kind (CUgraphNodeType, u32), then the fields of its kind in the order given here.
//
//   kernel       KernelNode, blob of packed parameters
//   memcpy       CopyNode
//   memset       FillNode
//   host         u64 number of the client's function
//   graph        u64 name of the graph
//   event record, event wait   u64 name of the event
//   alloc        AllocNode, AllocNode::accesses times CUmemAccessDesc
//   free         u64 address
//   memory ops   OperationsNode, OperationsNode::count times CUstreamBatchMemOpParams
//   conditional  ConditionalNode
//   empty        nothing
//
// An answer to GraphNodeGet has the same form. Handles are names; those that the client may not know yet take one of the names that it
// offered with the question.
#pragma once

#include <cuda.h>

#include <cstdint>

#include "bitfusion/product.h"

namespace bitfusion {

struct KernelNode {
  uint64_t context;  // name; 0: the frame's
  uint32_t function;
  uint32_t reserved;
  LaunchShape shape;
};
static_assert(sizeof(KernelNode) == 48);

// A copy: memory types, extents and device addresses as in CUDA_MEMCPY3D, arrays as names. A side of host memory is the client's: the
// worker asks for its bytes, or sends them, through the client's function `host_copy` when the node runs.
struct CopyNode {
  uint64_t context;
  uint64_t host_copy;  // 0: no side is host memory
  uint64_t source_array, destination_array;
  CUDA_MEMCPY3D shape;  // its arrays, addresses of host memory and reserved fields are empty
};

struct FillNode {
  uint64_t context;
  uint64_t address, pitch, width, height;
  uint32_t value, element_size;
};
static_assert(sizeof(FillNode) == 48);

struct AllocNode {
  CUmemPoolProps properties;
  uint64_t size;
  uint64_t address;  // in answers
  uint64_t accesses;
};

struct OperationsNode {
  uint64_t context;
  uint32_t count, flags;
};
static_assert(sizeof(OperationsNode) == 16);

// Answered with `size` names of body graphs.
struct ConditionalNode {
  uint64_t handle;
  uint64_t context;
  uint32_t type, size;
};
static_assert(sizeof(ConditionalNode) == 24);

// What GraphList is asked for.
enum class GraphQuestion : uint32_t { kNodes, kRoots, kEdges, kDependencies, kDependents };

// One entry of its answer, which begins with the u64 number of all there are. Only edges have two ends.
struct GraphEntry {
  uint64_t node;
  uint64_t to;
  CUgraphEdgeData edge;
};
static_assert(sizeof(GraphEntry) == 24);

}  // namespace bitfusion
