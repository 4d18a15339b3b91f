// What can be put into a stream or a graph: one type per kind of operation, each able to run on its own.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <variant>
#include <vector>

#include "simgpu/api.h"
#include "simgpu/exec/exec.h"

namespace simgpu {

struct Condition;
struct Context;
struct EventState;
struct Executable;
struct GraphMemory;
class StreamCore;

struct KernelWork {
  std::shared_ptr<exec::Kernel> kernel;
  std::shared_ptr<const std::vector<uint64_t>> globals;
  CUfunction function = nullptr;
  const Context* owner = nullptr;  // of the function
  std::vector<uint8_t> params;
  uint32_t grid[3] = {1, 1, 1};
  uint32_t block[3] = {1, 1, 1};
  uint32_t cluster[3] = {1, 1, 1};
  uint32_t dynamic_shared = 0;
  bool cooperative = false;
};

// Lines of `width` bytes; a flat copy is one line. Every address is one of this process.
struct CopyWork {
  uint64_t dst = 0, src = 0;
  uint64_t dst_pitch = 0, src_pitch = 0;
  uint64_t dst_slice = 0, src_slice = 0;
  uint64_t width = 0, height = 1, depth = 1;
  std::shared_ptr<std::vector<uint8_t>> staged;  // keeps a pageable source that the caller may overwrite at once
  CUDA_MEMCPY3D asked{};                         // for cuGraphMemcpyNodeGetParams
};

struct FillWork {
  uint64_t dst = 0;
  uint64_t pitch = 0;
  uint32_t value = 0;
  uint32_t element_size = 1;
  uint64_t width = 0;  // elements
  uint64_t height = 1;
};

struct HostWork {
  CUhostFn function = nullptr;
  CUstreamCallback callback = nullptr;  // the older form, called even after an error
  CUstream stream = nullptr;
  void* data = nullptr;
};

struct RecordWork {
  std::shared_ptr<EventState> event;
  uint64_t sequence = 0;
  CUevent handle = nullptr;  // for cuGraphEventRecordNodeGetEvent
};

struct EventWaitWork {
  std::shared_ptr<EventState> event;
  CUevent handle = nullptr;
};

// cuStreamWaitValue and cuStreamWriteValue.
struct ValueWork {
  uint64_t address = 0;
  uint64_t value = 0;
  bool wide = false;
  bool wait = false;
  unsigned flags = 0;
};

// cuStreamBatchMemOp: one after the other.
struct BatchWork {
  std::vector<ValueWork> values;
  std::vector<CUstreamBatchMemOpParams> asked;  // for cuGraphBatchMemOpNodeGetParams
  unsigned flags = 0;
};

// Memory of a graph comes into being, or ends.
struct AllocWork {
  std::shared_ptr<GraphMemory> memory;
};
struct FreeWork {
  std::shared_ptr<GraphMemory> memory;
};

// Runs one of several bodies, or one again and again, as a value says that kernels set.
struct ConditionalWork {
  std::shared_ptr<Condition> condition;
  CUgraphConditionalNodeType type = CU_GRAPH_COND_TYPE_IF;
  std::vector<std::shared_ptr<Executable>> bodies;
};

struct ActionWork {
  std::function<void()> run;
};

// A launch of an executable graph, or a child within one.
struct GraphWork {
  std::shared_ptr<Executable> graph;
  uint64_t sequence = 0;
};

using Work = std::variant<std::monostate, KernelWork, CopyWork, FillWork, HostWork, RecordWork, EventWaitWork, ValueWork, BatchWork,
                          AllocWork, FreeWork, ConditionalWork, ActionWork, GraphWork>;

// Runs one operation to its end in the calling thread. After a sticky error of the context most kinds do nothing.
void run_work(Context* context, StreamCore* stream, Work* work);

uint64_t bytes_of(const CopyWork& copy);

}  // namespace simgpu
