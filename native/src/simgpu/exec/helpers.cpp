// What compiled kernels call: slow paths of memory accesses, barriers and warp exchanges, device library calls. Signatures:
// native/ptx/abi.py.
#include "simgpu/exec/helpers.h"

#include <cstring>
#include <ctime>
#include <string>

#include "simgpu/exec/cluster.h"
#include "simgpu/exec/format.h"
#include "simgpu/exec/grid.h"
#include "simgpu/exec/texture.h"
#include "simgpu/exec/thread.h"

namespace simgpu::exec {
namespace {

constexpr uint32_t kResolveWrite = 1 << 8;

std::string access_text(const char* what, uint32_t size, bool write, uint64_t address) {
  char text[128];
  std::snprintf(text, sizeof(text), "%s of %u bytes at %s 0x%llx", write ? "write" : "read", size, what,
                static_cast<unsigned long long>(address));
  return text;
}

bool within(uint64_t address, size_t bytes, uint64_t low, uint64_t high) {
  return address >= low && address <= high && high - address >= bytes;
}

bool granules_allow(const LaunchContext& launch, uint64_t address, size_t bytes, uint8_t right) {
  if (!within(address, bytes, launch.arena_base, launch.arena_base + launch.arena_size)) return false;
  const uint64_t first = (address - launch.arena_base) >> kGranuleShift, last = (address + bytes - 1 - launch.arena_base) >> kGranuleShift;
  for (uint64_t granule = first; granule <= last; ++granule) {
    if (!(launch.granules[granule] & right)) return false;
  }
  return true;
}

const Texture& texture_of(ThreadContext* thread, uint64_t handle, bool surface) {
  const DeviceServices* services = grid_of(thread)->launch().services;
  const auto* find = services == nullptr ? nullptr : surface ? &services->surface : &services->texture;
  const Texture* found = find != nullptr && *find ? (*find)(handle) : nullptr;
  if (!found) raise_fault(thread, Fault::Kind::kIllegalAddress, handle, surface ? "no such surface object" : "no such texture object");
  return *found;
}

// Fields of the second argument of the surface helpers.
Geometry geometry_in(uint32_t info) { return static_cast<Geometry>(info & 15); }
Outside outside_in(uint32_t info) { return static_cast<Outside>(info >> 4 & 15); }
unsigned bytes_in(uint32_t info) { return info >> 8 & 255; }

uint8_t* surface_bytes(ThreadContext* thread, uint64_t handle, uint32_t info, const uint32_t* coordinates) {
  const Texture& surface = texture_of(thread, handle, true);
  uint8_t* place = surface_place(surface, geometry_in(info), outside_in(info), coordinates, bytes_in(info));
  if (place || outside_in(info) != Outside::kTrap) return place;
  raise_fault(thread, Fault::Kind::kIllegalAddress, handle, "surface access outside its array");
}

}  // namespace

void raise_fault(ThreadContext* thread, Fault::Kind kind, uint64_t address, std::string message) {
  Fault fault;
  fault.kind = kind;
  fault.address = address;
  for (int i = 0; i < 3; ++i) {
    fault.block[i] = thread->block->block_index[i];
    fault.thread[i] = thread->tid[i];
  }
  fault.message = std::move(message);
  grid_of(thread)->report(std::move(fault));
  fiber_of(thread)->block->leave(fiber_of(thread));
  __builtin_trap();  // a stopped block resumes nobody
}

uint8_t* require(ThreadContext* thread, uint64_t address, size_t bytes, bool write) {
  void* place = locate(thread, address, bytes, write);
  if (!place)
    raise_fault(thread, Fault::Kind::kIllegalAddress, address,
                access_text("illegal address", static_cast<uint32_t>(bytes), write, address));
  return static_cast<uint8_t*>(place);
}

// Where the bytes behind a generic address lie, nullptr if the thread may not touch them.
void* locate(ThreadContext* thread, uint64_t address, size_t bytes, bool write) {
  const BlockContext& block = *thread->block;
  const auto shared = reinterpret_cast<uint64_t>(block.shared);
  if (within(address, bytes, shared, shared + block.shared_bytes)) return reinterpret_cast<void*>(address);
  if (within(address, bytes, thread->stack_low, thread->stack_high)) return reinterpret_cast<void*>(address);
  if (granules_allow(*block.launch, address, bytes, write ? kWritable : kReadable)) return reinterpret_cast<void*>(address);
  if (grid_of(thread)->in_workspace(address, bytes)) return reinterpret_cast<void*>(address);
  if (fiber_of(thread)->block->cluster()->contains(address, bytes)) return reinterpret_cast<void*>(address);
  const MemoryMap* memory = grid_of(thread)->launch().memory;
  return memory->resolve ? memory->resolve(address, bytes, write) : nullptr;
}

}  // namespace simgpu::exec

