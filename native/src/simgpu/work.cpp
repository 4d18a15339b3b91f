#include "simgpu/work.h"

#include <time.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>

#include "simgpu/arena.h"
#include "simgpu/context.h"
#include "simgpu/graph_exec.h"
#include "simgpu/launch.h"
#include "simgpu/texture.h"

namespace simgpu {

namespace {

constexpr uint64_t kLongestPollNs = 200'000;

// --- Kernels ----------------------------------------------------------------------------------------------------------------------------

CUresult error_of(exec::Fault::Kind kind) {
  switch (kind) {
    case exec::Fault::Kind::kNone:
    case exec::Fault::Kind::kAborted:
      return CUDA_SUCCESS;
    case exec::Fault::Kind::kIllegalAddress:
      return CUDA_ERROR_ILLEGAL_ADDRESS;
    case exec::Fault::Kind::kMisalignedAddress:
      return CUDA_ERROR_MISALIGNED_ADDRESS;
    case exec::Fault::Kind::kTrap:
    case exec::Fault::Kind::kStackOverflow:
      return CUDA_ERROR_LAUNCH_FAILED;
    case exec::Fault::Kind::kAssert:
      return CUDA_ERROR_ASSERT;
    case exec::Fault::Kind::kIllegalInstruction:
      return CUDA_ERROR_ILLEGAL_INSTRUCTION;
    case exec::Fault::Kind::kInvalidPc:
      return CUDA_ERROR_INVALID_PC;
    case exec::Fault::Kind::kDeadlock:
      return CUDA_ERROR_LAUNCH_TIMEOUT;
    case exec::Fault::Kind::kOutOfResources:
      return CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;
  }
  return CUDA_ERROR_UNKNOWN;
}

uint64_t device_malloc(Context* context, uint64_t bytes) {
  Allocation wanted;
  wanted.size = bytes;
  wanted.gpu = context->gpu();
  wanted.context = context;
  return Arena::get().allocate(wanted).value_or(0);
}

exec::DeviceServices services_for(Context* context) {
  exec::DeviceServices services;
  services.print = [context](std::string_view text) { context->print(text); };
  services.allocate = [context](uint64_t bytes) { return device_malloc(context, bytes); };
  services.release = [](uint64_t address) { Arena::get().release(address); };
  services.set_condition = set_condition;
  services.texture = find_texture;
  services.surface = find_surface;
  return services;
}

uint64_t next_grid_id() {
  static std::atomic<uint64_t> next{1};
  return next.fetch_add(1, std::memory_order_relaxed);
}

void run_kernel(Context* context, const KernelWork& work) {
  if (null_kernels()) return;
  const exec::DeviceServices services = services_for(context);
  exec::Launch launch;
  std::copy(work.grid, work.grid + 3, launch.grid);
  std::copy(work.block, work.block + 3, launch.block);
  std::copy(work.cluster, work.cluster + 3, launch.cluster);
  launch.dynamic_shared_bytes = work.dynamic_shared;
  launch.params = work.params.data();
  launch.globals = work.globals->data();
  launch.cooperative = work.cooperative;
  launch.grid_id = next_grid_id();
  launch.multiprocessors = static_cast<uint32_t>(multiprocessor_count());
  launch.memory = &Arena::get().memory_map();
  launch.services = &services;
  launch.abort = &context->aborting;
  const exec::Fault fault = work.kernel->run(launch);
  const CUresult error = error_of(fault.kind);
  if (error != CUDA_SUCCESS) context->fail(error, (work.kernel->info().name + ": " + fault.message).c_str());
}

// --- Copies -----------------------------------------------------------------------------------------------------------------------------

void copy_lines(const CopyWork& work) {
  if (work.width == 0) return;  // however many rows of nothing
  const uint64_t source = work.staged != nullptr ? reinterpret_cast<uint64_t>(work.staged->data()) : work.src;
  for (uint64_t z = 0; z < work.depth; z++) {
    for (uint64_t y = 0; y < work.height; y++) {
      auto* to = reinterpret_cast<void*>(work.dst + z * work.dst_slice + y * work.dst_pitch);
      const auto* from = reinterpret_cast<const void*>(source + z * work.src_slice + y * work.src_pitch);
      memmove(to, from, work.width);
    }
  }
}

void sleep_ns(uint64_t nanoseconds) {
  timespec pause{static_cast<time_t>(nanoseconds / 1'000'000'000), static_cast<long>(nanoseconds % 1'000'000'000)};
  while (nanosleep(&pause, &pause) != 0) {
  }
}

void run_copy(const CopyWork& work) {
  copy_lines(work);
  const uint64_t rate = current_faults().copy_mib_per_second << 20;
  if (rate != 0) sleep_ns(bytes_of(work) * 1'000'000'000 / rate);
}

template <typename Element>
void fill_lines(const FillWork& work) {
  const auto value = static_cast<Element>(work.value);
  for (uint64_t y = 0; y < work.height; y++) {
    auto* line = reinterpret_cast<Element*>(work.dst + y * work.pitch);
    std::fill(line, line + work.width, value);
  }
}

void run_fill(const FillWork& work) {
  if (work.width == 0) return;
  if (work.element_size == 1) fill_lines<uint8_t>(work);
  if (work.element_size == 2) fill_lines<uint16_t>(work);
  if (work.element_size == 4) fill_lines<uint32_t>(work);
}

// --- Host functions and values in memory ------------------------------------------------------------------------------------------------

void run_host(Context* context, const HostWork& work) {
  context->flush_printed();
  const CUresult status = context->sticky();
  if (work.callback != nullptr) {
    context->callbacks->run([&] { work.callback(work.stream, status, work.data); });
  } else if (status == CUDA_SUCCESS) {
    context->callbacks->run([&] { work.function(work.data); });
  }
}

bool value_matches(const ValueWork& work) {
  const auto* word = reinterpret_cast<const void*>(work.address);
  const uint64_t value = work.wide ? __atomic_load_n(static_cast<const uint64_t*>(word), __ATOMIC_ACQUIRE)
                                   : __atomic_load_n(static_cast<const uint32_t*>(word), __ATOMIC_ACQUIRE);
  const uint64_t mask = work.wide ? ~0ull : 0xffffffffull;
  switch (work.flags & 3) {
    case CU_STREAM_WAIT_VALUE_GEQ: {
      const uint64_t difference = (value - work.value) & mask;  // cyclic comparison
      return (difference >> (work.wide ? 63 : 31)) == 0;
    }
    case CU_STREAM_WAIT_VALUE_EQ:
      return value == (work.value & mask);
    case CU_STREAM_WAIT_VALUE_AND:
      return (value & work.value & mask) != 0;
    default:
      return (~(value | work.value) & mask) != 0;
  }
}

void run_value(Context* context, const ValueWork& work) {
  if (!work.wait) {
    auto* word = reinterpret_cast<void*>(work.address);
    if (work.wide) {
      __atomic_store_n(static_cast<uint64_t*>(word), work.value, __ATOMIC_RELEASE);
    } else {
      __atomic_store_n(static_cast<uint32_t*>(word), static_cast<uint32_t>(work.value), __ATOMIC_RELEASE);
    }
    return;
  }
  // Whoever writes the value tells nobody, so look again and again, ever less often.
  uint64_t pause = 500;
  while (!value_matches(work) && !context->closing.load() && context->sticky() == CUDA_SUCCESS) {
    sleep_ns(pause);
    pause = std::min(pause * 2, kLongestPollNs);
  }
}

// Counts the time towards the GPU's utilisation.
class BusyTime {
 public:
  explicit BusyTime(Context* context) : context_(context), start_(monotonic_ns()) {}
  ~BusyTime() { SharedState::get().add_busy(context_->gpu(), monotonic_ns() - start_); }
  BusyTime(const BusyTime&) = delete;
  BusyTime& operator=(const BusyTime&) = delete;

 private:
  Context* context_;
  uint64_t start_;
};

}  // namespace

uint64_t bytes_of(const CopyWork& copy) { return copy.width * copy.height * copy.depth; }

void run_work(Context* context, StreamCore* stream, Work* work) {
  const bool healthy = context->sticky() == CUDA_SUCCESS;
  if (auto* record = std::get_if<RecordWork>(work)) {
    record->event->finish(stream, record->sequence);
  } else if (auto* host = std::get_if<HostWork>(work)) {
    run_host(context, *host);
  } else if (auto* action = std::get_if<ActionWork>(work)) {
    action->run();
  } else if (auto* wait = std::get_if<EventWaitWork>(work)) {
    wait->event->milestone().wait();
  } else if (!healthy) {
    return;
  } else if (auto* kernel = std::get_if<KernelWork>(work)) {
    BusyTime busy(context);
    run_kernel(context, *kernel);
  } else if (auto* copy = std::get_if<CopyWork>(work)) {
    BusyTime busy(context);
    run_copy(*copy);
  } else if (auto* fill = std::get_if<FillWork>(work)) {
    BusyTime busy(context);
    run_fill(*fill);
  } else if (auto* value = std::get_if<ValueWork>(work)) {
    run_value(context, *value);
  } else if (auto* batch = std::get_if<BatchWork>(work)) {
    for (const ValueWork& each : batch->values) run_value(context, each);
  } else if (auto* allocation = std::get_if<AllocWork>(work)) {
    open_memory(*allocation->memory);
  } else if (auto* release = std::get_if<FreeWork>(work)) {
    close_memory(*release->memory);
  } else if (auto* graph = std::get_if<GraphWork>(work)) {
    run_executable(context, stream, graph->graph.get(), graph->sequence);
  }
}

}  // namespace simgpu
