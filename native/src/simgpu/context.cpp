#include "simgpu/context.h"

#include <pthread.h>
#include <signal.h>

#include <cstdio>

#include "simgpu/arena.h"
#include "simgpu/capture.h"
#include "simgpu/log.h"
#include "simgpu/module.h"
#include "simgpu/pool.h"

namespace simgpu {

namespace {

constexpr size_t kMaxContexts = 4096;
constexpr size_t kMaxStreams = 65536;
constexpr size_t kMaxEvents = 1u << 22;
constexpr size_t kPrintedAtMost = 1u << 20;

std::atomic<bool> g_initialized{false};
std::atomic<bool> g_forked{false};
std::atomic<uint64_t> g_next_context{1};

// The context whose destruction or sticky error a call must hear about, nullptr if all is well.
CUresult check(Context* context) {
  if (!context->active) return CUDA_ERROR_CONTEXT_IS_DESTROYED;
  if (const CUresult error = context->sticky(); error != CUDA_SUCCESS) return error;
  return CUDA_SUCCESS;
}

std::map<int, size_t> default_limits() {
  return {{CU_LIMIT_STACK_SIZE, 1024},
          {CU_LIMIT_PRINTF_FIFO_SIZE, 1u << 20},
          {CU_LIMIT_MALLOC_HEAP_SIZE, 8u << 20},
          {CU_LIMIT_DEV_RUNTIME_SYNC_DEPTH, 2},
          {CU_LIMIT_DEV_RUNTIME_PENDING_LAUNCH_COUNT, 2048},
          {CU_LIMIT_MAX_L2_FETCH_GRANULARITY, 64},
          {CU_LIMIT_PERSISTING_L2_CACHE_SIZE, 0},
          {CU_LIMIT_SHMEM_SIZE, 0},
          {CU_LIMIT_CIG_ENABLED, 0},
          {CU_LIMIT_CIG_SHMEM_FALLBACK_ENABLED, 0}};
}

// (Re)builds what a context needs to run work.
void open_context(Context* context) {
  context->legacy = std::make_shared<StreamCore>(context, 0u, 0, true);
  context->callbacks = std::make_shared<CallbackThread>();
  context->limits = default_limits();
  context->error.store(0);
  context->closing.store(false);
  context->aborting.store(false);
  context->active = true;
  SharedState::get().attach(context->gpu(), true);
}

}  // namespace

HandleTable<Context>& contexts() {
  static auto* table = new HandleTable<Context>(kMaxContexts);
  return *table;
}

HandleTable<Stream>& streams() {
  static auto* table = new HandleTable<Stream>(kMaxStreams);
  return *table;
}

HandleTable<Event>& events() {
  static auto* table = new HandleTable<Event>(kMaxEvents);
  return *table;
}

// --- Callbacks --------------------------------------------------------------------------------------------------------------------------

void CallbackThread::run(const std::function<void()>& function) {
  bool done = false;
  std::unique_lock<std::mutex> guard(lock_);
  if (!started_) {
    started_ = true;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    auto main = [](void* self) -> void* {
      (*static_cast<std::shared_ptr<CallbackThread>*>(self))->thread_main();
      return nullptr;
    };
    // The thread's share keeps this alive when the context is closed or opened anew.
    if (pthread_create(&thread, nullptr, main, new std::shared_ptr(shared_from_this())) != 0)
      log_line("cannot start the thread for host functions");
    pthread_detach(thread);
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }
  queue_.push_back({&function, &done});
  changed_.notify_all();
  while (!done) changed_.wait(guard);
}

// Never ends: a context's thread sleeps when the context is gone. (Contexts are few.)
void CallbackThread::thread_main() {
  thread_state().in_callback = true;
  std::unique_lock<std::mutex> guard(lock_);
  while (true) {
    while (queue_.empty()) changed_.wait(guard);
    const auto [function, done] = queue_.front();
    queue_.pop_front();
    guard.unlock();
    (*function)();
    guard.lock();
    *done = true;
    changed_.notify_all();
  }
}

// --- Context ----------------------------------------------------------------------------------------------------------------------------

void Context::fail(CUresult code, const char* why) {
  int none = 0;
  if (!error.compare_exchange_strong(none, code)) return;
  const char* name = "";
  cuGetErrorName(code, &name);
  log_line("GPU %d: %s: %s", gpu(), name, why);
}

void Context::print(std::string_view text) {
  {
    std::lock_guard<std::mutex> guard(lock);
    printed.append(text);
    if (printed.size() < kPrintedAtMost) return;
  }
  flush_printed();
}

void Context::flush_printed() {
  std::string text;
  {
    std::lock_guard<std::mutex> guard(lock);
    text.swap(printed);
  }
  if (text.empty()) return;
  fwrite(text.data(), 1, text.size(), stdout);
  fflush(stdout);
}

std::vector<std::shared_ptr<StreamCore>> Context::all_streams() {
  std::lock_guard<std::mutex> guard(lock);
  auto all = streams;
  if (legacy != nullptr) all.push_back(legacy);
  return all;
}

CUresult Context::synchronize() {
  for (const auto& stream : all_streams()) stream->drain();
  flush_printed();
  return sticky();
}

void Context::add_stream(std::shared_ptr<StreamCore> stream) {
  std::lock_guard<std::mutex> guard(lock);
  streams.push_back(std::move(stream));
}

void Context::remove_stream(const StreamCore* stream) {
  std::lock_guard<std::mutex> guard(lock);
  std::erase_if(streams, [stream](const auto& each) { return each.get() == stream; });
}

Context* make_context(Device* device, unsigned flags, bool primary) {
  Context* context = contexts().make();
  if (context == nullptr) return nullptr;
  context->device = device;
  context->flags = flags;
  context->primary = primary;
  context->id = g_next_context.fetch_add(1);
  open_context(context);
  return context;
}

void tear_down(Context* context, Kernels kernels) {
  context->closing.store(true);
  context->aborting.store(kernels == Kernels::kAbort);
  context->synchronize();
  for (const auto& stream : context->all_streams()) stream->stop();
  context->active = false;
  unload_modules(context);
  for (const auto& [key, stored] : std::map<void*, StoredValue>(context->storage)) {
    if (stored.destroy != nullptr) stored.destroy(context->handle(), key, stored.value);
  }
  context->storage.clear();
  for (Stream* stream : streams().all()) {
    if (stream->core->context == context) streams().destroy(stream);
  }
  for (Event* event : events().all()) {
    if (event->state->context == context) events().destroy(event);
  }
  for (const Allocation& range : Arena::get().of_context(context)) {
    range.kind == MemoryKind::kRegistered ? Arena::get().remove_registered(range.address) : Arena::get().release(range.address);
  }
  context->streams.clear();
  bool alone = true;
  for (Context* other : contexts().all()) alone = alone && (other == context || !other->active || other->gpu() != context->gpu());
  if (alone) {
    empty_pools(context->gpu());
    SharedState::get().attach(context->gpu(), false);
  }
  auto& stack = thread_state().stack;
  if (!context->primary) {
    std::erase(stack, context);
    contexts().destroy(context);
  }
}

CUcontext name_primary(Device* device) {
  std::lock_guard<std::mutex> guard(device->lock);
  if (device->primary == nullptr) {
    device->primary = make_context(device, device->primary_flags, true);
    if (device->primary != nullptr) device->primary->active = false;
  }
  return device->primary != nullptr ? device->primary->handle() : nullptr;
}

CUresult retain_primary(Device* device, CUcontext* out) {
  *out = name_primary(device);
  REQUIRE(*out != nullptr, CUDA_ERROR_OUT_OF_MEMORY);
  std::lock_guard<std::mutex> guard(device->lock);
  if (device->primary_references++ == 0 && !device->primary->active) {
    device->primary->flags = device->primary_flags;
    open_context(device->primary);
  }
  return CUDA_SUCCESS;
}

// --- Entry ------------------------------------------------------------------------------------------------------------------------------

bool initialized() { return g_initialized.load(std::memory_order_acquire) && !g_forked.load(std::memory_order_relaxed); }

CUresult initialize() {
  REQUIRE(!g_forked.load(), CUDA_ERROR_NOT_INITIALIZED);
  REQUIRE(!visible_devices().empty(), CUDA_ERROR_NO_DEVICE);
  if (!g_initialized.exchange(true)) {
    Arena::get();
    pthread_atfork(nullptr, nullptr, [] { g_forked.store(true); });  // as with a real driver, the child of a fork has no CUDA
  }
  return CUDA_SUCCESS;
}

CUresult enter(Context** context) {
  REQUIRE_INITIALIZED();
  ThreadState& thread = thread_state();
  REQUIRE(!thread.in_callback, CUDA_ERROR_NOT_PERMITTED);
  REQUIRE(!thread.stack.empty() && thread.stack.back() != nullptr, CUDA_ERROR_INVALID_CONTEXT);
  *context = contexts().get(thread.stack.back());
  REQUIRE(*context != nullptr, CUDA_ERROR_CONTEXT_IS_DESTROYED);
  if (const CUresult fault = (*context)->device->fault(); fault != CUDA_SUCCESS) (*context)->fail(fault, "injected fault");
  return check(*context);
}

CUresult enter_given(CUcontext handle, Context** context) {
  if (handle == nullptr) return enter(context);
  REQUIRE_INITIALIZED();
  *context = contexts().get(handle);
  REQUIRE(*context != nullptr, CUDA_ERROR_INVALID_CONTEXT);
  return check(*context);
}

namespace {

StreamCore* thread_default_stream(Context* context) {
  std::shared_ptr<StreamCore>& stream = thread_state().default_streams[context->legacy->id];
  if (stream == nullptr) {
    stream = std::make_shared<StreamCore>(context, 0u, 0, false);
    context->add_stream(stream);
  }
  return stream.get();
}

}  // namespace

CUresult resolve_stream(Context* context, CUstream handle, StreamCore** stream) {
  const bool per_thread = handle == CU_STREAM_PER_THREAD || (handle == nullptr && thread_state().per_thread_default);
  if (per_thread) {
    *stream = thread_default_stream(context);
    return CUDA_SUCCESS;
  }
  if (handle == nullptr || handle == CU_STREAM_LEGACY) {
    *stream = context->legacy.get();
    return CUDA_SUCCESS;
  }
  const Stream* found = streams().get(handle);
  REQUIRE(found != nullptr, CUDA_ERROR_INVALID_HANDLE);
  *stream = found->core.get();
  return found->core->context->sticky();
}

std::vector<Milestone> barriers_for(StreamCore* stream) {
  std::vector<Milestone> after;
  Context* context = stream->context;
  if (!stream->blocking()) return after;
  if (!stream->legacy) {
    if (!context->legacy->idle()) after.push_back({context->legacy, context->legacy->submitted()});
    return after;
  }
  std::lock_guard<std::mutex> guard(context->lock);
  for (const auto& other : context->streams) {
    if (other->blocking() && !other->idle()) after.push_back({other, other->submitted()});
  }
  return after;
}

CUresult enqueue(Context* context, CUstream handle, Work work, Urgency urgency) {
  StreamCore* stream = nullptr;
  if (const CUresult bad = resolve_stream(context, handle, &stream); bad != CUDA_SUCCESS) return bad;
  if (stream->capturing.load(std::memory_order_acquire)) return capture_work(stream, std::move(work), urgency == Urgency::kWait);
  if (stream->legacy && captures_forbid_legacy(context)) return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
  const uint64_t sequence = stream->submit(std::move(work), barriers_for(stream), urgency != Urgency::kQueue);
  if (urgency != Urgency::kWait) return CUDA_SUCCESS;
  stream->wait(sequence);
  stream->context->flush_printed();
  return stream->context->sticky();
}

}  // namespace simgpu
