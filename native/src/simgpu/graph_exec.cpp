#include "simgpu/graph_exec.h"

#include <algorithm>
#include <map>

#include "simgpu/context.h"

namespace simgpu {

namespace {

constexpr size_t kMaxExecutables = 1u << 16;

unsigned next_id() {
  static std::atomic<unsigned> next{1};
  return next.fetch_add(1, std::memory_order_relaxed);
}

// --- Making
// ---------------------------------------------------------------------------------------------------------------------------------

class Maker {
 public:
  Maker(Executable* whole, InstantiateFailure* failure) : whole_(whole), failure_(failure) {}

  bool fill(Executable* part, const Graph& graph, bool in_body) {
    const std::vector<GraphNode*> order = ordered(graph);
    if (order.size() != graph.nodes.size()) return fail(CUDA_GRAPH_INSTANTIATE_INVALID_STRUCTURE, nullptr);
    for (const auto& condition : graph.conditions) {
      if (!condition->used) return fail(CUDA_GRAPH_INSTANTIATE_CONDITIONAL_HANDLE_UNUSED, nullptr);
    }
    std::map<const GraphNode*, size_t> places;
    for (GraphNode* node : order) {
      if (!add(part, node, in_body)) return false;
      for (const GraphNode* before : node->after) part->nodes.back().after.push_back(places[before]);
      places[node] = part->nodes.size() - 1;
    }
    return true;
  }

 private:
  bool fail(CUgraphInstantiateResult result, GraphNode* node) {
    *failure_ = {result, node != nullptr ? node->handle() : nullptr};
    return false;
  }

  bool add(Executable* part, GraphNode* node, bool in_body) {
    if (in_body && !allowed_in_body(node->type)) return fail(CUDA_GRAPH_INSTANTIATE_ERROR, node);
    part->nodes.push_back({node->id, node->handle(), node->type, node->work, true, {}});
    Work* work = &part->nodes.back().work;
    if (node->type == CU_GRAPH_NODE_TYPE_GRAPH) return add_child(node, in_body, work);
    if (node->type == CU_GRAPH_NODE_TYPE_CONDITIONAL) return add_conditional(node, work);
    if (const auto* allocation = std::get_if<AllocWork>(work)) whole_->memory.allocated.push_back(allocation->memory);
    if (const auto* release = std::get_if<FreeWork>(work)) whole_->memory.freed.push_back(release->memory);
    return true;
  }

  // What conditional bodies may hold, as cuda.h documents it at CUDA_CONDITIONAL_NODE_PARAMS.
  static bool allowed_in_body(CUgraphNodeType type) {
    return type == CU_GRAPH_NODE_TYPE_KERNEL || type == CU_GRAPH_NODE_TYPE_EMPTY || type == CU_GRAPH_NODE_TYPE_GRAPH ||
           type == CU_GRAPH_NODE_TYPE_MEMSET || type == CU_GRAPH_NODE_TYPE_MEMCPY || type == CU_GRAPH_NODE_TYPE_CONDITIONAL;
  }

  bool add_child(const GraphNode* node, bool in_body, Work* work) {
    auto child = std::make_shared<Executable>();
    *work = GraphWork{child, 0};
    return fill(child.get(), *node->children.front(), in_body);
  }

  bool add_conditional(const GraphNode* node, Work* work) {
    ConditionalWork conditional{node->condition, node->condition_type, {}};
    whole_->conditions.push_back(node->condition);
    for (const Graph* body : node->children) {
      conditional.bodies.push_back(std::make_shared<Executable>());
      if (!fill(conditional.bodies.back().get(), *body, true)) return false;
    }
    *work = std::move(conditional);
    return true;
  }

