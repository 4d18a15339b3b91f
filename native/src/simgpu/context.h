// Contexts: what a program's work on one GPU belongs to, and the checks with which every entry point begins.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "simgpu/api.h"
#include "simgpu/device.h"
#include "simgpu/handle_table.h"
#include "simgpu/stream.h"
#include "simgpu/thread_state.h"

namespace simgpu {

// Runs host functions one after the other on one thread, as the driver does.
class CallbackThread : public std::enable_shared_from_this<CallbackThread> {
 public:
  // Returns when the function has run.
  void run(const std::function<void()>& function);

 private:
  void thread_main();
  std::mutex lock_;
  std::condition_variable changed_;
  std::deque<std::pair<const std::function<void()>*, bool*>> queue_;
  bool started_ = false;
};

struct StoredValue {
  void* value;
  void (*destroy)(CUcontext, void* key, void* value);
};

struct Context {
  Device* device = nullptr;
  bool primary = false;
  unsigned flags = 0;
  uint64_t id = 0;
  bool active = true;                 // a released primary context keeps its handle but answers CONTEXT_IS_DESTROYED
  std::atomic<int> error{0};          // a kernel's fault: every later call answers it
  std::atomic<bool> closing{false};   // waits end
  std::atomic<bool> aborting{false};  // kernels end too
  std::shared_ptr<StreamCore> legacy;
  std::mutex lock;
  std::vector<std::shared_ptr<StreamCore>> streams;  // all but the legacy one
  std::map<int, size_t> limits;
  std::map<void*, StoredValue> storage;
  std::set<Context*> peers;
  std::string printed;
  std::shared_ptr<CallbackThread> callbacks;
  CUfunc_cache cache_config = CU_FUNC_CACHE_PREFER_NONE;
  CUsharedconfig shared_config = CU_SHARED_MEM_CONFIG_DEFAULT_BANK_SIZE;

  CUcontext handle() { return reinterpret_cast<CUcontext>(this); }
  int gpu() const { return device->info->index; }
  CUresult sticky() const { return static_cast<CUresult>(error.load(std::memory_order_acquire)); }
  void fail(CUresult code, const char* why);

  // Waits for everything submitted so far; then what kernels printed is on standard output.
  CUresult synchronize();
  void print(std::string_view text);
  void flush_printed();

  void add_stream(std::shared_ptr<StreamCore> stream);
  void remove_stream(const StreamCore* stream);
  std::vector<std::shared_ptr<StreamCore>> all_streams();
};

HandleTable<Context>& contexts();
HandleTable<Stream>& streams();
HandleTable<Event>& events();

Context* make_context(Device* device, unsigned flags, bool primary);
// Ends the context's work and memory. The handle stays valid for a primary context. Kernels are cut short, unless their text is wanted.
enum class Kernels { kAbort, kFinish };
void tear_down(Context* context, Kernels kernels = Kernels::kAbort);

// Retains the device's primary context (creating it) or only names it.
CUresult retain_primary(Device* device, CUcontext* out);
CUcontext name_primary(Device* device);

bool initialized();
CUresult initialize();

// The thread's current context, ready for use, or the error to answer.
CUresult enter(Context** context);
// The same for a given context, nullptr meaning the current one.
CUresult enter_given(CUcontext handle, Context** context);

// What a stream handle means in the current context. INVALID_HANDLE and CONTEXT errors otherwise.
CUresult resolve_stream(Context* context, CUstream handle, StreamCore** stream);

// Puts work into a stream (or the graph being captured from it). `wait`: return only when it has ended. `here`: it is short; run it in the
// calling thread if nothing is before it.
enum class Urgency { kQueue, kHere, kWait };
CUresult enqueue(Context* context, CUstream handle, Work work, Urgency urgency);

// The default stream's implicit barriers for new work in a stream.
std::vector<Milestone> barriers_for(StreamCore* stream);

#define ENTER(context)                \
  simgpu::Context* context = nullptr; \
  if (const CUresult entered = simgpu::enter(&context); entered != CUDA_SUCCESS) return entered

#define REQUIRE(condition, error) \
  if (!(condition)) return error

#define REQUIRE_INITIALIZED() REQUIRE(simgpu::initialized(), CUDA_ERROR_NOT_INITIALIZED)

}  // namespace simgpu
