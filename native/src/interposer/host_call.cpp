#include "interposer/host_call.h"

#include <mutex>
#include <unordered_map>

#include "interposer/check.h"

namespace bitfusion::interposer {
namespace {

struct GraphCall {
  CUhostFn function;
  void* data;
};

std::mutex mutex;

std::unordered_map<uint64_t, GraphCall*>& graph_calls() {
  static auto* const calls = new std::unordered_map<uint64_t, GraphCall*>;
  return *calls;
}

void run(void* argument, uint32_t) {
  const auto* call = static_cast<GraphCall*>(argument);
  call->function(call->data);
}

}  // namespace

uint64_t remember_graph_call(const Caller& at, CUhostFn function, void* data) {
  auto* call = new (std::nothrow) GraphCall{function, data};
  if (!call) return 0;
  const uint64_t number = at.link->remember_host_function(run, call, true);
  if (!number) {
    delete call;
    return 0;
  }
  std::lock_guard lock(mutex);
  graph_calls()[number] = call;
  return number;
}

bool find_graph_call(uint64_t number, CUhostFn* function, void** data) {
  std::lock_guard lock(mutex);
  auto at = graph_calls().find(number);
  if (at == graph_calls().end()) return false;
  *function = at->second->function;
  *data = at->second->data;
  return true;
}

}  // namespace bitfusion::interposer