  Executable* whole_;
  InstantiateFailure* failure_;
};

// --- Updating
// -------------------------------------------------------------------------------------------------------------------------------

CUresult update_failed(CUgraphExecUpdateResultInfo* info, CUgraphExecUpdateResult result, CUgraphNode node, CUgraphNode from) {
  *info = {result, node, from};
  return CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE;
}

CUresult compare_work(const Executable::Node& old, const Executable::Node& fresh, CUgraphExecUpdateResultInfo* info);

CUresult compare(const Executable& old, const Executable& fresh, CUgraphExecUpdateResultInfo* info) {
  if (old.nodes.size() != fresh.nodes.size()) {
    return update_failed(info, CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED, nullptr, nullptr);
  }
  for (size_t i = 0; i < fresh.nodes.size(); i++) {
    const Executable::Node& node = fresh.nodes[i];
    if (node.type != old.nodes[i].type) {
      return update_failed(info, CU_GRAPH_EXEC_UPDATE_ERROR_NODE_TYPE_CHANGED, node.handle, nullptr);
    }
    if (node.after != old.nodes[i].after) {
      const CUgraphNode from = node.after.empty() ? nullptr : fresh.nodes[node.after.back()].handle;
      return update_failed(info, CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED, node.handle, from);
    }
    if (const CUresult bad = compare_work(old.nodes[i], node, info); bad != CUDA_SUCCESS) return bad;
  }
  return CUDA_SUCCESS;
}

const GraphMemory* memory_of(const Work& work) {
  if (const auto* allocation = std::get_if<AllocWork>(&work)) return allocation->memory.get();
  const auto* release = std::get_if<FreeWork>(&work);
  return release != nullptr ? release->memory.get() : nullptr;
}

CUresult compare_work(const Executable::Node& old, const Executable::Node& fresh, CUgraphExecUpdateResultInfo* info) {
  if (const auto* kernel = std::get_if<KernelWork>(&fresh.work)) {
    if (kernel->owner == std::get<KernelWork>(old.work).owner) return CUDA_SUCCESS;
    return update_failed(info, CU_GRAPH_EXEC_UPDATE_ERROR_UNSUPPORTED_FUNCTION_CHANGE, fresh.handle, nullptr);
  }
  if (const auto* child = std::get_if<GraphWork>(&fresh.work)) {
    return compare(*std::get<GraphWork>(old.work).graph, *child->graph, info);
  }
  if (std::holds_alternative<ConditionalWork>(fresh.work) || memory_of(fresh.work) != memory_of(old.work)) {
    return update_failed(info, CU_GRAPH_EXEC_UPDATE_ERROR_NOT_SUPPORTED, fresh.handle, nullptr);
  }
  return CUDA_SUCCESS;
}

std::shared_ptr<Executable> copy_of(const Executable& executable) {
  auto copy = std::make_shared<Executable>(executable);
  for (auto& node : copy->nodes) {
    if (auto* child = std::get_if<GraphWork>(&node.work)) child->graph = copy_of(*child->graph);
    if (auto* conditional = std::get_if<ConditionalWork>(&node.work)) {
      for (auto& body : conditional->bodies) body = copy_of(*body);
    }
  }
  return copy;
}

void take_over(Executable* old, Executable* fresh) {
  for (size_t i = 0; i < old->nodes.size(); i++) {
    Work& work = old->nodes[i].work;
    if (auto* child = std::get_if<GraphWork>(&work)) {
      take_over(child->graph.get(), std::get<GraphWork>(fresh->nodes[i].work).graph.get());
    } else {
      work = std::move(fresh->nodes[i].work);
    }
  }
}

// --- Running
// --------------------------------------------------------------------------------------------------------------------------------

bool goes_on(const Context* context) { return !context->closing.load() && context->sticky() == CUDA_SUCCESS; }

void run_nodes(Context* context, StreamCore* stream, Executable* executable, uint64_t sequence);

void run_conditional(Context* context, StreamCore* stream, const ConditionalWork& work, uint64_t sequence) {
  const auto value = [&work] { return work.condition->value.load(std::memory_order_acquire); };
  if (work.type == CU_GRAPH_COND_TYPE_WHILE) {
    while (value() != 0 && goes_on(context)) run_nodes(context, stream, work.bodies[0].get(), sequence);
    return;
  }
  const size_t chosen = work.type == CU_GRAPH_COND_TYPE_SWITCH ? value() : value() != 0 ? 0 : 1;
  if (chosen < work.bodies.size()) run_nodes(context, stream, work.bodies[chosen].get(), sequence);
}

// An event that this very launch records is not waited for: its node has run, or depends on this one.
void wait_for(const EventWaitWork& work, const StreamCore* stream, uint64_t sequence) {
  const Milestone place = work.event->milestone();
  if (place.stream.get() != stream || place.sequence < sequence) place.wait();
}

void run_nodes(Context* context, StreamCore* stream, Executable* executable, uint64_t sequence) {
  for (auto& node : executable->nodes) {
    if (!node.enabled) continue;
    if (auto* record = std::get_if<RecordWork>(&node.work)) {
      record->event->finish(stream, sequence);
    } else if (const auto* wait = std::get_if<EventWaitWork>(&node.work)) {
      wait_for(*wait, stream, sequence);
    } else if (const auto* child = std::get_if<GraphWork>(&node.work)) {
      run_nodes(context, stream, child->graph.get(), sequence);
    } else if (const auto* conditional = std::get_if<ConditionalWork>(&node.work)) {
      run_conditional(context, stream, *conditional, sequence);
    } else {
      run_work(context, stream, &node.work);
    }
  }
}

}  // namespace

HandleTable<GraphExec>& graph_execs() {
  static auto* table = new HandleTable<GraphExec>(kMaxExecutables);
  return *table;
}

std::shared_ptr<Executable> make_executable(const Graph& graph, unsigned long long flags, InstantiateFailure* failure) {
  auto executable = std::make_shared<Executable>();
  if (!Maker(executable.get(), failure).fill(executable.get(), graph, false)) return nullptr;
  executable->id = next_id();
  executable->flags = flags;
  executable->objects = graph.objects;
  return executable;
}

Executable* writable(GraphExec* exec) {
  if (exec->executable.use_count() > 1) exec->executable = copy_of(*exec->executable);
  return exec->executable.get();
}

Executable::Node* find_node(Executable* executable, const GraphNode& node) {
  for (auto& each : executable->nodes) {
    if (each.origin == node.id) return &each;
    if (const auto* child = std::get_if<GraphWork>(&each.work)) {
      if (auto* found = find_node(child->graph.get(), node)) return found;
    }
    if (const auto* conditional = std::get_if<ConditionalWork>(&each.work)) {
      for (const auto& body : conditional->bodies) {
        if (auto* found = find_node(body.get(), node)) return found;
      }
    }
  }
  return nullptr;
}

CUresult update_executable(Executable* executable, const Graph& graph, CUgraphExecUpdateResultInfo* info) {
  InstantiateFailure failure;
  const std::shared_ptr<Executable> fresh = make_executable(graph, executable->flags, &failure);
  if (fresh == nullptr) return update_failed(info, CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED, failure.node, nullptr);
  if (const CUresult bad = compare(*executable, *fresh, info); bad != CUDA_SUCCESS) return bad;
  take_over(executable, fresh.get());
  executable->objects = graph.objects;
  *info = {};
  return CUDA_SUCCESS;
}

CUresult replace_work(Executable::Node* node, Work work) {
  REQUIRE(node->work.index() == work.index(), CUDA_ERROR_INVALID_VALUE);
  if (const auto* kernel = std::get_if<KernelWork>(&work)) {
    REQUIRE(kernel->owner == std::get<KernelWork>(node->work).owner, CUDA_ERROR_INVALID_VALUE);
  }
  node->work = std::move(work);
  return CUDA_SUCCESS;
}

void run_executable(Context* context, StreamCore* stream, Executable* executable, uint64_t sequence) {
  std::lock_guard<std::mutex> guard(*executable->running);
  for (const auto& condition : executable->conditions) {
    if (condition->assign_default) condition->value.store(condition->default_value, std::memory_order_release);
  }
  run_nodes(context, stream, executable, sequence);
}

}  // namespace simgpu
