// What the handlers of one session keep.
#pragma once

#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "bitfusion/product.h"
#include "calls/cuda_driver.h"
#include "worker/executor.h"
#include "worker/handlers/accounts.h"
#include "worker/handlers/coherence.h"
#include "worker/handlers/graphs.h"
#include "worker/handlers/image_cache.h"
#include "worker/handlers/limits.h"
#include "worker/handlers/links.h"
#include "worker/handlers/nvml/server.h"
#include "worker/handlers/objects.h"
#include "worker/handlers/pools.h"
#include "worker/handlers/values.h"

namespace bitfusion::worker {

// A kernel by the number that launches name.
struct Function {
  uint64_t library;   // name of its set
  CUfunction handle;  // a CUkernel in disguise when it comes from a library
  bool is_kernel;
  uint32_t parameter_bytes;
  std::vector<uint32_t> offsets;
};

// A module or a library of the driver.
struct CodeSet {
  CUmodule module = nullptr;
  CUlibrary library = nullptr;
  uint32_t device = 0;
  uint64_t context = 0;  // account of the one it was loaded in
  uint64_t bytes = 0;    // what its variables and code cost the partition
  std::vector<uint32_t> functions;
};

class State {
 public:
  State(Executor& executor, const SessionConfig& config, void* driver);
  ~State();

  bool find_stream(const wire::FrameHeader& header, uint64_t name, CUstream* stream);
  // Null for a number that no kernel has (any more). Its set may be unloaded by another thread while a call uses it.
  std::shared_ptr<const Function> function(uint32_t number) const;
  uint32_t add_function(Function function);
  // The number of a kernel that the driver has named; 0: none of ours.
  uint32_t number_of(CUfunction function, CUkernel kernel) const;
  CodeSet* code_set(uint64_t name);
  void add_code_set(uint64_t name, CodeSet set);
  void remove_code_set(uint64_t name);
  // Takes memory from the partition; what pools keep without need makes way.
  bool reserve(uint32_t device, uint64_t size) { return accounts.reserve(device, size) || pools.make_room(device, size); }
  // Memory of this process on a device, by NVML, that no account knows of: contexts, code, variables. 0 where NVML does not say.
  uint64_t unaccounted(uint32_t device);
  // The client's ordinal of the frame's context.
  uint32_t device_of(const wire::FrameHeader& header) const;
  // What allocations in the frame's context are booked under: the driver's context, whatever the client calls it.
  uint64_t account_of(const wire::FrameHeader& header) const;
  // Whether all of it is device memory. The process has none but the session's.
  bool owns(uint64_t address, uint64_t size) const;

  Executor& executor;
  const SessionConfig config;
  CudaDriver cuda;
  Objects objects;
  Accounts accounts;
  Pools pools;
  Limits limits;
  Graphs graphs;
  Links links;
  Coherence coherence;
  Values textures, surfaces;
  ImageCache images;
  nvml::Server nvml;

  struct Context {
    CUcontext handle;
    int device;
    bool primary;
  };
  // Contexts by the client's names, of which one may have several.
  void note_context(uint64_t name, Context context);
  bool find_context(uint64_t name, Context* context) const;
  void forget_context(uint64_t name);
  // The driver has ended the context, and all memory in it.
  void settle_context(CUcontext handle);

 private:
  void start_driver();
  void check_devices();
  CUstream per_thread_stream(uint64_t name);

  mutable std::shared_mutex mutex_;
  std::vector<std::shared_ptr<const Function>> functions_;  // by number, from 1
  std::unordered_map<CUfunction, uint32_t> numbers_;
  std::unordered_map<uint64_t, CodeSet> code_sets_;
  std::unordered_map<uint64_t, Context> contexts_;
  std::unordered_map<uint64_t, CUstream> per_thread_;
};

inline State& state_of(Call& call) { return *static_cast<State*>(call.session); }

}  // namespace bitfusion::worker
