#include "simgpu/graph_memory.h"

#include <algorithm>
#include <array>
#include <map>
#include <mutex>

#include "simgpu/arena.h"
#include "simgpu/context.h"
#include "simgpu/state.h"

namespace simgpu {

namespace {

struct Usage {
  uint64_t used = 0, used_high = 0;
  uint64_t reserved = 0, reserved_high = 0;
};

struct Registry {
  std::mutex lock;
  std::map<uint64_t, std::weak_ptr<GraphMemory>> known;   // by address
  std::map<uint64_t, std::shared_ptr<GraphMemory>> live;  // stays when its graph goes
  std::array<Usage, kMaxDevices> usage;
};

Registry& registry() {
  static auto* made = new Registry;
  return *made;
}

uint64_t bytes(const GraphMemory& memory) { return round_up(memory.size, kGranule); }

void unback(GraphMemory* memory) {
  if (!memory->backed) return;
  memory->backed = false;
  registry().usage[static_cast<size_t>(memory->gpu)].reserved -= bytes(*memory);
  SharedState::get().refund(memory->gpu, bytes(*memory));
}

bool back(GraphMemory* memory) {
  if (memory->backed) return true;
  if (!SharedState::get().charge(memory->gpu, bytes(*memory))) return false;
  memory->backed = true;
  Usage& usage = registry().usage[static_cast<size_t>(memory->gpu)];
  usage.reserved += bytes(*memory);
  usage.reserved_high = std::max(usage.reserved_high, usage.reserved);
  return true;
}

void set_live(const std::shared_ptr<GraphMemory>& memory, bool live) {
  if (memory->live == live) return;
  memory->live = live;
  Usage& usage = registry().usage[static_cast<size_t>(memory->gpu)];
  if (live) {
    registry().live[memory->address] = memory;
    usage.used += bytes(*memory);
    usage.used_high = std::max(usage.used_high, usage.used);
  } else {
    usage.used -= bytes(*memory);
    registry().live.erase(memory->address);
  }
}

bool contains(const std::vector<std::shared_ptr<GraphMemory>>& list, const std::shared_ptr<GraphMemory>& memory) {
  return std::find(list.begin(), list.end(), memory) != list.end();
}

CUresult check_plan(const MemoryPlan& plan, bool auto_free) {
  for (const auto& memory : plan.allocated) REQUIRE(auto_free || !memory->live, CUDA_ERROR_INVALID_VALUE);
  for (const auto& memory : plan.freed) REQUIRE(memory->live || contains(plan.allocated, memory), CUDA_ERROR_INVALID_VALUE);
  return CUDA_SUCCESS;
}

std::vector<std::shared_ptr<GraphMemory>> all_memories() {
  std::vector<std::shared_ptr<GraphMemory>> found;
  for (const auto& [address, weak] : registry().known) {
    if (auto memory = weak.lock()) found.push_back(std::move(memory));
  }
  return found;
}

uint64_t* figure(int gpu, CUgraphMem_attribute attribute) {
  Usage& usage = registry().usage[static_cast<size_t>(gpu)];
  switch (attribute) {
    case CU_GRAPH_MEM_ATTR_USED_MEM_CURRENT:
      return &usage.used;
    case CU_GRAPH_MEM_ATTR_USED_MEM_HIGH:
      return &usage.used_high;
    case CU_GRAPH_MEM_ATTR_RESERVED_MEM_CURRENT:
      return &usage.reserved;
    case CU_GRAPH_MEM_ATTR_RESERVED_MEM_HIGH:
      return &usage.reserved_high;
    default:
      return nullptr;
  }
}

}  // namespace

GraphMemory::~GraphMemory() {
  if (address == 0) return;
  {
    std::lock_guard<std::mutex> guard(registry().lock);
    registry().known.erase(address);
    unback(this);
  }
  Arena::get().release(address);
}

std::shared_ptr<GraphMemory> make_graph_memory(const CUmemPoolProps& properties, uint64_t size, int gpu, const Graph* home) {
  auto memory = std::make_shared<GraphMemory>();
  memory->size = size;
  memory->gpu = gpu;
  memory->properties = properties;
  memory->home = home;
  Allocation wanted;
  wanted.size = size;
  wanted.kind = MemoryKind::kGraph;
  wanted.gpu = gpu;
  const auto address = Arena::get().allocate(wanted, false);
  if (!address) return nullptr;
  memory->address = *address;
  close_memory(*memory);
  std::lock_guard<std::mutex> guard(registry().lock);
  registry().known[*address] = memory;
  return memory;
}

std::shared_ptr<GraphMemory> find_graph_memory(uint64_t address) {
  std::lock_guard<std::mutex> guard(registry().lock);
  const auto found = registry().known.find(address);
  return found != registry().known.end() ? found->second.lock() : nullptr;
}

CUresult begin_launch(const MemoryPlan& plan, bool auto_free) {
  if (plan.allocated.empty() && plan.freed.empty()) return CUDA_SUCCESS;
  std::lock_guard<std::mutex> guard(registry().lock);
  if (const CUresult bad = check_plan(plan, auto_free); bad != CUDA_SUCCESS) return bad;
  for (const auto& memory : plan.allocated) REQUIRE(back(memory.get()), CUDA_ERROR_OUT_OF_MEMORY);
  for (const auto& memory : plan.allocated) set_live(memory, true);
  for (const auto& memory : plan.freed) set_live(memory, false);
  return CUDA_SUCCESS;
}

CUresult free_graph_memory(const std::shared_ptr<GraphMemory>& memory) {
  std::lock_guard<std::mutex> guard(registry().lock);
  REQUIRE(memory->live, CUDA_ERROR_INVALID_VALUE);
  set_live(memory, false);
  return CUDA_SUCCESS;
}

void open_memory(const GraphMemory& memory) { Arena::get().set_rights(memory.address, bytes(memory), exec::kReadable | exec::kWritable); }

void close_memory(const GraphMemory& memory) {
  Arena::get().set_rights(memory.address, bytes(memory), 0);
  Arena::get().discard(memory.address, bytes(memory));
}

void trim_graph_memory(int gpu) {
  std::vector<std::shared_ptr<GraphMemory>> kept;  // ends after the lock, which destructors take
  std::lock_guard<std::mutex> guard(registry().lock);
  kept = all_memories();
  for (const auto& memory : kept) {
    if (memory->gpu == gpu && !memory->live) unback(memory.get());
  }
}

CUresult graph_memory_attribute(int gpu, CUgraphMem_attribute attribute, uint64_t* value) {
  std::lock_guard<std::mutex> guard(registry().lock);
  const uint64_t* found = figure(gpu, attribute);
  REQUIRE(found != nullptr, CUDA_ERROR_INVALID_VALUE);
  *value = *found;
  return CUDA_SUCCESS;
}

CUresult reset_graph_memory_attribute(int gpu, CUgraphMem_attribute attribute) {
  std::lock_guard<std::mutex> guard(registry().lock);
  Usage& usage = registry().usage[static_cast<size_t>(gpu)];
  if (attribute == CU_GRAPH_MEM_ATTR_USED_MEM_HIGH) {
    usage.used_high = usage.used;
    return CUDA_SUCCESS;
  }
  REQUIRE(attribute == CU_GRAPH_MEM_ATTR_RESERVED_MEM_HIGH, CUDA_ERROR_INVALID_VALUE);
  usage.reserved_high = usage.reserved;
  return CUDA_SUCCESS;
}

}  // namespace simgpu
