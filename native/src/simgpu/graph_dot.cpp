// cuGraphDebugDotPrint: a graph in the language of Graphviz.
#include <cstdio>
#include <string>

#include "simgpu/graph.h"

namespace simgpu {

namespace {

const char* type_name(CUgraphNodeType type) {
  switch (type) {
    case CU_GRAPH_NODE_TYPE_KERNEL:
      return "KERNEL";
    case CU_GRAPH_NODE_TYPE_MEMCPY:
      return "MEMCPY";
    case CU_GRAPH_NODE_TYPE_MEMSET:
      return "MEMSET";
    case CU_GRAPH_NODE_TYPE_HOST:
      return "HOST";
    case CU_GRAPH_NODE_TYPE_GRAPH:
      return "GRAPH";
    case CU_GRAPH_NODE_TYPE_WAIT_EVENT:
      return "EVENT_WAIT";
    case CU_GRAPH_NODE_TYPE_EVENT_RECORD:
      return "EVENT_RECORD";
    case CU_GRAPH_NODE_TYPE_MEM_ALLOC:
      return "MEM_ALLOC";
    case CU_GRAPH_NODE_TYPE_MEM_FREE:
      return "MEM_FREE";
    case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP:
      return "BATCH_MEM_OP";
    case CU_GRAPH_NODE_TYPE_CONDITIONAL:
      return "CONDITIONAL";
    default:
      return "EMPTY";
  }
}

template <typename... Arguments>
std::string format(const char* pattern, Arguments... arguments) {
  char text[512];
  snprintf(text, sizeof text, pattern, arguments...);
  return text;
}

std::string node_name(const GraphNode& node) { return format("graph_%u_node_%u", node.graph->id, node.local_id); }

std::string details(const GraphNode& node) {
  if (const auto* kernel = std::get_if<KernelWork>(&node.work)) {
    return format("\\n%s\\n\\<\\<\\<(%u,%u,%u),(%u,%u,%u),%u\\>\\>\\>", kernel->kernel->info().name.c_str(), kernel->grid[0],
                  kernel->grid[1], kernel->grid[2], kernel->block[0], kernel->block[1], kernel->block[2], kernel->dynamic_shared);
  }
  if (const auto* copy = std::get_if<CopyWork>(&node.work)) {
    return format("\\n%zu x %zu x %zu bytes", copy->asked.WidthInBytes, copy->asked.Height, copy->asked.Depth);
  }
  if (const auto* fill = std::get_if<FillWork>(&node.work)) {
    return format("\\n%llu x %llu of %u bytes, value %u", static_cast<unsigned long long>(fill->width),
                  static_cast<unsigned long long>(fill->height), fill->element_size, fill->value);
  }
  return "";
}

void append_graph(const Graph& graph, unsigned flags, std::string* text) {
  constexpr unsigned kDetails = CU_GRAPH_DEBUG_DOT_FLAGS_VERBOSE | CU_GRAPH_DEBUG_DOT_FLAGS_KERNEL_NODE_PARAMS |
                                CU_GRAPH_DEBUG_DOT_FLAGS_MEMCPY_NODE_PARAMS | CU_GRAPH_DEBUG_DOT_FLAGS_MEMSET_NODE_PARAMS;
  *text += format("subgraph cluster_%u {\nlabel=\"graph_%u\" graph[style=\"dashed\"];\n", graph.id, graph.id);
  for (const GraphNode* node : graph.nodes) {
    const std::string handle = (flags & CU_GRAPH_DEBUG_DOT_FLAGS_HANDLES) != 0 ? format("\\n%p", static_cast<const void*>(node)) : "";
    *text += "\"" + node_name(*node) + "\"[shape=\"record\" label=\"" + std::to_string(node->local_id) + "\\n" + type_name(node->type) +
             handle + ((flags & kDetails) != 0 ? details(*node) : "") + "\"];\n";
    for (const Graph* child : node->children) append_graph(*child, flags, text);
  }
  for (const GraphNode* node : graph.nodes) {
    for (const GraphNode* before : node->after) *text += "\"" + node_name(*before) + "\" -> \"" + node_name(*node) + "\";\n";
  }
  *text += "}\n";
}

}  // namespace

std::string dot_text(const Graph& graph, unsigned flags) {
  std::string text = "digraph dot {\n";
  append_graph(graph, flags, &text);
  return text + "}\n";
}

}  // namespace simgpu
