#include "worker/handlers/state.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <stdexcept>
#include <utility>

#include "bitfusion/env.h"

namespace bitfusion::worker {
namespace {

std::string uuid_text(const CUuuid& uuid) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text = "GPU-";
  for (int i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    const auto byte = static_cast<uint8_t>(uuid.bytes[i]);
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

void require(bool ok, const char* what) {
  if (!ok) throw std::runtime_error(std::string("the server's driver ") + what);
}

}  // namespace

State::State(Executor& executor_, const SessionConfig& config_, void* driver)
    : executor(executor_),
      config(config_),
      accounts(executor_.budget()),
      pools(cuda, executor_.budget()),
      limits(cuda, executor_.budget()),
      graphs(executor_, cuda),
      images(config_.cache),
      nvml(env::nvml_library(), config_.gpus, executor_.budget()) {
  load(driver, &cuda);
  start_driver();
  check_devices();
}

State::~State() {
  // The process ends with the session and takes everything else along; what waits inside the driver must not keep it.
}

// The lease's GPUs and no others, in the client's order.
void State::start_driver() {
  std::string visible;
  for (const std::string& gpu : config.gpus) visible += (visible.empty() ? "" : ",") + gpu;
  if (!visible.empty()) setenv("CUDA_VISIBLE_DEVICES", visible.c_str(), 1);
  require(cuda.cuInit && cuda.cuDeviceGetCount && cuda.cuDeviceGetUuid_v2, "lacks the calls of CUDA 11.4");
  const CUresult status = cuda.cuInit(0);
  if (status != CUDA_SUCCESS) throw std::runtime_error("cuInit on the server answers " + std::to_string(status));
}

void State::check_devices() {
  if (config.gpus.empty()) return;
  int count = 0;
  require(cuda.cuDeviceGetCount(&count) == CUDA_SUCCESS, "does not count its devices");
  for (size_t i = 0; i < config.gpus.size(); ++i) {
    CUuuid uuid = {};
    const bool there = static_cast<int>(i) < count && cuda.cuDeviceGetUuid_v2(&uuid, static_cast<CUdevice>(i)) == CUDA_SUCCESS;
    if (!there || uuid_text(uuid) != config.gpus[i])
      throw std::runtime_error("leased GPU " + config.gpus[i] + " is not visible to the worker");
  }
}

bool State::find_stream(const wire::FrameHeader&, uint64_t name, CUstream* stream) {
  switch (name >> wire::kStreamTagShift) {
    case wire::kLegacyStreamTag:
      *stream = CU_STREAM_LEGACY;
      return true;
    case wire::kPerThreadStreamTag:
      *stream = per_thread_stream(name);
      return *stream != nullptr;
    default:
      return objects.find(name, Handle::kStream, stream);
  }
}

// Worker threads are not the client's threads: each of those gets a stream of its own in each context.
CUstream State::per_thread_stream(uint64_t name) {
  std::lock_guard lock(mutex_);
  CUstream& stream = per_thread_[name];
  if (!stream && cuda.cuStreamCreate(&stream, CU_STREAM_DEFAULT) != CUDA_SUCCESS) stream = nullptr;
  return stream;
}

std::shared_ptr<const Function> State::function(uint32_t number) const {
  std::shared_lock lock(mutex_);
  return number - 1 < functions_.size() ? functions_[number - 1] : nullptr;
}

uint32_t State::add_function(Function function) {
  std::lock_guard lock(mutex_);
  functions_.push_back(std::make_shared<const Function>(std::move(function)));
  const auto number = static_cast<uint32_t>(functions_.size());
  numbers_[functions_.back()->handle] = number;
  return number;
}

uint32_t State::number_of(CUfunction function, CUkernel kernel) const {
  std::shared_lock lock(mutex_);
  for (CUfunction handle : {reinterpret_cast<CUfunction>(kernel), function}) {
    auto at = numbers_.find(handle);
    if (handle && at != numbers_.end()) return at->second;
  }
  // A library's kernel has another handle in each context.
  for (const auto& [handle, number] : numbers_) {
    CUfunction in_context = nullptr;
    if (!functions_[number - 1] || !functions_[number - 1]->is_kernel) continue;
    if (cuda.cuKernelGetFunction(&in_context, reinterpret_cast<CUkernel>(handle)) == CUDA_SUCCESS && in_context == function) return number;
  }
  return 0;
}

CodeSet* State::code_set(uint64_t name) {
  std::shared_lock lock(mutex_);
  auto at = code_sets_.find(name);
  return at == code_sets_.end() ? nullptr : &at->second;
}

void State::add_code_set(uint64_t name, CodeSet set) {
  std::lock_guard lock(mutex_);
  code_sets_[name] = std::move(set);
}

// Numbers of its kernels are not given out again.
void State::remove_code_set(uint64_t name) {
  std::lock_guard lock(mutex_);
  auto at = code_sets_.find(name);
  if (at == code_sets_.end()) return;
  for (uint32_t number : at->second.functions) functions_[number - 1].reset();
  code_sets_.erase(at);
}

uint32_t State::device_of(const wire::FrameHeader& header) const {
  Context context;
  return find_context(header.context, &context) ? static_cast<uint32_t>(context.device) : 0;
}

uint64_t State::account_of(const wire::FrameHeader& header) const {
  Context context;
  return find_context(header.context, &context) ? reinterpret_cast<uint64_t>(context.handle) : 0;
}

bool State::owns(uint64_t address, uint64_t size) const {
  if (accounts.contains(address, size) || coherence.contains(address, size)) return true;
  // Pools, variables, mappings: the driver knows them. A range may go on in the next mapping.
  while (size > 0) {
    unsigned type = 0;
    CUdeviceptr start = 0;
    size_t extent = 0;
    CUpointer_attribute asked[] = {CU_POINTER_ATTRIBUTE_MEMORY_TYPE, CU_POINTER_ATTRIBUTE_RANGE_START_ADDR,
                                   CU_POINTER_ATTRIBUTE_RANGE_SIZE};
    void* answers[] = {&type, &start, &extent};
    if (!cuda.cuPointerGetAttributes || cuda.cuPointerGetAttributes(std::size(asked), asked, answers, address) != CUDA_SUCCESS)
      return false;
    if (type != CU_MEMORYTYPE_DEVICE || address < start || address - start >= extent) return false;
    const uint64_t here = std::min<uint64_t>(size, extent - (address - start));
    address += here;
    size -= here;
  }
  return true;
}

uint64_t State::unaccounted(uint32_t device) {
  pools.settle();
  const uint64_t all = nvml.used_by_this_process(device), known = executor.budget().used_here(device);
  return all - std::min(all, known);
}

void State::note_context(uint64_t name, Context context) {
  std::lock_guard lock(mutex_);
  contexts_[name] = context;
}

bool State::find_context(uint64_t name, Context* context) const {
  std::shared_lock lock(mutex_);
  auto at = contexts_.find(name);
  if (at == contexts_.end()) return false;
  *context = at->second;
  return true;
}

void State::forget_context(uint64_t name) {
  objects.remove(name, Handle::kContext);
  std::lock_guard lock(mutex_);
  contexts_.erase(name);
  std::erase_if(per_thread_, [name](const auto& entry) { return ((entry.first ^ name) & 0xFFFFFFF) == 0; });
}

void State::settle_context(CUcontext handle) {
  const auto account = reinterpret_cast<uint64_t>(handle);
  std::lock_guard lock(mutex_);
  accounts.forget(account);
  limits.forget(account);
  for (auto& [set_name, set] : code_sets_) {
    if (set.context == account) accounts.give_back(set.device, std::exchange(set.bytes, 0));
  }
}

}  // namespace bitfusion::worker