using namespace simgpu::exec;

extern "C" {

void* simgpu_resolve(ThreadContext* thread, uint64_t address, uint32_t info) {
  const uint32_t size = 1u << (info & 0xFF);
  const bool write = info & kResolveWrite;
  if (address & (size - 1))
    raise_fault(thread, Fault::Kind::kMisalignedAddress, address, access_text("misaligned address", size, write, address));
  const auto params = reinterpret_cast<uint64_t>(thread->block->launch->params);
  if (!write && within(address, size, params, params + grid_of(thread)->param_bytes())) return reinterpret_cast<void*>(address);
  void* place = locate(thread, address, size, write);
  if (!place) raise_fault(thread, Fault::Kind::kIllegalAddress, address, access_text("illegal address", size, write, address));
  return place;
}

// Several accesses through one base at once: `bytes` bytes from `address` on, aligned as the strictest of them asks.
void* simgpu_resolve_span(ThreadContext* thread, uint64_t address, uint64_t bytes, uint32_t misaligned, uint32_t write) {
  const auto size = static_cast<uint32_t>(bytes);
  if (misaligned) raise_fault(thread, Fault::Kind::kMisalignedAddress, address, access_text("misaligned address", size, write, address));
  const auto params = reinterpret_cast<uint64_t>(thread->block->launch->params);
  if (!write && within(address, bytes, params, params + grid_of(thread)->param_bytes())) return reinterpret_cast<void*>(address);
  void* place = locate(thread, address, bytes, write != 0);
  if (!place) raise_fault(thread, Fault::Kind::kIllegalAddress, address, access_text("illegal address", size, write, address));
  return place;
}

void* simgpu_resolve_shared(ThreadContext* thread, uint64_t offset, uint32_t shift) {
  const uint32_t size = 1u << shift;
  const bool aligned = (offset & (size - 1)) == 0;
  void* place = aligned ? fiber_of(thread)->block->cluster()->in_window(offset, size) : nullptr;
  if (place) return place;
  const auto kind = aligned ? Fault::Kind::kIllegalAddress : Fault::Kind::kMisalignedAddress;
  raise_fault(thread, kind, offset, access_text("shared memory offset", size, false, offset));
}

void* simgpu_resolve_local(ThreadContext* thread, uint64_t address, uint32_t shift) {
  const uint32_t size = 1u << shift;
  const auto kind = address & (size - 1) ? Fault::Kind::kMisalignedAddress : Fault::Kind::kIllegalAddress;
  raise_fault(thread, kind, address, access_text("local memory address", size, false, address));
}

// Codes as native/ptx/ops_memory.py numbers the spaces: global, shared, local, const, param, shared memory of the cluster.
bool simgpu_is_space(ThreadContext* thread, uint64_t address, uint32_t space) {
  const auto shared = reinterpret_cast<uint64_t>(thread->block->shared);
  const bool in_shared = within(address, 1, shared, shared + thread->block->shared_bytes);
  const bool in_local = within(address, 1, thread->stack_low, thread->stack_high);
  const auto params = reinterpret_cast<uint64_t>(thread->block->launch->params);
  const bool in_params = within(address, 1, params, params + grid_of(thread)->param_bytes());
  const bool in_cluster = in_shared || fiber_of(thread)->block->cluster()->contains(address, 1);
  switch (space) {
    case 0:
      return !in_cluster && !in_local && !in_params;
    case 1:
      return in_shared;
    case 2:
      return in_local;
    case 4:
      return in_params;
    case 5:
      return in_cluster;
    default:
      return false;
  }
}

void simgpu_trap(ThreadContext* thread, uint32_t breakpoint) {
  raise_fault(thread, Fault::Kind::kTrap, 0, breakpoint ? "breakpoint instruction" : "trap instruction");
}

void simgpu_exit(ThreadContext* thread) { fiber_of(thread)->block->end_thread(fiber_of(thread)); }

void simgpu_overflow(ThreadContext* thread) {
  raise_fault(thread, Fault::Kind::kStackOverflow, 0, "the stack of a device thread is full: recursion too deep");
}

void simgpu_bad_call(ThreadContext* thread, uint64_t target) {
  raise_fault(thread, Fault::Kind::kInvalidPc, target, "call through a pointer that is no device function");
}

void simgpu_yield(ThreadContext* thread) { fiber_of(thread)->block->yield(fiber_of(thread)); }

void simgpu_bar(ThreadContext* thread, uint32_t number, uint32_t count, uint32_t arrive) {
  fiber_of(thread)->block->barrier(fiber_of(thread), number, count, arrive != 0, 0);
}

uint32_t simgpu_bar_red(ThreadContext* thread, uint32_t number, uint32_t count, uint32_t operation, uint32_t predicate) {
  const uint32_t result = fiber_of(thread)->block->barrier(fiber_of(thread), number, count, false, predicate);
  const uint32_t set = result & 0xFFFF, threads = result >> 16;
  if (operation == 0) return set == threads;
  return operation == 1 ? set != 0 : set;
}

void simgpu_warp_sync(ThreadContext* thread, uint32_t mask) {
  fiber_of(thread)->block->exchange(fiber_of(thread), Exchange::kSync, 0, mask, 0, 0, 0);
}

uint64_t simgpu_shfl(ThreadContext* thread, uint32_t mode, uint32_t value, uint32_t lane, uint32_t clamp, uint32_t mask) {
  return fiber_of(thread)->block->exchange(fiber_of(thread), Exchange::kShuffle, mode, mask, value, lane, clamp);
}

uint32_t simgpu_vote(ThreadContext* thread, uint32_t mode, uint32_t predicate, uint32_t mask) {
  return static_cast<uint32_t>(fiber_of(thread)->block->exchange(fiber_of(thread), Exchange::kVote, mode, mask, predicate, 0, 0));
}

uint64_t simgpu_match(ThreadContext* thread, uint32_t mode, uint64_t value, uint32_t mask) {
  return fiber_of(thread)->block->exchange(fiber_of(thread), Exchange::kMatch, mode, mask, value, 0, 0);
}

uint32_t simgpu_redux(ThreadContext* thread, uint32_t code, uint32_t value, uint32_t mask) {
  return static_cast<uint32_t>(fiber_of(thread)->block->exchange(fiber_of(thread), Exchange::kReduce, code, mask, value, 0, 0));
}

uint32_t simgpu_activemask(ThreadContext* thread, uint32_t site) {
  return static_cast<uint32_t>(fiber_of(thread)->block->exchange(fiber_of(thread), Exchange::kActive, site, 0, 0, 0, 0));
}

uint64_t simgpu_elect(ThreadContext* thread, uint32_t mask) {
  return fiber_of(thread)->block->exchange(fiber_of(thread), Exchange::kElect, 0, mask, 0, 0, 0);
}

uint64_t simgpu_time() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000 + static_cast<uint64_t>(now.tv_nsec);
}

