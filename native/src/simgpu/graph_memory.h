// Memory that graphs allocate and free by nodes of their own.
//
// Its address is fixed when the node is made. It takes up the GPU's memory from the first launch on, until it is trimmed or the graph has
// gone; whether it is live (allocated and not yet freed) is known when launches and frees are called, not when they run.
#pragma once

#include <memory>
#include <vector>

#include "simgpu/api.h"

namespace simgpu {

struct Graph;

struct GraphMemory {
  GraphMemory() = default;
  GraphMemory(const GraphMemory&) = delete;
  GraphMemory& operator=(const GraphMemory&) = delete;
  ~GraphMemory();

  uint64_t address = 0;
  uint64_t size = 0;  // as asked for
  int gpu = 0;
  CUmemPoolProps properties{};
  std::vector<CUmemAccessDesc> access;
  const Graph* freed_by = nullptr;  // the graph that has a node freeing it
  const Graph* home = nullptr;
  bool backed = false;  // counted as memory in use on the GPU
  bool live = false;
};

// nullptr: no addresses left.
std::shared_ptr<GraphMemory> make_graph_memory(const CUmemPoolProps& properties, uint64_t size, int gpu, const Graph* home);
std::shared_ptr<GraphMemory> find_graph_memory(uint64_t address);

// What a launch allocates and frees, in the order of its nodes.
struct MemoryPlan {
  std::vector<std::shared_ptr<GraphMemory>> allocated;
  std::vector<std::shared_ptr<GraphMemory>> freed;
};
// Makes memory ready for a launch: OUT_OF_MEMORY, or INVALID_VALUE for what is live still (unless `auto_free`) or to be freed and not live.
CUresult begin_launch(const MemoryPlan& plan, bool auto_free);

// A free outside any graph; the second half opens or closes the addresses to kernels, when the stream has got there.
CUresult free_graph_memory(const std::shared_ptr<GraphMemory>& memory);
void open_memory(const GraphMemory& memory);
void close_memory(const GraphMemory& memory);

// Gives back what is not live.
void trim_graph_memory(int gpu);
CUresult graph_memory_attribute(int gpu, CUgraphMem_attribute attribute, uint64_t* value);
CUresult reset_graph_memory_attribute(int gpu, CUgraphMem_attribute attribute);

}  // namespace simgpu
