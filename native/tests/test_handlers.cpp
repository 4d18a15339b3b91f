#include "test_handlers.h"

#include <dlfcn.h>

#include <atomic>
#include <condition_variable>
#include <mutex>

namespace bitfusion::worker::test {
namespace {

// A gate that opens once for each open().
class Gate {
 public:
  void open() {
    std::lock_guard guard(lock_);
    ++opened_;
    changed_.notify_all();
  }
  void pass() {
    std::unique_lock guard(lock_);
    changed_.wait(guard, [this] { return opened_ > 0; });
    --opened_;
  }

 private:
  std::mutex lock_;
  std::condition_variable changed_;
  int opened_ = 0;
};

struct State {
  Executor& executor;
  decltype(&::cuLaunchHostFunc) launch;
  void (*limit_copies)(uint64_t address);
  std::atomic<uint64_t> counter{0};
  std::atomic<uint64_t> noted{0};
  Gate call_gate;
  Gate stream_gate;
};

State& state_of(Call& call) { return *static_cast<State*>(call.session); }

CUstream stream_of(Call& call) { return reinterpret_cast<CUstream>(call.args.get<uint64_t>()); }

CUresult echo(Call& call) {
  auto bytes = call.args.blob();
  if (!call.args.ok()) throw BadFrame{"echo of nothing"};
  call.reply.blob(bytes.data(), bytes.size());
  return CUDA_SUCCESS;
}

CUresult count(Call& call) {
  State& state = state_of(call);
  return state.launch(stream_of(call), [](void* data) { ++static_cast<State*>(data)->counter; }, &state);
}

CUresult read_counter(Call& call) {
  call.reply.put(state_of(call).counter.load());
  return CUDA_SUCCESS;
}

CUresult fail(Call&) { return CUDA_ERROR_INVALID_VALUE; }

CUresult block(Call& call) {
  state_of(call).call_gate.pass();
  return CUDA_SUCCESS;
}

CUresult open(Call& call) {
  state_of(call).call_gate.open();
  return CUDA_SUCCESS;
}

CUresult sum(Call& call) {
  uint64_t total = 0;
  for (std::byte byte : call.bulk) total += static_cast<uint64_t>(byte);
  call.reply.put(total);
  return CUDA_SUCCESS;
}

CUresult host_call(Call& call) {
  CUstream stream = stream_of(call);
  return call.executor.enqueue_callback(stream, call.args.get<uint64_t>(), false);
}

CUresult ready(Call&) { return CUDA_SUCCESS; }

CUresult hold_stream(Call& call) {
  State& state = state_of(call);
  return state.launch(stream_of(call), [](void* data) { static_cast<State*>(data)->stream_gate.pass(); }, &state);
}

CUresult open_stream(Call& call) {
  state_of(call).stream_gate.open();
  return CUDA_SUCCESS;
}

CUresult zeros(Call& call) {
  std::vector<std::byte> zeros(call.args.get<uint64_t>());
  call.reply.bytes(zeros.data(), zeros.size());
  return CUDA_SUCCESS;
}

CUresult take_away(Call& call) {
  state_of(call).noted = state_of(call).counter.load();
  return CUDA_SUCCESS;
}

CUresult noted(Call& call) {
  call.reply.put(state_of(call).noted.load());
  return CUDA_SUCCESS;
}

CUresult limit_copies(Call& call) {
  state_of(call).limit_copies(call.args.get<uint64_t>());
  return CUDA_SUCCESS;
}

void after_keys(const wire::FrameHeader&, wire::Reader, Keys& keys) { keys.after_work(); }
void work_keys(const wire::FrameHeader&, wire::Reader args, Keys& keys) { keys.work(args.get<uint64_t>()); }
void stream_keys(const wire::FrameHeader&, wire::Reader args, Keys& keys) { keys.stream(args.get<uint64_t>()); }

const Row kRows[] = {
    {"echo", CallClass::kNow, echo, nullptr},
    {"count", CallClass::kWork, count, work_keys},
    {"read", CallClass::kNow, read_counter, nullptr},
    {"sync_stream", CallClass::kWaitStream, nullptr, work_keys},
    {"fail_async", CallClass::kNow, fail, nullptr},
    {"block", CallClass::kBlocking, block, stream_keys},
    {"open", CallClass::kNow, open, nullptr},
    {"sum", CallClass::kNow, sum, nullptr},
    {"host_call", CallClass::kWork, host_call, work_keys},
    {"query_stream", CallClass::kQuery, ready, stream_keys},
    {"hold_stream", CallClass::kWork, hold_stream, work_keys},
    {"open_stream", CallClass::kNow, open_stream, nullptr},
    {"nothing", CallClass::kWork, ready, work_keys},
    {"zeros", CallClass::kNow, zeros, nullptr},
    {"take_away", CallClass::kBlocking, take_away, after_keys},
    {"noted", CallClass::kNow, noted, nullptr},
    {"limit_copies", CallClass::kNow, limit_copies, nullptr},
};
static_assert(std::size(kRows) == kRowCount);

void* create(Executor& executor, const SessionConfig&, void* driver) {
  auto launch = reinterpret_cast<decltype(&::cuLaunchHostFunc)>(dlsym(driver, "cuLaunchHostFunc"));
  auto limit_copies = reinterpret_cast<void (*)(uint64_t)>(dlsym(driver, "fakeLimitCopies"));
  return new State{executor, launch, limit_copies, {}, {}, {}, {}};
}

void destroy(void* state) { static_cast<void>(state); }  // streams may still use it

bool resolve_stream(void*, const wire::FrameHeader&, uint64_t name, CUstream* stream) {
  *stream = reinterpret_cast<CUstream>(name);
  return name < 200 || wire::is_legacy_stream(name);
}

bool resolve_event(void*, uint64_t, CUevent*) { return false; }

bool resolve_context(void*, uint64_t name, CUcontext* context) {
  *context = reinterpret_cast<CUcontext>(name);
  return name == 1;
}

}  // namespace

const HandlerTable& test_handlers() {
  static const HandlerTable table{kRows, create, destroy, resolve_stream, resolve_event, resolve_context};
  return table;
}

}  // namespace bitfusion::worker::test