uint32_t simgpu_vprintf(ThreadContext* thread, uint64_t format, uint64_t arguments) {
  std::string text;
  const int count = format_device(thread, format, arguments, &text);
  const DeviceServices* services = grid_of(thread)->launch().services;
  if (services && services->print) services->print(text);
  return static_cast<uint32_t>(count);
}

uint64_t simgpu_malloc(ThreadContext* thread, uint64_t bytes) {
  const DeviceServices* services = grid_of(thread)->launch().services;
  return services && services->allocate ? services->allocate(bytes) : 0;
}

void simgpu_free(ThreadContext* thread, uint64_t address) {
  const DeviceServices* services = grid_of(thread)->launch().services;
  if (address && services && services->release) services->release(address);
}

void simgpu_set_condition(ThreadContext* thread, uint64_t handle, uint32_t value) {
  const DeviceServices* services = grid_of(thread)->launch().services;
  if (services && services->set_condition && services->set_condition(handle, value)) return;
  raise_fault(thread, Fault::Kind::kIllegalAddress, handle, "cudaGraphSetConditional with a handle that is none");
}

// Bits of `info`: geometry 0-3, kind of fetch 4-7, integer coordinates 8, component 12-13.
void simgpu_texture(ThreadContext* thread, uint64_t handle, uint32_t info, const uint32_t* coordinates, uint32_t* result) {
  Sample asked;
  asked.geometry = geometry_in(info);
  asked.fetch = static_cast<Fetch>(info >> 4 & 15);
  asked.integers = info >> 8 & 1;
  asked.component = info >> 12 & 3;
  asked.coordinates = coordinates;
  sample(texture_of(thread, handle, false), asked, result);
}

void simgpu_surface_load(ThreadContext* thread, uint64_t handle, uint32_t info, const uint32_t* coordinates, uint8_t* to) {
  const uint8_t* place = surface_bytes(thread, handle, info, coordinates);
  if (place) {
    std::memcpy(to, place, bytes_in(info));
  } else {
    std::memset(to, 0, bytes_in(info));
  }
}

void simgpu_surface_store(ThreadContext* thread, uint64_t handle, uint32_t info, const uint32_t* coordinates, const uint8_t* from) {
  uint8_t* place = surface_bytes(thread, handle, info, coordinates);
  if (place) std::memcpy(place, from, bytes_in(info));
}

uint32_t simgpu_texture_query(ThreadContext* thread, uint64_t handle, uint32_t what, uint32_t surface) {
  return query(texture_of(thread, handle, surface != 0), static_cast<Query>(what));
}

void simgpu_assert(ThreadContext* thread, uint64_t message, uint64_t file, uint32_t line, uint64_t function, uint64_t) {
  std::string text = device_string(thread, file) + ":" + std::to_string(line) + ": " + device_string(thread, function) + ": block: [";
  const uint32_t* block = thread->block->block_index;
  text += std::to_string(block[0]) + "," + std::to_string(block[1]) + "," + std::to_string(block[2]) + "], thread: [";
  text += std::to_string(thread->tid[0]) + "," + std::to_string(thread->tid[1]) + "," + std::to_string(thread->tid[2]) + "] Assertion `";
  text += device_string(thread, message) + "` failed.";
  const DeviceServices* services = grid_of(thread)->launch().services;
  if (services && services->print) services->print(text + "\n");
  raise_fault(thread, Fault::Kind::kAssert, 0, text);
}

// The position of the n-th set bit of `mask` from bit `base` on (n > 0 upwards, n < 0 downwards), all ones if there is none.
uint32_t simgpu_fns(uint32_t mask, uint32_t base, int32_t n) {
  if (base > 31) return ~0u;
  if (n == 0) return mask >> base & 1 ? base : ~0u;
  const int step = n > 0 ? 1 : -1;
  int left = n > 0 ? n : -n;
  for (int bit = static_cast<int>(base); bit >= 0 && bit < 32; bit += step) {
    if ((mask >> bit & 1) && --left == 0) return static_cast<uint32_t>(bit);
  }
  return ~0u;
}

}  // extern "C"
